import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fairlot.engine import Audience, BrokenExperiment, Schedule, Status, Unit
from fairlot.http.addresses import Addresses
from fairlot.http.throttle import Policy
from support.serving import (
    KEY_SECRET,
    NOW_MS,
    OTHER_TOKEN,
    TOKEN,
    Desk,
    a_desk,
    a_project,
    a_snapshot,
    a_variant,
    an_api_key,
    an_experiment,
)

PATH = "/api/v1/experiments/assignments/"
OUT = b'{"success":true,"in_experiment":false}'
ONLY_A = (a_variant("a", weight=10_000), a_variant("none", weight=0))
EXPERIMENTS = (
    an_experiment(),
    an_experiment("paid", variants=(a_variant("a", weight=10_000, payload={"n": 1.0}), ONLY_A[1])),
    an_experiment("sent", variants=(a_variant("a", weight=10_000, redirect="/new"), ONLY_A[1])),
    an_experiment("pages", audience=Audience(url_patterns=("/shop/**",))),
    an_experiment("pros", audience=Audience(rule={"tier": "pro"})),
    an_experiment("deep", audience=Audience(rule={"tier": {"a": [1]}})),
    an_experiment("paused", status=Status.PAUSED),
    an_experiment("future", schedule=Schedule(start_ms=NOW_MS + 1)),
    an_experiment("past", schedule=Schedule(end_ms=NOW_MS)),
    an_experiment("done", status=Status.COMPLETED),
    an_experiment("rolled", status=Status.COMPLETED, rollout="bold"),
    an_experiment("accounts", unit=Unit.ACCOUNT),
    an_experiment(
        "gated",
        variants=(a_variant("a", weight=10_000, recipe_sample_rate_bp=0), ONLY_A[1]),
    ),
    an_experiment("remote", server_only=True),
    BrokenExperiment("broken", "salt: bad"),
)
KEYS = {
    "reader00": an_api_key("read"),
    "decider0": an_api_key("decide"),
    "foreign0": an_api_key("read", org="other"),
    "scoped00": an_api_key("read", project_ids=frozenset({"prj_other"})),
    "expired0": an_api_key("read", expires_at_ms=NOW_MS),
    "revoked0": an_api_key("read", revoked=True),
}
SNAPSHOT = a_snapshot(
    a_project(*EXPERIMENTS),
    a_project(an_experiment("elsewhere"), project="other"),
    api_keys=KEYS,
)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with a_desk(tmp_path, SNAPSHOT) as desk:
        yield desk


def body(**fields: Any) -> dict[str, Any]:
    return {"token": TOKEN, "visitor_id": "v1", **fields}


def test_assign__in__has_exactly_the_listed_fields(desk: Desk) -> None:
    answer = desk.assign("hero", "v1")
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"
    variant = answer.json["variant_key"]
    assert answer.json == {
        "success": True,
        "in_experiment": True,
        "experiment_id": "exp_hero",
        "experiment_key": "hero",
        "experiment_name": "Hero",
        "variant_id": f"var_{variant}",
        "variant_key": variant,
        "variant_name": variant.title(),
        "is_control": variant == "control",
        "type": "ab",
    }


def test_assign__payload_and_redirect__are_there_when_the_variant_has_them(desk: Desk) -> None:
    assert b'"payload":{"n":1.0}' in desk.assign("paid").body
    assert desk.assign("sent").json["redirect"] == "/new"


