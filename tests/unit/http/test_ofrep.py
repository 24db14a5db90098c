"""OpenFeature's remote evaluation over real decisions."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fairlot.engine import (
    Audience,
    BrokenExperiment,
    EventRule,
    Experiment,
    Feed,
    FeedAlgorithm,
    HistoryCondition,
    HistorySegment,
    Schedule,
    Status,
    Unit,
    Variant,
    VisitorStatus,
)
from fairlot.events import Trust
from fairlot.http.throttle import FREE
from fairlot.profiles import Happening, Profile, claim_of_subject, subject_identifier
from fairlot.profiles.consents import GENERAL, consented
from fairlot.service.profiles import ProfilesUnavailable, Work
from support.asgi import Response
from support.serving import (
    KEY_SECRET,
    NOW_MS,
    Desk,
    a_desk,
    a_project,
    a_snapshot,
    a_variant,
    an_api_key,
    an_experiment,
)

FLAGS = "/ofrep/v1/evaluate/flags"
KEYS = {
    "decide00": an_api_key("decide"),
    "second00": an_api_key("decide", project_ids=frozenset({"prj_second"})),
    "both0000": an_api_key("decide", project_ids=frozenset({"prj_second", "prj_default"})),
    "reader00": an_api_key("read", "ingest", "write", "admin"),
    "foreign0": an_api_key("decide", org="other"),
    "revoked0": an_api_key("decide", revoked=True),
}


def of_payload(key: str, payload: Any, **fields: Any) -> Experiment:
    """Whoever gets a variant gets the one with the payload."""
    return an_experiment(key, variants=only(payload=payload), **fields)


def only(**fields: Any) -> tuple[Variant, ...]:
    return (a_variant("off", weight=0), a_variant("on", weight=10_000, **fields))


EXPERIMENTS = (
    of_payload("boolean", True),
    of_payload("text", "red"),
    of_payload("integer", 3),
    of_payload("float", 1.0),
    of_payload("object", {"a": [1, 1.0, None]}),
    of_payload("list", [1, "b"]),
    of_payload("plain", None),
    of_payload("sampled", 1, audience=Audience(sample_rate_bp=0)),
    of_payload("pros", 1, audience=Audience(rule={"tier": "pro"})),
    of_payload("page", 1, audience=Audience(url_patterns=("/cart",))),
    of_payload("account", 1, unit=Unit.ACCOUNT),
    of_payload("paused", 1, status=Status.PAUSED),
    of_payload("later", 1, schedule=Schedule(start_ms=NOW_MS + 1000)),
    of_payload("over", 1, schedule=Schedule(end_ms=NOW_MS)),
    of_payload("rolled_out", 1, status=Status.COMPLETED, rollout="on"),
    of_payload("by_hand", 1, manual_exposure=True),
    an_experiment("moving", variants=only(redirect="/new")),
    BrokenExperiment("broken", "no variants"),
)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    project = a_project(*EXPERIMENTS)
    second = a_project(of_payload("second", 2), project="second")
    with a_desk(tmp_path, a_snapshot(project, second, api_keys=KEYS)) as desk:
        yield desk


def post(
    desk: Desk, path: str, body: Any, key: str | None = "decide00", **headers: str
) -> Response:
    if key is not None:
        headers = {"authorization": f"Bearer fx_key_{key}.{KEY_SECRET}", **headers}
    return desk.client.post(path, body, **headers)


def evaluate(desk: Desk, flag: str, *, who: str = "ada", **fields: Any) -> Response:
    return post(desk, f"{FLAGS}/{flag}", {"context": {"targetingKey": who, **fields}})


def evaluate_all(desk: Desk, etag: str | None = None, who: str = "ada", **fields: Any) -> Response:
    headers = {} if etag is None else {"if_none_match": etag}
    return post(desk, FLAGS, {"context": {"targetingKey": who, **fields}}, **headers)


def recorded(desk: Desk) -> list[str]:
    return [each.experiment_key for each in desk.exposures()]


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("boolean", b"true"),
        ("text", b'"red"'),
        ("integer", b"3"),
        ("float", b"1.0"),
        ("object", b'{"a":[1,1.0,null]}'),
        ("list", b'[1,"b"]'),
        ("plain", b'"on"'),
    ],
)
def test_evaluate__variant__its_payload_keeps_its_type(desk: Desk, flag: str, value: bytes) -> None:
    answer = evaluate(desk, flag)
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.body == (
        b'{"key":"%s","reason":"SPLIT","variant":"on",'
        b'"metadata":{"fairlotReason":"bucket","version":"3"},"value":%s}' % (flag.encode(), value)
    )


@pytest.mark.parametrize(
    ("flag", "reason", "own"),
    [
        ("sampled", "DEFAULT", "sample"),
        ("pros", "DEFAULT", "audience"),
        ("account", "DEFAULT", "no_unit"),
        ("broken", "DEFAULT", "invalid"),
        ("paused", "DISABLED", "paused"),
        ("later", "DISABLED", "scheduled"),
        ("over", "DISABLED", "ended"),
    ],
)
def test_evaluate__no_variant__has_no_value(desk: Desk, flag: str, reason: str, own: str) -> None:
    answer = evaluate(desk, flag)
    assert (answer.status, answer.json) == (
        200,
        {
            "key": flag,
            "reason": reason,
            "variant": None,
            "metadata": {"fairlotReason": own, "version": "3"},
        },
    )
    assert recorded(desk) == []


def test_evaluate__rolled_out__is_static(desk: Desk) -> None:
    found = evaluate(desk, "rolled_out").json
    assert (found["reason"], found["metadata"]["fairlotReason"]) == ("STATIC", "divert")


def test_evaluate__redirect__is_in_the_metadata(desk: Desk) -> None:
    found = evaluate(desk, "moving").json
    assert (found["value"], found["metadata"]["redirect"]) == ("on", "/new")


def test_evaluate__context__decides_by_attributes_page_and_account(desk: Desk) -> None:
    assert evaluate(desk, "pros", tier="pro").json["value"] == 1
    here, there = {"url": "https://a.example/cart"}, {"url": "https://a.example/"}
    assert evaluate(desk, "page", fairlot=here).json["value"] == 1
    assert "value" not in evaluate(desk, "page", fairlot=there).json
    assert evaluate(desk, "account", fairlot={"accountId": "acme"}).json["value"] == 1


def test_evaluate__once__is_an_exposure_as_an_assignment_is(desk: Desk) -> None:
    evaluate(desk, "text", fairlot={"device": "mobile", "url": "https://a.example/"})
    (found,) = desk.exposures()
    assert (found.experiment_key, found.subject_id, found.variant_key) == ("text", "ada", "on")
    assert (found.source, found.reason, found.trust) == ("ofrep", "bucket", Trust.SERVER)
    assert (found.device, found.url, found.properties) == ("mobile", "https://a.example/", None)
    assert desk.log.stored_assignments("exp_text", "ada")[0].variant_key == "on"


def test_evaluate__exposed_by_hand__is_remembered_and_not_exposed(desk: Desk) -> None:
    assert evaluate(desk, "by_hand").json["value"] == 1
    assert recorded(desk) == []
    assert desk.log.stored_assignments("exp_by_hand", "ada")[0].variant_key == "on"


@pytest.mark.parametrize("flag", ["unknown", "", "a%2Fb", "%00"])
def test_evaluate__unknown_flag__is_not_found(desk: Desk, flag: str) -> None:
    answer = evaluate(desk, flag)
    assert answer.status == 404


def test_evaluate__unknown_flag__says_so(desk: Desk) -> None:
    assert evaluate(desk, "unknown").json == {
        "errorCode": "FLAG_NOT_FOUND",
        "errorDetails": "no experiment 'unknown' runs here; check the spelling, and whether it was"
        " started or killed",
        "key": "unknown",
    }


ABSENT = "context.targetingKey: absent; send the id of the subject that is decided for"
NO_TEXT = "context.targetingKey: must be a text of 1 to 400 characters without U+0000"


@pytest.mark.parametrize("path", [FLAGS, f"{FLAGS}/text"])
@pytest.mark.parametrize(
    ("body", "code", "details"),
    [
        (b"{", "PARSE_ERROR", "the body is not valid JSON: "),
        (b'{"context":{"a":NaN}}', "PARSE_ERROR", "the body is not valid JSON: "),
        (b"[" * 30_000, "PARSE_ERROR", "the body is not valid JSON: "),
        (b"[]", "PARSE_ERROR", "the body must be a JSON object with a context"),
        (b"", "TARGETING_KEY_MISSING", ABSENT),
        ({}, "TARGETING_KEY_MISSING", ABSENT),
        ({"context": None}, "TARGETING_KEY_MISSING", ABSENT),
        ({"context": {"tier": "pro"}}, "TARGETING_KEY_MISSING", ABSENT),
        ({"context": {"targetingKey": None}}, "TARGETING_KEY_MISSING", ABSENT),
        ({"context": {"targetingKey": ""}}, "TARGETING_KEY_MISSING", ABSENT),
        ({"context": []}, "INVALID_CONTEXT", "context: must be an object"),
        ({"context": {"targetingKey": 7}}, "INVALID_CONTEXT", NO_TEXT),
        ({"context": {"targetingKey": "x" * 401}}, "INVALID_CONTEXT", NO_TEXT),
        ({"context": {"targetingKey": "a\0b"}}, "INVALID_CONTEXT", NO_TEXT),
        (
            {"context": {"targetingKey": "a", "fairlot": {"device": "watch"}}},
            "INVALID_CONTEXT",
            'context.fairlot.device: "watch": write one of all, desktop, mobile',
        ),
        (
            {"context": {"targetingKey": "a", "fairlot": {"uri": "x"}}},
            "INVALID_CONTEXT",
            'context.fairlot.uri: "x": not a field here; did you mean url?',
        ),
        (
            {"context": {"targetingKey": "a", "fairlot": 5}},
            "INVALID_CONTEXT",
            "context.fairlot: 5: write an object",
        ),
    ],
)
def test_request__bad__has_its_code_and_details(
    desk: Desk, path: str, body: Any, code: str, details: str
) -> None:
    answer = post(desk, path, body)
    assert answer.status == 400
    assert answer.json["errorCode"] == code
    assert answer.json["errorDetails"].startswith(details), answer.json
    assert answer.json.get("key") == ("text" if path.endswith("text") else None)


@pytest.mark.parametrize("path", [FLAGS, f"{FLAGS}/pros"])
def test_request__attributes_nested_ever_deeper__end_as_a_bad_request(
    desk: Desk, path: str
) -> None:
    codes = []
    for depth in range(50, 2000, 50):
        body = b'{"context":{"targetingKey":"a","tier":%s%s}}' % (b"[" * depth, b"]" * depth)
        answer = post(desk, path, body)
        codes.append("" if answer.status == 200 else answer.json["errorCode"])
    assert codes[0] == ""
    assert codes[-1] == "PARSE_ERROR"
    assert set(codes) <= {"", "INVALID_CONTEXT", "PARSE_ERROR"}


def test_request__misfit_nested_ever_deeper__ends_as_a_bad_request(desk: Desk) -> None:
    for depth in range(950, 1010):
        body = b'{"context":{"targetingKey":"a","fairlot":%s%s}}' % (b"[" * depth, b"]" * depth)
        assert post(desk, FLAGS, body).status == 400


@pytest.mark.parametrize("path", [FLAGS, f"{FLAGS}/text"])
@pytest.mark.parametrize(
    ("key", "project", "status"),
    [
        (None, "", 401),
        ("revoked0", "", 401),
        ("unknown0", "", 401),
        ("reader00", "", 403),
        ("foreign0", "", 404),
        ("decide00", "nowhere", 404),
        ("second00", "default", 404),
    ],
)
def test_request__key_that_may_not__is_told_in_the_shape_of_the_protocol(
    desk: Desk, path: str, key: str | None, project: str, status: int
) -> None:
    headers = {"x_fairlot_project": project} if project else {}
    answer = post(desk, path, {"context": {"targetingKey": "ada"}}, key, **headers)
    assert answer.status == status
    assert answer.json["errorCode"] == "GENERAL"
    assert answer.json["errorDetails"]


@pytest.mark.parametrize(
    ("key", "headers"), [("second00", {}), ("decide00", {"x_fairlot_project": "second"})]
)
def test_request__project__is_that_of_the_key_or_of_the_header(
    desk: Desk, key: str, headers: dict[str, str]
) -> None:
    body = {"context": {"targetingKey": "ada"}}
    assert post(desk, f"{FLAGS}/second", body, key, **headers).json["value"] == 2
    assert [each["key"] for each in post(desk, FLAGS, body, key, **headers).json["flags"]] == [
        "second"
    ]


def test_request__key_of_several_projects__means_the_default(desk: Desk) -> None:
    body = {"context": {"targetingKey": "ada"}}
    assert post(desk, f"{FLAGS}/text", body, "both0000").json["value"] == "red"


def test_request__x_api_key__is_a_key_too(desk: Desk) -> None:
    body = {"context": {"targetingKey": "ada"}}
    headers = {"x_api_key": f"fx_key_decide00.{KEY_SECRET}"}
    assert post(desk, FLAGS, body, None, **headers).status == 200


def test_request__project_that_is_not_published__has_no_flags(tmp_path: Path) -> None:
    snapshot = replace(a_snapshot(a_project(), api_keys=KEYS), projects={})
    with a_desk(tmp_path, snapshot) as desk:
        assert evaluate(desk, "text").json["errorCode"] == "FLAG_NOT_FOUND"
        answer = evaluate_all(desk)
        assert (answer.status, answer.json) == (200, {"flags": [], "metadata": {}})
        assert evaluate_all(desk, answer.headers["etag"]).status == 304


@pytest.mark.parametrize("path", [FLAGS, f"{FLAGS}/text"])
def test_request__over_the_tier__says_when_in_whole_seconds(tmp_path: Path, path: str) -> None:
    snapshot = a_snapshot(a_project(*EXPERIMENTS), api_keys=KEYS)
    with a_desk(tmp_path, snapshot, durable=False, default_tier="free") as desk:
        body = {"context": {"targetingKey": "ada"}}
        answers = [post(desk, path, body) for _ in range(FREE.burst + 1)]
    assert {each.status for each in answers[:-1]} == {200}
    assert answers[-1].status == 429
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert answers[-1].json["errorDetails"].startswith("over 20 requests a second")


def test_request__too_large__is_told(desk: Desk) -> None:
    answer = evaluate(desk, "text", note="x" * 70_000)
    assert (answer.status, answer.json["errorCode"]) == (413, "GENERAL")


def test_request__log_that_takes_nothing__is_unavailable(desk: Desk) -> None:
    desk.log.close(5)
    for answer in (evaluate(desk, "text"), evaluate_all(desk)):
        assert (answer.status, answer.headers["retry-after"]) == (503, "1")
        assert answer.json["errorDetails"] == ("the event log cannot take the decision; try again")


# --- all at once


def test_evaluate_all__flags__are_those_of_single_evaluations(desk: Desk) -> None:
    answer = evaluate_all(desk)
    assert answer.status == 200
    assert answer.json["metadata"] == {"version": "3"}
    flags = answer.json["flags"]
    assert [each["key"] for each in flags] == [each.key for each in EXPERIMENTS]
    for each in flags:
        if each["metadata"]["fairlotReason"] == "bucket":
            assert each == evaluate(desk, each["key"]).json
    assert b'"value":1.0}' in answer.body


def test_evaluate_all__records_no_exposure__and_remembers_what_it_gave(desk: Desk) -> None:
    evaluate_all(desk)
    assert recorded(desk) == []
    assert desk.log.stored_assignments("exp_text", "ada")[0].variant_key == "on"
    assert desk.log.stored_assignments("exp_sampled", "ada") == []


def test_evaluate_all__same_again__is_not_modified(desk: Desk) -> None:
    first = evaluate_all(desk)
    etag = first.headers["etag"]
    assert etag.startswith('"')
    again = evaluate_all(desk, etag)
    assert (again.status, again.body, again.headers["etag"]) == (304, b"", etag)
    assert evaluate_all(desk, f'"other", W/{etag}').status == 304
    assert evaluate_all(desk, '"other"').status == 200


def test_evaluate_all__other_context_version_or_time__has_another_tag(desk: Desk) -> None:
    etag = evaluate_all(desk, tier="free", plan="a").headers["etag"]
    assert evaluate_all(desk, etag, plan="a", tier="free").status == 304
    assert evaluate_all(desk, etag, tier="pro", plan="a").status == 200
    assert evaluate_all(desk, etag, who="bob", tier="free", plan="a").status == 200
    desk.clock.now_ms += 2000
    changed = evaluate_all(desk, etag, tier="free", plan="a")
    assert changed.status == 200
    newer = a_project(*EXPERIMENTS, version=4, etag='"v4"')
    desk.publish(a_snapshot(newer, api_keys=KEYS, generation=2))
    assert evaluate_all(desk, changed.headers["etag"], tier="free", plan="a").status == 200


# --- what the profile says

BUYERS = HistorySegment("buyers", (HistoryCondition(EventRule("bought")),))
ASKING = (
    of_payload("buyers_only", 1, audience=Audience(segments=("buyers",))),
    of_payload("newcomers", 1, audience=Audience(visitor_status=VisitorStatus.NEW)),
    of_payload("pros", 1, audience=Audience(rule={"tier": "pro"})),
    of_payload("products", {"top": {"$feed": "newest", "limit": 2}}),
)


@pytest.fixture
def asking(tmp_path: Path, database_url: str | None) -> Iterator[Desk]:
    feed = Feed("newest", FeedAlgorithm.NEWEST)
    project = a_project(*ASKING, segments=(BUYERS,), feeds=(feed,))
    snapshot = a_snapshot(project, api_keys=KEYS)
    with a_desk(tmp_path, snapshot, database_url=database_url) as desk:
        yield desk


def buy(desk: Desk) -> None:
    def as_pro(profile: Profile) -> Profile:
        return msgspec.structs.replace(profile, attributes={"tier": "pro"})

    happening = Happening(event_id="b1", name="bought", at_ms=desk.clock.now_ms)
    work = Work(
        "prj_default",
        claim_of_subject("ada"),
        desk.clock.now_ms,
        steps=(as_pro,),
        happenings=(happening,),
    )
    desk.client.run(desk.services.profiles.apply(work))


def test_profile__history__is_read_where_it_is_asked_about(asking: Desk) -> None:
    before = evaluate_all(asking)
    assert "value" not in evaluate(asking, "buyers_only").json
    buy(asking)
    assert evaluate(asking, "buyers_only").json["value"] == 1
    assert "value" not in evaluate(asking, "pros").json
    after = evaluate_all(asking, before.headers["etag"])
    assert after.status == 200
    values = {each["key"]: each.get("value") for each in after.json["flags"]}
    assert values == {
        "buyers_only": 1,
        "newcomers": 1,
        "pros": None,
        "products": {"top": []},
    }
    assert evaluate_all(asking, after.headers["etag"]).status == 304


@pytest.mark.parametrize("path", [FLAGS, f"{FLAGS}/newcomers"])
def test_profile__evaluation__is_a_visit(asking: Desk, path: str) -> None:
    body = {"context": {"targetingKey": "ada"}}
    post(asking, path, body)
    asking.clock.now_ms += 3_600_000
    buy(asking)  # written after what was posted before
    found = asking.services.profiles.in_memory("prj_default", [subject_identifier("ada")])
    assert found is not None
    assert found.sessions.count == 2


def test_profile__who_rejected__is_evaluated_and_not_recorded(asking: Desk) -> None:
    consents = [lambda profile: consented(profile, GENERAL, False, NOW_MS)]
    work = Work("prj_default", claim_of_subject("ada"), NOW_MS, consents=consents)
    asking.client.run(asking.services.profiles.apply(work))
    assert evaluate(asking, "newcomers").json["value"] == 1
    assert evaluate_all(asking).status == 200
    assert recorded(asking) == []
    assert asking.log.stored_assignments("exp_newcomers", "ada") == []


def test_profile__gpc__is_exposed_without_details(asking: Desk) -> None:
    body = {"context": {"targetingKey": "ada", "fairlot": {"url": "https://a.example/"}}}
    post(asking, f"{FLAGS}/newcomers", body, sec_gpc="1")
    (found,) = asking.exposures()
    assert (found.url, found.properties) == (None, {"gpc": True})


class Away:
    """What cannot be read now."""

    async def find(self, *_asked: object) -> None:
        raise ProfilesUnavailable("it is away")


def test_profile__that_is_away__is_unavailable(tmp_path: Path) -> None:
    snapshot = a_snapshot(a_project(*ASKING, segments=(BUYERS,)), api_keys=KEYS)
    with a_desk(tmp_path, snapshot, profiles=Away()) as desk:
        assert evaluate(desk, "pros").status == 200
        for answer in (evaluate(desk, "newcomers"), evaluate_all(desk)):
            assert (answer.status, answer.headers["retry-after"]) == (503, "1")
            assert answer.json["errorDetails"] == "the profiles cannot be read now; try again"
