"""Track, identify and batch over a real event log and real profiles."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fairlot.events import Actor, Conversion, Trust, derived_event_id
from fairlot.http.throttle import FREE, Policy
from fairlot.profiles import (
    Identifier,
    IdentifierKind,
    Profile,
    claim_of_subject,
    subject_identifier,
)
from fairlot.profiles.consents import GENERAL, consented
from fairlot.service.profiles import KnownProfiles, Work
from fairlot.service.reactions import NO_RULES
from fairlot.service.snapshot import Snapshot, SourceToken, Tenant
from fairlot.store.profiles import open_profile_store
from fairlot.warehouse.log import read_conversions
from support.asgi import Response
from support.serving import NOW_MS, OTHER_TOKEN, TOKEN, Desk, a_desk, a_project, a_snapshot

SOURCE = "src_" + "s" * 32
PUBLIC = "src_" + "p" * 32
FOREIGN = "src_" + "f" * 32
LATE = "src_" + "l" * 32
PAGE = "https://shop.example"
DAY_MS = 86_400_000
JSON = "application/json; charset=utf-8"


def sources_of(snapshot: Snapshot) -> Snapshot:
    """A project that was never published takes events too."""
    tenant = Tenant("default", "unpublished", "prj_unpublished", None)
    foreign = Tenant("other", "default", "prj_foreign", None)
    tokens = {
        SOURCE: SourceToken(tenant, None),
        PUBLIC: SourceToken(tenant, frozenset({PAGE})),
        FOREIGN: SourceToken(foreign, None),
        LATE: SourceToken(tenant, None),
    }
    return replace(
        snapshot,
        source_tokens={sha256(text.encode()).digest(): each for text, each in tokens.items()},
        token_ends={sha256(LATE.encode()).digest(): NOW_MS},
        public_origins=frozenset({PAGE}),
    )


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with a_desk(tmp_path, sources_of(a_snapshot(a_project()))) as desk:
        yield desk


def post(desk: Desk, route: str, body: Any, **headers: str) -> Response:
    headers = {"content_type": JSON, **headers}
    return desk.client.post(f"/api/v1/{route}", body, **headers)


def track(desk: Desk, event: str = "paid", token: str = SOURCE, **fields: Any) -> Response:
    body = {"token": token, "event": event, "userId": "v_1", **fields}
    return post(desk, "track", {name: value for name, value in body.items() if value is not ...})


def identify(desk: Desk, token: str = SOURCE, **fields: Any) -> Response:
    return post(desk, "identify", {"token": token, "userProperties": {}, **fields})


def batch(desk: Desk, *rows: Any, token: str = SOURCE) -> Response:
    return post(desk, "batch", {"token": token, "events": rows})


def row(distinct_id: str, **fields: Any) -> dict[str, Any]:
    return {"event": "paid", "distinctId": distinct_id, "userId": "v_1", **fields}


def page(desk: Desk, route: str, origin: str | None = PAGE, **fields: Any) -> Response:
    body = {"token": PUBLIC, "event": "seen", "userId": "v_1", **fields}
    headers = {} if origin is None else {"origin": origin}
    return post(desk, route, body, **headers)


def conversions(desk: Desk) -> list[Conversion]:
    return list(read_conversions(desk.events_dir))


def profile(desk: Desk, *identifiers: Identifier) -> Profile | None:
    found: Profile | None = desk.client.run(
        desk.services.profiles.find("prj_unpublished", identifiers)
    )
    return found


def visitor(desk: Desk, subject_id: str = "v_1") -> Profile:
    found = profile(desk, subject_identifier(subject_id))
    assert found is not None
    return found


def history(desk: Desk, name: str, subject_id: str = "v_1") -> list[dict[str, Any]]:
    wanted = {name: 30 * DAY_MS}
    found = desk.client.run(
        desk.services.profiles.history(visitor(desk, subject_id), wanted, NOW_MS)
    )
    return [dict(each.properties) for each in found[name]]


def external(value: str) -> Identifier:
    return Identifier(IdentifierKind.EXTERNAL, value)


# --- track


def test_track__good__is_in_the_log_and_in_the_profile_when_answered(desk: Desk) -> None:
    answer = track(
        desk,
        event="  paid ",
        distinctId="order-7",
        time=NOW_MS - 1000,
        eventProperties={"value": 49.9, "currency": "EUR"},
        defaultProperties={"current_url": "https://shop.example/pay", "sid": "s1"},
        userProperties={"plan": "pro"},
    )
    assert (answer.status, answer.json) == (200, {"success": True})
    assert answer.headers["cache-control"] == "no-store"
    (found,) = conversions(desk)
    assert found == Conversion(
        derived_event_id("prj_unpublished", "order-7"),
        "prj_unpublished",
        "v_1",
        "paid",
        49.9,
        NOW_MS - 1000,
        NOW_MS,
        session_id="s1",
        trust=Trust.SERVER,
        source="track",
        properties={
            "current_url": "https://shop.example/pay",
            "sid": "s1",
            "value": 49.9,
            "currency": "EUR",
        },
    )
    known = visitor(desk)
    assert (known.subject_id, known.attributes) == ("v_1", {"plan": "pro"})
    assert known.sessions.id == "s1"
    assert history(desk, "paid") == [found.properties]


def test_track__same_distinct_id__counts_once_and_changes_nothing_again(desk: Desk) -> None:
    track(desk, distinctId="a", userProperties={"plan": "free"})
    track(desk, distinctId="b", userProperties={"plan": "pro"})
    again = track(desk, distinctId="a", userProperties={"plan": "free"})
    assert again.status == 200
    assert len(conversions(desk)) == 2
    assert len(history(desk, "paid")) == 2
    assert visitor(desk).attributes == {"plan": "pro"}


def test_track__without_distinct_id__counts_each_time(desk: Desk) -> None:
    track(desk)
    track(desk)
    assert len({each.event_id for each in conversions(desk)}) == 2


@pytest.mark.parametrize(
    ("time", "at_ms", "flag"),
    [
        (NOW_MS - 7 * DAY_MS, NOW_MS - 7 * DAY_MS, {}),
        (NOW_MS - 0.5, NOW_MS - 1, {}),
        (NOW_MS + 300_000, NOW_MS + 300_000, {}),
        (NOW_MS + 300_001, NOW_MS, {"fairlot.sent_at_ms": NOW_MS + 300_001}),
        (4_102_444_800_000, NOW_MS, {"fairlot.sent_at_ms": 4_102_444_800_000}),  # 2100
        (None, NOW_MS, {}),
    ],
)
def test_track__time__is_kept_or_set_back_and_flagged(
    desk: Desk, time: float | None, at_ms: int, flag: dict[str, Any]
) -> None:
    assert track(desk, time=time).status == 200
    (found,) = conversions(desk)
    assert (found.occurred_at_ms, dict(found.properties or {})) == (at_ms, flag)


TEXT = "must be a text of 1 to {} characters, without U+0000 or half a surrogate pair"


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"event": ...}, "event: absent: " + TEXT.format(1000)),
        ({"event": " "}, "event: ' ': " + TEXT.format(1000)),
        ({"event": "e" * 1001}, "event: 'eee"),
        ({"event": True}, "event: True: " + TEXT.format(1000)),
        ({"event": "$reset"}, "event: '$reset': names that begin with $ are reserved"),
        ({"userId": "u" * 401}, "userId: 'uuu"),
        ({"userId": "a\0b"}, "userId: 'a\\x00b': " + TEXT.format(400)),
        ({"externalId": {}}, "externalId: {}: " + TEXT.format(400)),
        ({"email": "e" * 1001}, "email: 'eee"),
        ({"distinctId": ""}, "distinctId: '': " + TEXT.format(400)),
        (
            {"userId": ...},
            "nobody is named: send userId, externalId, email or userProperties.phone_number",
        ),
        ({"time": 1_230_768_000_000}, "time: 1230768000000: must be a moment of the last 7 days"),
        ({"time": NOW_MS - 7 * DAY_MS - 1}, f"time: {NOW_MS - 7 * DAY_MS - 1}: must be a moment"),
        ({"time": "now"}, "time: 'now': must be a number of milliseconds, or null"),
        ({"time": True}, "time: True: must be a number of milliseconds, or null"),
        ({"time": 1e300}, "time: 1e+300: must be a number of milliseconds, or null"),
        ({"eventProperties": []}, "eventProperties: []: must be an object, or null"),
        (
            {"eventProperties": {f"k{n}": n for n in range(201)}},
            "eventProperties: 201 names; send at most 200",
        ),
        (
            {"eventProperties": {"a": {"b": {"c": {"d": {"e": {}}}}}}},
            "eventProperties: objects in each other deeper than 5 levels; flatten them",
        ),
        (
            {"eventProperties": {"a": msgspec.json.decode("[" * 40 + "]" * 40)}},
            "eventProperties: nested deeper than 32 levels; flatten them",
        ),
        (
            {"eventProperties": {"a": "x" * 1_048_576}},
            "eventProperties: 1048584 characters as JSON; send less than 1048576",
        ),
        (
            {"eventProperties": {"a": "\0"}},
            "eventProperties: a text holds U+0000 or half a surrogate pair",
        ),
        (
            {"eventProperties": {"fairlot.x": 1}},
            "eventProperties: 'fairlot.x': names that begin with fairlot. are the server's",
        ),
        (
            {"userProperties": {"city": "x" * 2001}},
            "userProperties: a text of 2001 characters; send at most 2000",
        ),
        (
            {"userProperties": {"custom_properties": {"a": "x" * 2001}}},
            "userProperties: a text of 2001 characters; send at most 2000",
        ),
        (
            {"defaultProperties": {"current_url": "x" * 3001}},
            "defaultProperties: a text of 3001 characters; send at most 3000",
        ),
        (
            {"defaultProperties": {"referrer": "x" * 3501}},
            "defaultProperties: a text of 3501 characters; send at most 3500",
        ),
        ({"userProperties": "x"}, "userProperties: 'x': must be an object, or null"),
        ({"identityContext": 1}, "identityContext: 1: must be an object, or null"),
        ({"event": 1.5, "time": "x"}, "time: 'x': must be a number of milliseconds, or null"),
    ],
)
def test_track__bad_field__is_named_and_nothing_recorded(
    desk: Desk, fields: dict[str, Any], error: str
) -> None:
    answer = track(desk, **fields)
    assert answer.status == 400
    assert answer.json["success"] is False
    assert answer.json["error"].startswith(error), answer.json["error"]
    assert answer.headers["x-should-retry"] == "false"
    assert conversions(desk) == []
    assert profile(desk, subject_identifier("v_1")) is None
    assert desk.services.counts.events_rejected == 1


def test_track__several_bad_fields__are_all_named(desk: Desk) -> None:
    error = track(desk, event="", email=[]).json["error"]
    assert error.startswith("event: '': ")
    assert "; email: []: " in error


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"": 1, "  ": 2, "a": {"": 3, "b": 4}}, {"a": {"b": 4}}),
        ({"list": list(range(300))}, {"list": list(range(250))}),
        ({"a": [[1] * 300]}, {"a": [[1] * 250]}),
        (
            {"n": 2**53 - 1, "m": 2**53, "o": -(2**53)},
            {"n": 2**53 - 1, "m": "9007199254740992", "o": "-9007199254740992"},
        ),
        ({"n": 1e20}, {"n": "1e20"}),
        ({"n": True, "m": None, "o": 1.0}, {"n": True, "m": None, "o": 1.0}),
        ({"a": {"b": {"c": {"d": {}}}}}, {"a": {"b": {"c": {"d": {}}}}}),
        ({f"k{n}": n for n in range(200)} | {"": 0}, {f"k{n}": n for n in range(200)}),
        ({"a": "ä" * 600_000}, {"a": "ä" * 600_000}),
    ],
)
def test_track__event_properties__are_kept_as_their_owner_says(
    desk: Desk, given: dict[str, Any], kept: dict[str, Any]
) -> None:
    assert track(desk, eventProperties=given).status == 200
    (found,) = conversions(desk)
    assert found.properties == kept


@pytest.mark.parametrize(
    ("properties", "value"),
    [({"value": 3}, 3.0), ({"value": "3"}, None), ({"value": True}, None), ({"value": 1e20}, None)],
)
def test_track__value__of_a_number_only(
    desk: Desk, properties: dict[str, Any], value: float | None
) -> None:
    track(desk, eventProperties=properties)
    assert [each.value for each in conversions(desk)] == [value]


def test_track__ids_that_are_numbers__are_texts(desk: Desk) -> None:
    assert track(desk, userId=7, distinctId=8.0, externalId=1.5).status == 200
    (found,) = conversions(desk)
    assert found.subject_id == "7"
    assert found.event_id == derived_event_id("prj_unpublished", "8")
    assert external("1.5") in visitor(desk, "7").identifiers


def test_track__user_agent_of_a_program__is_a_bot(desk: Desk) -> None:
    track(desk, distinctId="a", identityContext={"ip": "192.0.2.1", "userAgent": "Googlebot/2.1"})
    track(desk, distinctId="b", identityContext={"userAgent": "Mozilla/5.0 (X11; Linux x86_64)"})
    assert [each.actor for each in conversions(desk)] == [Actor.BOT, Actor.HUMAN]
    assert "192.0.2.1" not in str([each.properties for each in conversions(desk)])


# --- who is meant


def test_who__first_of_user_external_email_phone_that_is_known(desk: Desk) -> None:
    identify(desk, userId="v_1", externalId="crm-1")
    identify(desk, userId="v_2", email="Anna@Shop.example")
    identify(desk, userId="v_3", userProperties={"phone_number": "+43 (660) 12-34"})
    by_phone = {"phone_number": "+436601234"}
    told: list[tuple[dict[str, Any], str]] = [
        ({"externalId": "crm-1", "email": "anna@shop.example"}, "v_1"),
        ({"externalId": "crm-?", "email": "ANNA@shop.example "}, "v_2"),
        ({"email": "nobody@shop.example", "userProperties": by_phone}, "v_3"),
        ({"userId": "v_9", "externalId": "crm-1"}, "v_9"),
    ]
    for fields, subject in told:
        track(desk, **{"userId": ..., **fields})
        assert conversions(desk)[-1].subject_id == subject, fields
    assert visitor(desk, "v_9").id != visitor(desk, "v_1").id
    assert profile(desk, external("crm-1")) == visitor(desk, "v_1")
    assert profile(desk, external("crm-?")) == visitor(desk, "v_2")


def test_who__nobody_known__is_one_new_visitor_for_all_that_follows(desk: Desk) -> None:
    track(desk, userId=..., externalId="crm-1", email="anna@shop.example", distinctId="a")
    track(desk, userId=..., email="anna@shop.example", distinctId="b")
    first, second = conversions(desk)
    assert first.subject_id == second.subject_id
    assert visitor(desk, first.subject_id).subject_id == first.subject_id
    assert len(history(desk, "paid", first.subject_id)) == 2


def test_who__named_in_an_earlier_row_of_the_batch__is_found_by_the_later(desk: Desk) -> None:
    answer = batch(
        desk,
        row("a", userId=None, externalId="crm-1"),
        row("b", userId="v_2", externalId="crm-2", userProperties={"email": "b@shop.example"}),
        row("c", userId=None, externalId="crm-2"),
        row("d", userId=None, email="b@shop.example"),
        row("e", userId=None, externalId="crm-1"),
    )
    assert answer.status == 200
    subjects = [each.subject_id for each in conversions(desk)]
    assert subjects[1:4] == ["v_2"] * 3
    assert subjects[0] == subjects[4] != "v_2"
    assert len(history(desk, "paid", "v_2")) == 3


def test_who__known_to_another_process_only__is_found(desk: Desk, tmp_path: Path) -> None:
    identify(desk, userId="v_1", externalId="crm-1")
    other = KnownProfiles(open_profile_store(tmp_path), desk.log, NO_RULES, desk.clock.ms)
    found = asyncio.run(other.subject_ids("prj_unpublished", [external("crm-1")]))
    other.close(5)
    assert found == {external("crm-1"): "v_1"}


# --- identify


def test_identify__rules_of_user_properties(desk: Desk) -> None:
    identify(
        desk,
        userId="v_1",
        userProperties={"city": "Graz", "plan": "free", "custom_properties": {"size": "m"}},
    )
    identify(
        desk,
        userId="v_1",
        userProperties={
            "city": None,
            "plan": "",
            "age": 30,
            "custom_properties": {"size": None, "colour": "red"},
        },
    )
    assert visitor(desk).attributes == {
        "plan": "free",
        "age": 30,
        "custom_properties": {"size": "m", "colour": "red"},
    }
    assert [each.event_name for each in conversions(desk)] == ["$identify"] * 2
    assert history(desk, "$identify") == [{}, {}]


def test_identify__without_user_properties__is_refused(desk: Desk) -> None:
    answer = post(desk, "identify", {"token": SOURCE, "userId": "v_1"})
    assert (answer.status, answer.json["error"]) == (
        400,
        "userProperties: absent: must be an object",
    )


def test_identify__of_nobody__is_a_visitor_of_its_own(desk: Desk) -> None:
    assert [identify(desk).status, identify(desk).status] == [200, 200]
    assert len({each.subject_id for each in conversions(desk)}) == 2


# --- batch


def test_batch__good__every_row_is_told(desk: Desk) -> None:
    answer = batch(desk, row("a"), row("b"))
    assert (answer.status, answer.json) == (
        200,
        {
            "success": True,
            "accepted": 2,
            "failed": 0,
            "results": [{"index": 0, "success": True}, {"index": 1, "success": True}],
        },
    )
    assert [each.source for each in conversions(desk)] == ["batch"] * 2


def test_batch__mixed__the_bad_rows_are_told_and_the_others_recorded(desk: Desk) -> None:
    answer = batch(desk, row("a"), row("b", event=None), {"event": "x", "userId": "v"}, 7)
    assert answer.status == 207
    found = answer.json
    assert (found["success"], found["accepted"], found["failed"]) == (False, 1, 3)
    assert [each["success"] for each in found["results"]] == [True, False, False, False]
    assert {each.get("code") for each in found["results"][1:]} == {"invalid_event"}
    messages = [each.get("message") for each in found["results"]]
    assert messages[1].startswith("event: absent: ")
    assert messages[2].startswith("distinctId: absent: ")
    assert messages[3] == "must be an object"
    assert len(conversions(desk)) == 1


def test_batch__old_and_future_rows__are_refused_and_set_back(desk: Desk) -> None:
    answer = batch(desk, row("a", time=1_230_768_000_000), row("b", time=4_102_444_800_000))
    assert [each["success"] for each in answer.json["results"]] == [False, True]
    (kept,) = conversions(desk)
    assert kept.occurred_at_ms == NOW_MS


def test_batch__none_of_the_rows_good__is_told_by_row(desk: Desk) -> None:
    answer = batch(desk, 1, 2)
    assert (answer.status, answer.json["accepted"], answer.json["failed"]) == (207, 0, 2)


def test_batch__empty__is_accepted(desk: Desk) -> None:
    assert batch(desk).json == {"success": True, "accepted": 0, "failed": 0, "results": []}


def test_batch__broken_text_in_one_row__spoils_no_other(desk: Desk) -> None:
    body = (
        b'{"token":"%s","events":[{"event":"a","distinctId":"1","userId":"v_1",'
        b'"eventProperties":{"n":NaN}},{"event":"a","distinctId":"2","userId":"\\ud800"},'
        b'{"event":"a","distinctId":"3","userId":"v_1"}]}' % SOURCE.encode()
    )
    answer = post(desk, "batch", body)
    assert [each["success"] for each in answer.json["results"]] == [False, False, True]
    assert "NaN or an infinite number" in answer.json["results"][0]["message"]


def test_batch__twice__counts_once(desk: Desk) -> None:
    rows = [row(f"r{number}", eventProperties={"n": number}) for number in range(50)]
    assert [batch(desk, *rows).status, batch(desk, *rows).status] == [200, 200]
    assert len(conversions(desk)) == 50
    assert len(history(desk, "paid")) == 50


@pytest.mark.slow
def test_batch__ten_thousand_rows__are_recorded_and_one_more_refused(desk: Desk) -> None:
    rows = [
        row(f"r{number}", userId=None, externalId=f"crm-{number % 3000}")
        for number in range(10_000)
    ]
    answer = batch(desk, *rows)
    assert (answer.status, answer.json["accepted"]) == (200, 10_000)
    assert batch(desk, *rows).json["accepted"] == 10_000
    found = conversions(desk)
    assert len(found) == 10_000
    assert len({each.subject_id for each in found}) == 3000
    answer = batch(desk, *rows, row("one-more"))
    assert (answer.status, answer.json["limit"]) == (413, 10_000)
    assert answer.json["error"] == "events: 10001 of them; send at most 10000"


# --- requests that are none


@pytest.mark.parametrize("route", ["track", "identify", "batch"])
@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", "the body is not valid JSON: "),
        (b"{", "the body is not valid JSON: "),
        (b"[]", "the body must be a JSON object with a token"),
        (b"[" * 100_000, "the body is not valid JSON: "),
    ],
)
def test_request__no_json_object__is_malformed(
    desk: Desk, route: str, body: bytes, error: str
) -> None:
    answer = post(desk, route, body)
    assert answer.status == 400
    assert answer.json["success"] is False
    assert answer.json["error"].startswith(error)


def test_batch__no_list__is_refused(desk: Desk) -> None:
    answer = post(desk, "batch", {"token": SOURCE})
    assert (answer.status, answer.json) == (
        400,
        {"success": False, "error": "events: must be a list of events"},
    )


@pytest.mark.parametrize("route", ["track", "identify", "batch"])
@pytest.mark.parametrize(
    "token", [None, 7, "", TOKEN, OTHER_TOKEN, LATE, "src_" + "x" * 32, "x" * 251]
)
def test_request__token_that_is_none_of_a_source__is_unauthorized(
    desk: Desk, route: str, token: Any
) -> None:
    answer = post(desk, route, {"token": token, "event": "a", "userId": "v_1"})
    assert answer.status == 401
    assert answer.json["error"] == (
        "token: missing or not known; send a source token of the project"
    )


def test_request__space_around_the_token__is_ignored(desk: Desk) -> None:
    assert track(desk, token=f" {SOURCE}\n").status == 200


def test_request__token_of_another_project__records_there(desk: Desk) -> None:
    track(desk, token=FOREIGN, distinctId="a")
    track(desk, distinctId="a")
    assert [each.project_id for each in conversions(desk)] == ["prj_foreign", "prj_unpublished"]
    assert len(history(desk, "paid")) == 1


def test_assignment__with_a_source_token__is_unauthorized(desk: Desk) -> None:
    body = {"token": SOURCE, "visitor_id": "v_1"}
    assert desk.client.post("/api/v1/experiments/assignments/hero", body).status == 401


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "x"])
@pytest.mark.parametrize("route", ["track", "identify", "batch"])
def test_request__other_media_type__is_refused(desk: Desk, route: str, media: str) -> None:
    answer = post(desk, route, {"token": SOURCE}, content_type=media)
    assert answer.status == 415
    assert answer.json == {
        "success": False,
        "error": f"{media!r}: send the body as application/json",
    }


def test_request__without_media_type__is_json(desk: Desk) -> None:
    body = {"token": SOURCE, "event": "a", "userId": "v_1"}
    assert desk.client.post("/api/v1/track", body).status == 200


@pytest.mark.parametrize(
    ("route", "limit"), [("track", 4 << 20), ("identify", 4 << 20), ("batch", 8 << 20)]
)
def test_request__ten_megabyte_attribute__is_too_large(desk: Desk, route: str, limit: int) -> None:
    body = {"token": SOURCE, "userId": "v", "userProperties": {"a": "x" * 10_000_000}}
    answer = post(desk, route, body)
    assert (answer.status, answer.json["success"], answer.json["limit"]) == (413, False, limit)
    assert answer.json["error"] == f"the body is over {limit} bytes; send a smaller one"


def test_request__over_the_tier__may_be_sent_again(tmp_path: Path) -> None:
    snapshot = sources_of(a_snapshot(a_project()))
    with a_desk(tmp_path, snapshot, default_tier="free") as desk:
        answers = [track(desk) for _ in range(FREE.burst + 1)]
        assert [each.status for each in answers] == [200] * FREE.burst + [429]
        assert int(answers[-1].headers["retry-after"]) >= 1
        assert "x-should-retry" not in answers[-1].headers
        assert answers[-1].json["success"] is False


def test_request__log_that_takes_nothing__is_unavailable(desk: Desk) -> None:
    desk.log.close(5)
    answer = batch(desk, row("a"))
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert answer.json["error"] == (
        "the event log cannot take it; nothing is acknowledged, send it again as it is"
    )
    assert desk.services.counts.event_batches_refused == 1


def test_request__profiles_that_are_away__is_unavailable_and_harmless_again(
    desk: Desk, tmp_path: Path
) -> None:
    desk.services.profiles.close(5)
    answer = track(desk, distinctId="a")
    assert answer.status == 503
    assert answer.json["error"] == (
        "the profiles cannot be used: they are closed; try again, with the same distinctId"
    )
    assert len(conversions(desk)) == 1


# --- tokens of pages


def test_page__of_an_allowed_origin__is_recorded_as_public(desk: Desk) -> None:
    answer = page(desk, "track", userProperties={"plan": "pro"})
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert answer.headers["vary"] == "Origin"
    assert [each.trust for each in conversions(desk)] == [Trust.PUBLIC]
    assert visitor(desk).attributes == {"plan": "pro"}


def test_page__what_is_known__is_not_changed_by_anyone(desk: Desk) -> None:
    identify(desk, userId="v_1", userProperties={"plan": "free"})
    page(desk, "track", userProperties={"plan": "pro", "city": "Graz"})
    assert visitor(desk).attributes == {"plan": "free", "city": "Graz"}
    identify(desk, userId="v_1", userProperties={"city": "Linz"})
    assert visitor(desk).attributes == {"plan": "free", "city": "Linz"}


@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", "http://shop.example"])
def test_page__of_another_origin__is_unauthorized(desk: Desk, origin: str | None) -> None:
    answer = page(desk, "track", origin)
    assert answer.status == 401
    assert answer.json["error"].startswith("token: only pages of its allowed origins may use it")
    assert "access-control-allow-origin" not in answer.headers
    assert conversions(desk) == []


@pytest.mark.parametrize(
    "fields", [{"externalId": "crm-1"}, {"email": "a@shop.example"}, {"userId": None}]
)
@pytest.mark.parametrize("route", ["track", "identify"])
def test_page__names_somebody_by_a_look_up__is_refused(
    desk: Desk, route: str, fields: dict[str, Any]
) -> None:
    answer = page(desk, route, userProperties={}, **fields)
    assert answer.status == 400
    assert answer.headers["access-control-allow-origin"] == PAGE
    assert (
        "a token that pages hold names visitors by userId only, since anyone can send with it"
        in (answer.json["error"])
    )


def test_page__email_among_the_properties__names_nobody(desk: Desk) -> None:
    page(desk, "identify", userProperties={"email": "a@shop.example", "phone_number": "1"})
    assert visitor(desk).identifiers == (subject_identifier("v_1"),)
    assert visitor(desk).attributes["email"] == "a@shop.example"


def test_page__body_over_64_kib__is_too_large_for_it(desk: Desk) -> None:
    answer = page(desk, "track", eventProperties={"a": "x" * 65_536})
    assert (answer.status, answer.json["limit"]) == (413, 65_536)
    assert answer.json["error"] == (
        "the body is over 65536 bytes, which a page may send; send less"
    )


def test_page__program_that_asks__is_a_bot(desk: Desk) -> None:
    body = {"token": PUBLIC, "event": "seen", "userId": "v_1"}
    post(desk, "track", body, origin=PAGE, user_agent="curl/8.0")
    assert [each.actor for each in conversions(desk)] == [Actor.BOT]


def test_page__one_address__is_throttled_and_others_are_not(tmp_path: Path) -> None:
    policy = Policy("address", 1, 2)
    snapshot = sources_of(a_snapshot(a_project()))
    with a_desk(tmp_path, snapshot, address_policy=policy) as desk:
        body = msgspec.json.encode({"token": PUBLIC, "event": "seen", "userId": "v_1"})

        def from_address(address: str) -> Response:
            headers = {"origin": PAGE, "content_type": JSON}
            return desk.client.request(
                "POST", "/api/v1/track", body, headers=headers, address=address
            )

        answers = [from_address("198.51.100.7") for _ in range(3)]
        assert [each.status for each in answers] == [200, 200, 429]
        assert answers[2].headers["access-control-allow-origin"] == PAGE
        assert answers[2].headers["access-control-expose-headers"] == "Retry-After"
        assert from_address("198.51.100.8").status == 200
        assert track(desk).status == 200


@pytest.mark.parametrize("route", ["track", "identify", "batch"])
def test_preflight__of_an_allowed_origin__may_post(desk: Desk, route: str) -> None:
    answer = desk.client.request(
        "OPTIONS",
        f"/api/v1/{route}",
        headers={
            "origin": PAGE,
            "access_control_request_method": "POST",
            "access_control_request_headers": "content-type, x-stainless-lang",
        },
    )
    assert (answer.status, answer.body) == (204, b"")
    assert answer.headers == {
        "access-control-allow-origin": PAGE,
        "access-control-expose-headers": "Retry-After",
        "vary": "Origin",
        "access-control-allow-methods": "POST",
        "access-control-allow-headers": "content-type, x-stainless-lang",
        "access-control-max-age": "600",
    }


@pytest.mark.parametrize("asked", [None, "x" * 1001, "a b", "a: b"])
def test_preflight__header_names_that_are_none__are_not_repeated(
    desk: Desk, asked: str | None
) -> None:
    headers = {"origin": PAGE}
    if asked is not None:
        headers["access_control_request_headers"] = asked
    answer = desk.client.request("OPTIONS", "/api/v1/track", headers=headers)
    assert answer.headers["access-control-allow-headers"] == "content-type"


def test_preflight__of_another_origin__may_not(desk: Desk) -> None:
    for headers in ({"origin": "https://evil.example"}, {}):
        answer = desk.client.request("OPTIONS", "/api/v1/track", headers=headers)
        assert (answer.status, answer.headers) == (204, {"vary": "Origin"})


# --- who does not want it


def reject(desk: Desk, who: str) -> None:
    work = Work(
        "prj_unpublished",
        claim_of_subject(who),
        NOW_MS,
        consents=[lambda profile: consented(profile, GENERAL, False, NOW_MS)],
    )
    desk.client.run(desk.services.profiles.apply(work))


def test_privacy__who_rejected__is_answered_and_not_recorded(desk: Desk) -> None:
    identify(desk, userId="v_1", externalId="crm-1")
    reject(desk, "v_1")
    for answer in (
        track(desk, userProperties={"plan": "pro"}),
        track(desk, userId=..., externalId="crm-1"),
        identify(desk, userId="v_1", userProperties={"plan": "pro"}),
        batch(desk, row("a"), row("b", userId="v_2")),
    ):
        assert answer.status == 200
    assert [each.subject_id for each in conversions(desk)] == ["v_1", "v_2"]
    assert visitor(desk).attributes == {}
    counts = desk.services.counts
    assert (counts.events["conversion"], counts.events_withheld) == (2, 4)


def test_privacy__gpc__is_recorded_without_details(desk: Desk) -> None:
    body = {
        "token": SOURCE,
        "event": "paid",
        "userId": "v_1",
        "email": "a@shop.example",
        "eventProperties": {"value": 5, "size": "xl"},
        "defaultProperties": {"current_url": "https://shop.example/", "sid": "s1"},
        "userProperties": {"plan": "pro"},
    }
    assert post(desk, "track", body, sec_gpc="1").status == 200
    (found,) = conversions(desk)
    assert (found.properties, found.value, found.session_id) == ({"gpc": True}, None, None)
    assert visitor(desk).attributes == {}
    assert visitor(desk).identifiers == (subject_identifier("v_1"),)
    assert history(desk, "paid") == [{"gpc": True}]
