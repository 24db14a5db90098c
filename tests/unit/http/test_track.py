"""Track, identify and batch: what of a request is taken, over a real log and real profiles."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fairlot.events import Actor, Conversion, Trust, derived_event_id
from fairlot.http.throttle import FREE
from fairlot.profiles import subject_identifier
from support.serving import NOW_MS, OTHER_TOKEN, TOKEN, Desk, a_desk
from support.tracking import (
    DAY_MS,
    FOREIGN,
    LATE,
    SOURCE,
    a_snapshot_with_sources,
    batch,
    conversions,
    external,
    history,
    identify,
    page,
    post,
    profile,
    row,
    track,
    visitor,
)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with a_desk(tmp_path, a_snapshot_with_sources()) as desk:
        yield desk


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


def test_track__without_distinct_id_and_time__counts_each_time(desk: Desk) -> None:
    track(desk)
    track(desk, time=None)
    assert len({each.event_id for each in conversions(desk)}) == 2


def test_track__without_distinct_id__what_says_the_same_of_a_moment_counts_once(desk: Desk) -> None:
    said: dict[str, Any] = {
        "eventProperties": {"a": 1, "b": {"c": 2, "d": 3}},
        "userProperties": {"plan": "free"},
    }
    again: dict[str, Any] = {
        "userProperties": {"plan": "free"},
        "eventProperties": {"b": {"d": 3, "c": 2}, "a": 1},
    }
    track(desk, time=NOW_MS, **said)
    track(desk, userProperties={"plan": "pro"})
    desk.clock.now_ms += 1_000
    assert track(desk, time=NOW_MS, **again, distinctId=None).status == 200
    assert len({each.event_id for each in conversions(desk)}) == 2
    assert len(history(desk, "paid")) == 2
    assert visitor(desk).attributes == {"plan": "pro"}


@pytest.mark.parametrize(
    "other",
    [
        {"event": "seen"},
        {"time": NOW_MS - 1},
        {"userId": "v_2"},
        {"userId": None, "externalId": "v_1"},
        {"eventProperties": {"a": 2}},
        {"eventProperties": {}, "defaultProperties": {"a": 1}},
        {"userProperties": {"a": 1}},
        {"distinctId": "a"},
    ],
    ids=str,
)
def test_track__without_distinct_id__what_says_something_else_counts_too(
    desk: Desk, other: dict[str, Any]
) -> None:
    said: dict[str, Any] = {"time": NOW_MS, "eventProperties": {"a": 1}}
    track(desk, **said)
    assert track(desk, **{**said, **other}).status == 200
    assert len({each.event_id for each in conversions(desk)}) == 2


def test_page__says_what_a_server_says__counts_too(desk: Desk) -> None:
    track(desk, event="seen", time=NOW_MS)
    for _ in range(2):
        assert page(desk, "track", event="seen", time=NOW_MS).status == 200
    assert len({each.event_id for each in conversions(desk)}) == 2


def test_identify__sent_again__is_recorded_again_and_changes_nothing(desk: Desk) -> None:
    for _ in range(2):
        identify(desk, userId="v_1", userProperties={"plan": "free"})
    assert len({each.event_id for each in conversions(desk)}) == 2
    assert visitor(desk).attributes == {"plan": "free"}


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
        ({"event": "\U0001f9ea" * 601}, "event: over 2400 bytes in UTF-8; send a shorter one"),
        ({"email": "\u0130" * 501}, "email: over 1000 characters; send a shorter one"),
        (
            {"userProperties": {"phone_number": "1" * 401}},
            "phone: over 400 characters; send a shorter one",
        ),
        (
            {"userProperties": {"external_id": "x" * 401}},
            "external: over 400 characters; send a shorter one",
        ),
        (
            {"userProperties": {"email": "x" * 1001}},
            "email: over 1000 characters; send a shorter one",
        ),
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


@pytest.mark.parametrize("number", [b"NaN", b"1e400", b"-Infinity"])
@pytest.mark.parametrize("name", [b"userId", b"externalId", b"distinctId"])
def test_track__id_that_is_no_finite_number__is_refused(
    desk: Desk, name: bytes, number: bytes
) -> None:
    body = b'{"token":"%b","event":"a","email":"a@b.c","%b":%b}' % (SOURCE.encode(), name, number)
    answer = post(desk, "track", body)
    assert answer.status == 400
    assert answer.json["error"].startswith(name.decode())
    assert conversions(desk) == []


def test_track__space_around_the_user_id__is_a_part_of_it(desk: Desk) -> None:
    assert track(desk, userId=" v_1 ").status == 200
    assert [each.subject_id for each in conversions(desk)] == [" v_1 "]
    assert visitor(desk, " v_1 ").subject_id == " v_1 "
    assert profile(desk, subject_identifier("v_1")) is None


@pytest.mark.parametrize("name", ["e" * 1000, "\U0001f9ea" * 600])
def test_track__longest_event_name__is_recorded_in_both(desk: Desk, name: str) -> None:
    assert track(desk, event=name).status == 200
    assert [each.event_name for each in conversions(desk)] == [name]
    assert len(history(desk, name)) == 1


def test_batch__row_that_no_profile_can_hold__does_not_spoil_the_others(desk: Desk) -> None:
    long = {"phone_number": "1" * 1999}
    answer = batch(desk, row("a"), row("b", userProperties=long), row("c", event="e" * 1000))
    assert (answer.status, answer.json["accepted"], answer.json["failed"]) == (207, 2, 1)
    assert len(conversions(desk)) == 2


def test_batch__attributes_that_find_no_room__are_left_out_and_all_is_recorded(desk: Desk) -> None:
    full = {f"k{each}": "x" * 2000 for each in range(40)}
    answer = batch(
        desk,
        row("a", userProperties={"plan": "free"}),
        row("b", userProperties=full),
        row("c", userProperties={"plan": "pro", "city": "x" * 2000}),
    )
    assert (answer.status, answer.json["accepted"]) == (200, 3)
    known = visitor(desk).attributes
    assert (known["plan"], known["k0"]) == ("pro", "x" * 2000)
    assert "k39" not in known
    assert len(history(desk, "paid")) == 3
    assert identify(desk, userId="v_1", userProperties={"custom_properties": full}).status == 200
    assert visitor(desk).attributes["plan"] == "pro"


def test_track__user_agent_of_a_program__is_a_bot(desk: Desk) -> None:
    track(desk, distinctId="a", identityContext={"ip": "192.0.2.1", "userAgent": "Googlebot/2.1"})
    track(desk, distinctId="b", identityContext={"userAgent": "Mozilla/5.0 (X11; Linux x86_64)"})
    assert [each.actor for each in conversions(desk)] == [Actor.BOT, Actor.HUMAN]
    assert "192.0.2.1" not in str([each.properties for each in conversions(desk)])


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
    snapshot = a_snapshot_with_sources()
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