@pytest.mark.parametrize(
    ("key", "fields"),
    [
        ("pages", {"context": {"url": "https://shop.example/blog"}}),
        ("pages", {"context": {"url": "::not a url::"}}),
        ("pages", {"context": {"url": ""}}),
        ("pages", {"context": {"url": "https://[::1"}}),
        ("pros", {}),
        ("pros", {"context": {"attributes": {"tier": "free"}}}),
        ("paused", {}),
        ("accounts", {}),
        ("gated", {}),
        ("remote", {}),
        ("broken", {}),
    ],
)
def test_assign__out__is_exactly_two_fields(desk: Desk, key: str, fields: dict[str, Any]) -> None:
    answer = desk.assign(key, **fields)
    assert (answer.status, answer.body) == (200, OUT)
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("key", "fields"),
    [
        ("pages", {"context": {"url": "https://shop.example/shop/shoes"}}),
        ("pages", {"context": None}),
        ("pages", {"context": {"url": None, "search": None, "device": None, "attributes": None}}),
        ("pros", {"context": {"attributes": {"tier": "pro"}}}),
        ("accounts", {"context": {"account_id": "acme"}}),
        ("rolled", {}),
        ("hero", {"explain": None, "track_impression": None}),
        ("hero", {"unknown": 1, "context": {"unknown": {}}}),
        ("he%72o", {}),
    ],
)
def test_assign__matching_context_and_nulls__are_in(
    desk: Desk, key: str, fields: dict[str, Any]
) -> None:
    assert desk.assign(key, **fields).json["in_experiment"] is True


@pytest.mark.parametrize(
    "key",
    ["unknown", "future", "past", "done", "elsewhere", "he%2Fro", "hero/", "a/b", "%ff", "%", "."],
)
def test_assign__not_running__is_404_in_the_shape_of_the_face(desk: Desk, key: str) -> None:
    answer = desk.assign(key)
    assert answer.status == 404
    assert answer.json.keys() == {"success", "error"}
    assert answer.json["success"] is False
    assert answer.headers["x-should-retry"] == "false"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", [PATH, PATH[:-1]])
def test_assign__path_without_key__is_400(desk: Desk, path: str) -> None:
    answer = desk.client.post(path, body(token="wrong"))
    assert answer.status == 400
    assert "key" in answer.json["error"]


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b'{"token":NaN}',
        b'{"token":"t","visitor_id":"\\ud800"}',
        b'{"token":"t","visitor_id":"\xff"}',
        b'{"token":"t","visitor_id":"\xed\xa0\x80"}',
        b"\xef\xbb\xbf{}",
        b'{"a":' * 5000,
        b"[" * 60_000,
        b'{"token":"t"} rest',
    ],
)
def test_assign__malformed_body__is_400_before_anything_else(desk: Desk, text: bytes) -> None:
    answer = desk.client.post(PATH + "unknown", text)
    assert answer.status == 400
    assert answer.json["success"] is False


def test_assign__half_a_surrogate_pair__is_named(desk: Desk) -> None:
    text = b'{"token":"%s","visitor_id":"\\ud800"}' % TOKEN.encode()
    assert "surrogate" in desk.client.post(PATH + "hero", text).json["error"]


@pytest.mark.parametrize("value", ["1e999", "-1e999", "9" * 5000, "Infinity", "NaN"])
def test_assign__number_out_of_range__is_400(desk: Desk, value: str) -> None:
    text = b'{"token":"%s","visitor_id":"v","context":{"attributes":{"n":%s}}}'
    answer = desk.client.post(PATH + "pros", text % (TOKEN.encode(), value.encode()))
    assert answer.status == 400


@pytest.mark.parametrize("token", [None, "", "exp_unknown", 5, {}, "é", OTHER_TOKEN + " "])
def test_assign__token_not_known__is_401_before_the_key(desk: Desk, token: Any) -> None:
    answer = desk.client.post(PATH + "unknown", {"token": token, "visitor_id": 1})
    assert answer.status == 401
    assert "token" in answer.json["error"]


def test_assign__token_of_another_project__sees_only_its_own(desk: Desk) -> None:
    assert desk.assign("hero", token=OTHER_TOKEN).status == 404
    assert desk.assign("elsewhere", token=OTHER_TOKEN).status == 200


