"""Who is meant by what a source sends, and what becomes of it, on both databases."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fairlot.profiles import subject_identifier
from fairlot.service.profiles import CHANGES_PER_COMMIT, KnownProfiles
from fairlot.service.reactions import NO_RULES
from fairlot.store.profiles import open_profile_store
from fairlot.store.profiles.changes import newest_change
from support.serving import NOW_MS, Desk, a_desk
from support.tracking import (
    SOURCE,
    a_snapshot_with_sources,
    batch,
    conversions,
    external,
    history,
    identify,
    post,
    profile,
    reject,
    row,
    track,
    visitor,
)


@pytest.fixture
def desk(tmp_path: Path, database_url: str | None) -> Iterator[Desk]:
    with a_desk(tmp_path, a_snapshot_with_sources(), database_url=database_url) as desk:
        yield desk


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


def test_who__known_to_another_process_only__is_found(
    desk: Desk, tmp_path: Path, database_url: str | None
) -> None:
    identify(desk, userId="v_1", externalId="crm-1")
    other = KnownProfiles(
        open_profile_store(tmp_path, database_url), desk.log, NO_RULES, desk.clock.ms
    )
    found = asyncio.run(other.subject_ids("prj_unpublished", [external("crm-1")]))
    other.close(5)
    assert found == {external("crm-1"): "v_1"}


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
    with desk.services.profiles.store.reading() as connection:
        commits_before = newest_change(connection)
    answer = batch(desk, *rows)
    assert (answer.status, answer.json["accepted"]) == (200, 10_000)
    with desk.services.profiles.store.reading() as connection:
        assert newest_change(connection) == commits_before + 10_000 / CHANGES_PER_COMMIT
    assert batch(desk, *rows).json["accepted"] == 10_000
    found = conversions(desk)
    assert len(found) == 10_000
    assert len({each.subject_id for each in found}) == 3000
    answer = batch(desk, *rows, row("one-more"))
    assert (answer.status, answer.json["limit"]) == (413, 10_000)
    assert answer.json["error"] == "events: 10001 of them; send at most 10000"


def test_privacy__who_rejected__is_answered_and_not_recorded(desk: Desk) -> None:
    identify(desk, userId="v_1", externalId="crm-1")
    reject(desk, "v_1")
    for answer in (
        track(desk, userProperties={"plan": "pro"}),
        track(desk, userId=..., externalId="crm-1"),
        track(desk, userId="v_3", externalId="crm-1"),
        identify(desk, userId="v_1", userProperties={"plan": "pro"}),
        batch(desk, row("a"), row("b", userId="v_2")),
    ):
        assert answer.status == 200
    assert [each.subject_id for each in conversions(desk)] == ["v_1", "v_2"]
    assert visitor(desk).attributes == {}
    counts = desk.services.counts
    assert (counts.events["conversion"], counts.events_withheld) == (2, 5)


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
