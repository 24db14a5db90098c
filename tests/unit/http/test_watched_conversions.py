"""Conversions that servers send, where the rules of the project watch them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace as replace_struct

from fairlot.engine import Audience, EventRule, HistoryCondition, HistorySegment, Take
from fairlot.events import Trust
from fairlot.profiles import Profile, subject_identifier
from fairlot.service.personalization.conversions import works_of
from fairlot.service.profiles import ProfilesUnavailable
from fairlot.warehouse.log import read_conversions
from support.asgi import Response
from support.batches import a_batch, conversion_row
from support.personalization_bench import (
    HOUR_MS,
    MINUTE_MS,
    a_personalization,
    a_property,
    a_ruled_project,
)
from support.profile_bench import PROJECT
from support.serving import KEY_SECRET, NOW_MS, Desk, a_desk, a_snapshot, an_api_key, an_experiment

PATH = "/api/v1/orgs/default/projects/default/events"
KEYS = {"ingest00": an_api_key("ingest")}
READERS = HistorySegment("readers", (HistoryCondition(EventRule("read")),))
RULED = a_ruled_project(
    a_personalization("offer", when=EventRule("buy", count=3, within_ms=HOUR_MS)),
    an_experiment(audience=Audience(segments=("readers",))),
    properties=(a_property("spent", "buy", "value", Take.SUM),),
    segments=(READERS,),
)


@pytest.fixture
def desk(tmp_path: Path, database_url: str | None) -> Iterator[Desk]:
    snapshot = a_snapshot(RULED, api_keys=KEYS)
    with a_desk(tmp_path, snapshot, database_url=database_url) as made:
        yield made


def post(desk: Desk, *rows: dict[str, Any], batch_seq: int = 1) -> Response:
    key = f"fx_key_ingest00.{KEY_SECRET}"
    body = a_batch(*rows, batch_seq=batch_seq)
    return desk.client.post(PATH, body, authorization=f"Bearer {key}")


def bought(minute: int, subject: str = "anna", **fields: Any) -> dict[str, Any]:
    return conversion_row(
        f"{subject}-{minute}",
        event_name="buy",
        subject_id=subject,
        at=NOW_MS + minute * MINUTE_MS,
        **fields,
    )


def profile_of(desk: Desk, subject: str = "anna") -> Profile | None:
    found: Profile | None = desk.client.run(
        desk.services.profiles.find(PROJECT, [subject_identifier(subject)])
    )
    return found


def test_conversions__watched__happen_to_their_subjects_in_order(desk: Desk) -> None:
    answer = post(
        desk,
        bought(-10, value=5.0),
        bought(-30, value=7.5),
        bought(-20, properties={"value": 2}, value=900.0),
        bought(-5, "bert"),
    )
    assert answer.status == 200
    anna, bert = profile_of(desk), profile_of(desk, "bert")
    assert anna is not None
    assert anna.activations["exp_offer"].at_ms == NOW_MS - 10 * MINUTE_MS
    assert anna.properties["spent"].value == 14.5
    assert anna.created_at_ms == NOW_MS - 30 * MINUTE_MS
    assert anna.sessions.count == 0, "a server is no visit"
    assert bert is not None
    assert bert.properties["spent"].value is None
    assert [each.experiment_key for each in desk.exposures()] == ["offer"]


def test_conversions__an_audience_asks_about_them__are_kept(desk: Desk) -> None:
    row = conversion_row("r", event_name="read", subject_id="anna", at=NOW_MS)
    post(desk, row)
    profile = profile_of(desk)
    assert profile is not None
    history = desk.client.run(desk.services.profiles.history(profile, {"read": 1000}, NOW_MS))
    assert len(history["read"]) == 1


def test_conversions__nobody_asks_about_them__make_no_profile(desk: Desk) -> None:
    assert post(desk, conversion_row("a", subject_id="anna")).status == 200
    assert profile_of(desk) is None


def test_conversions__sent_again__happen_once(desk: Desk) -> None:
    for batch_seq in (1, 2, 2):
        post(desk, bought(-1, value=5.0), batch_seq=batch_seq)
    profile = profile_of(desk)
    assert profile is not None
    assert profile.properties["spent"].value == 5.0


def test_conversions__from_the_future__happen_when_they_arrived(desk: Desk) -> None:
    post(desk, bought(600))
    profile = profile_of(desk)
    assert profile is not None
    assert profile.properties["spent"].at_ms == NOW_MS


def test_conversions__from_2009__happen_then(desk: Desk) -> None:
    in_2009_ms = 1_230_768_000_000
    row = conversion_row("old", event_name="buy", subject_id="anna", at=in_2009_ms, value=1.0)
    assert post(desk, row).status == 200
    profile = profile_of(desk)
    assert profile is not None
    assert profile.properties["spent"].at_ms == in_2009_ms


def test_conversions__from_before_1970_or_of_a_browser__happen_to_nobody(desk: Desk) -> None:
    row = conversion_row("old", event_name="buy", subject_id="anna", at="1969-12-31T23:59:59Z")
    assert post(desk, row).status == 200
    assert profile_of(desk) is None
    (recorded,) = read_conversions(desk.events_dir)
    of_a_browser = replace_struct(recorded, trust=Trust.PUBLIC, occurred_at_ms=NOW_MS)
    assert works_of(RULED, [of_a_browser]) == []


def test_conversions__nothing_published__are_recorded_alone(desk: Desk) -> None:
    empty = a_snapshot(RULED, generation=2, api_keys=KEYS)
    desk.publish(replace(empty, projects={}))
    assert post(desk, bought(0)).status == 200
    assert profile_of(desk) is None


def test_conversions__profiles_cannot_be_written__503_and_may_be_sent_again(
    tmp_path: Path,
) -> None:
    class Away:
        async def apply_all(self, _works: object) -> None:
            raise ProfilesUnavailable("the database is away")

    snapshot = a_snapshot(RULED, api_keys=KEYS)
    with a_desk(tmp_path / "away", snapshot, profiles=Away()) as away:
        answer = post(away, bought(0))
        assert answer.status == 503
        assert answer.json["detail"] == (
            "the events are on disk, but what they change of profiles could not be written; send"
            " the batch again as it is"
        )
        assert answer.headers["retry-after"] == "1"
        assert len(list(read_conversions(away.events_dir))) == 1
        assert away.services.counts.event_batches_refused == 1