def test_assign__key_not_running__is_404_before_wrong_fields(desk: Desk) -> None:
    assert desk.assign("unknown", visitor_id="").status == 404
    assert desk.assign("future", visitor_id="").status == 404


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"visitor_id": None}, "visitor_id"),
        ({"visitor_id": ""}, "visitor_id"),
        ({"visitor_id": 5}, "visitor_id"),
        ({"visitor_id": "x" * 401}, "visitor_id"),
        ({"visitor_id": "😀" * 401}, "visitor_id"),
        ({"visitor_id": "a\0b"}, "visitor_id"),
        ({"context": []}, "context"),
        ({"context": "url"}, "context"),
        ({"context": {"url": 5}}, "context.url"),
        ({"context": {"search": {}}}, "context.search"),
        ({"context": {"device": "tv"}}, "context.device"),
        ({"context": {"device": []}}, "context.device"),
        ({"context": {"attributes": [1]}}, "context.attributes"),
        ({"context": {"account_id": ""}}, "context.account_id"),
        ({"context": {"account_id": "a\0b"}}, "context.account_id"),
        ({"context": {"account_id": "x" * 401}}, "context.account_id"),
        ({"track_impression": "yes"}, "track_impression"),
        ({"explain": 1}, "explain"),
    ],
)
def test_assign__wrong_field__is_400_with_name_and_fix(
    desk: Desk, fields: dict[str, Any], named: str
) -> None:
    answer = desk.assign(**fields)
    assert answer.status == 400
    assert answer.json["error"].startswith(f"{named}: must be ")
    assert answer.headers["x-should-retry"] == "false"


def test_assign__account_as_unit__one_variant_for_all_its_visitors(desk: Desk) -> None:
    context = {"account_id": "acme"}
    answers = [desk.assign("accounts", visitor_id=f"v{n}", context=context) for n in range(20)]
    assert len({answer.json["variant_key"] for answer in answers}) == 1


def test_assign__several_wrong_fields__are_all_named(desk: Desk) -> None:
    error = desk.assign(visitor_id="", context={"url": 1, "device": 2}).json["error"]
    assert all(name in error for name in ("visitor_id", "context.url", "context.device"))


def test_assign__visitor_id_of_400_code_points__is_taken(desk: Desk) -> None:
    assert desk.assign(visitor_id="😀" * 400).status == 200


def test_assign__body_over_64_kib__is_413(desk: Desk) -> None:
    piece = b"a" * 0x8000
    counted = desk.client.post(PATH + "hero", b'"' + piece * 2)
    streamed = desk.client.request("POST", PATH + "hero", [piece, piece, b"a", b"a"])
    assert counted.status == streamed.status == 413
    assert counted.headers["x-should-retry"] == "false"


def test_assign__body_in_pieces__is_read_whole(desk: Desk) -> None:
    text = msgspec.json.encode(body())
    pieces = [text[:10], b"", text[10:]]
    assert desk.client.request("POST", PATH + "hero", pieces).status == 200


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE"])
@pytest.mark.parametrize("path", [PATH + "hero", PATH[:-1]])
def test_assign__other_method__is_405_with_allow(desk: Desk, method: str, path: str) -> None:
    answer = desk.client.request(method, path)
    assert answer.status == 405
    assert answer.headers["allow"] == "POST"
    assert answer.headers["x-should-retry"] == "false"
    if method != "HEAD":
        assert answer.json["success"] is False


def test_assign__attributes_nested_deeply__are_answered(desk: Desk) -> None:
    deep: Any = 1
    for _ in range(400):
        deep = {"a": deep}
    answer = desk.assign("deep", context={"attributes": {"tier": deep}})
    assert answer.status in (200, 400)


def key_of(name: str) -> str:
    return f"fx_key_{name}.{KEY_SECRET}"


@pytest.mark.parametrize(
    ("headers", "query"),
    [
        ({"Authorization": f"Bearer {key_of('reader00')}"}, ""),
        ({"Authorization": f"bearer  {key_of('reader00')}"}, ""),
        (
            {
                "Authorization": "Basic "
                + base64.b64encode(f"fx_key_reader00:{KEY_SECRET}".encode()).decode()
            },
            "",
        ),
        ({"X-API-Key": key_of("reader00")}, ""),
        ({}, f"?x=1&apiKey={key_of('reader00')}"),
    ],
)
def test_assign__explain_with_a_reading_key__adds_the_trace(
    desk: Desk, headers: dict[str, str], query: str
) -> None:
    for key, reason in (("hero", "bucket"), ("pros", "audience")):
        answer = desk.client.post(PATH + key + query, body(explain=True), **headers)
        assert answer.status == 200
        assert answer.json["trace"]["reason"] == reason
        assert {"name", "verdict", "note", "details"} == answer.json["trace"]["steps"][0].keys()


@pytest.mark.parametrize(
    "key",
    [
        None,
        "",
        "rubbish",
        "fx_key_reader00",
        "fx_key_reader00.wrong",
        key_of("unknown0"),
        key_of("decider0"),
        key_of("foreign0"),
        key_of("scoped00"),
        key_of("expired0"),
        key_of("revoked0"),
    ],
)
def test_assign__explain_without_a_reading_key_of_this_project__is_401(
    desk: Desk, key: str | None
) -> None:
    headers = {} if key is None else {"X-API-Key": key}
    answer = desk.client.post(PATH + "hero", body(explain=True), **headers)
    assert answer.status == 401
    assert "explain" in answer.json["error"]


def test_assign__explain_false__needs_no_key_and_has_no_trace(desk: Desk) -> None:
    assert "trace" not in desk.assign(explain=False).json


def test_assign__tier_free__throttles_after_its_burst(tmp_path: Path) -> None:
    snapshot = a_snapshot(a_project(*EXPERIMENTS, tier="free"))
    with a_desk(tmp_path, snapshot, durable=False) as desk:
        statuses = [desk.assign(visitor_id=str(number)).status for number in range(101)]
        refused = desk.assign()
        assert statuses == [200] * 100 + [429]
        assert refused.headers["retry-after"] == "1"
        assert refused.headers["ratelimit-policy"] == '"free";q=100;w=5'
        assert refused.headers["ratelimit"] == '"free";r=0;t=1'
        assert refused.headers["x-should-retry"] == "false"
        assert desk.assign(visitor_id="").status == 400
        assert desk.assign("future").status == 404
        desk.clock.now_ms += 1000
        assert desk.assign().status == 200


def test_assign__addresses_outside_loopback__are_throttled_one_by_one(tmp_path: Path) -> None:
    policy = Policy("address", 50, 3)
    with a_desk(
        tmp_path, SNAPSHOT, address_policy=policy, addresses=Addresses(["10.0.0.1"])
    ) as desk:

        def status(address: str, **headers: str) -> int:
            text = msgspec.json.encode(body())
            return desk.client.request(
                "POST", PATH + "hero", text, headers=headers, address=address
            ).status

        assert [status("192.0.2.1") for _ in range(4)] == [200, 200, 200, 429]
        assert status("192.0.2.2") == 200
        assert status("192.0.2.1", X_Forwarded_For="192.0.2.9") == 429
        assert status("10.0.0.1", X_Forwarded_For="192.0.2.1") == 429
        assert status("10.0.0.1", X_Forwarded_For="192.0.2.3") == 200
        assert [status("127.0.0.1") for _ in range(10)] == [200] * 10


def test_assign__log_closed__is_503_with_retry_after_and_only_when_something_is_recorded(
    desk: Desk,
) -> None:
    desk.log.close(1)
    answer = desk.assign()
    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"
    assert "x-should-retry" not in answer.headers
    assert answer.json["success"] is False
    assert desk.assign("paused").status == 200
    assert desk.services.decisions.refused == 1


def test_assign__answers__are_counted_by_type_reason_and_status(desk: Desk) -> None:
    desk.assign()
    desk.assign("paused")
    desk.assign("unknown")
    counts = desk.services.counts
    assert counts.decisions["ab", "bucket"] == 1
    assert counts.decisions["ab", "paused"] == 1
    assert (counts.requests[200], counts.requests[404]) == (2, 1)
    assert desk.services.decisions.impressions == 1


def test_assign__new_snapshot__changes_the_answer(desk: Desk) -> None:
    assert desk.assign().json["experiment_name"] == "Hero"
    desk.publish(a_snapshot(a_project(an_experiment(name="Renamed")), generation=2))
    assert desk.assign().json["experiment_name"] == "Renamed"


def test_assign__disconnect_before_the_body_is_whole__is_not_answered(desk: Desk) -> None:
    with pytest.raises(IndexError):
        desk.client.request("POST", PATH + "hero", [])
    assert sum(desk.services.counts.requests) == 0
