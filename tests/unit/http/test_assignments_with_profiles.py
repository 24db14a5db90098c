"""Assignments that ask about the profile of the visitor, on both databases."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fairlot.engine import (
    Audience,
    EventRule,
    Feed,
    FeedAlgorithm,
    HistoryCondition,
    HistorySegment,
    Unit,
    VisitorStatus,
)
from fairlot.profiles import Happening, Profile, claim_of_subject, subject_identifier
from fairlot.profiles.consents import consented
from fairlot.service.profiles import ProfilesUnavailable, Work
from support.personalization_bench import (
    DAY_MS,
    HOUR_MS,
    MINUTE_MS,
    a_personalization,
    a_ruled_project,
)
from support.serving import (
    KEY_SECRET,
    NOW_MS,
    TOKEN,
    Desk,
    a_desk,
    a_snapshot,
    a_variant,
    an_api_key,
    an_experiment,
)

READER = f"Bearer fx_key_reader00.{KEY_SECRET}"
OUT = {"success": True, "in_experiment": False}
BUYERS = HistorySegment(
    "buyers",
    (
        HistoryCondition(EventRule("order", {"value": {"$gte": 50}}, within_ms=DAY_MS)),
        HistoryCondition(EventRule("refund"), performed=False),
    ),
)
FED = {"title": "Popular", "products": {"$feed": "newest"}}
PROJECT = a_ruled_project(
    an_experiment("plain"),
    an_experiment("buyers", audience=Audience(segments=("buyers",))),
    an_experiment("new", audience=Audience(visitor_status=VisitorStatus.NEW)),
    an_experiment("back", audience=Audience(visitor_status=VisitorStatus.RETURNING)),
    an_experiment("pros", audience=Audience({"tier": "pro"}), display="once"),
    an_experiment("staff", audience=Audience({"account.plan": "gold"})),
    an_experiment("teams", unit=Unit.ACCOUNT),
    an_experiment("fed", variants=(a_variant("a", payload=FED), a_variant("b", payload=FED))),
    a_personalization("offer", for_ms=HOUR_MS),
    a_personalization("held", control_share_bp=10_000),
    segments=(BUYERS,),
    feeds=(Feed("newest", FeedAlgorithm.NEWEST),),
)
SNAPSHOT = a_snapshot(PROJECT, api_keys={"reader00": an_api_key("read")})


@pytest.fixture
def desk(tmp_path: Path, database_url: str | None) -> Iterator[Desk]:
    with a_desk(tmp_path, SNAPSHOT, database_url=database_url) as made:
        yield made


def work(desk: Desk, **fields: Any) -> None:
    """Of anna, done and durable."""
    claim = claim_of_subject("anna")
    asked = Work(PROJECT.project_id, claim, desk.clock.now_ms, **fields)
    desk.client.run(desk.services.profiles.apply(asked))


def happen(desk: Desk, name: str, **properties: Any) -> None:
    at_ms = desk.clock.now_ms
    event_id = f"{name}-{at_ms}-{properties}"
    happening = Happening(event_id=event_id, name=name, at_ms=at_ms, properties=properties)
    work(desk, happenings=(happening,))


def know(desk: Desk, attributes: Mapping[str, Any]) -> None:
    def with_attributes(profile: Profile) -> Profile:
        return msgspec.structs.replace(profile, attributes=attributes)

    work(desk, steps=(with_attributes,))


def profile_of(desk: Desk, visitor_id: str) -> Profile | None:
    """After all that was posted before has been written."""
    profiles, project_id = desk.services.profiles, PROJECT.project_id
    flush = Work(project_id, claim_of_subject("nobody"), NOW_MS, makes=False)
    desk.client.run(profiles.apply(flush))
    found: Profile | None = desk.client.run(
        profiles.find(project_id, (subject_identifier(visitor_id),))
    )
    return found


def is_in(desk: Desk, key: str, visitor_id: str = "anna", **fields: Any) -> bool:
    answer = desk.assign(key, visitor_id, **fields)
    assert answer.status == 200
    found: bool = answer.json["in_experiment"]
    return found


def test_history__that_the_segment_asks_for__lets_in(desk: Desk) -> None:
    assert not is_in(desk, "buyers")
    happen(desk, "order", value=49)
    assert not is_in(desk, "buyers")
    happen(desk, "order", value=50)
    assert is_in(desk, "buyers")
    assert not is_in(desk, "buyers", "bert")


def test_history__in_force_or_over__is_remembered_as_any_assignment(desk: Desk) -> None:
    happen(desk, "order", value=50)
    first = desk.assign("buyers", "anna").json
    assert first["in_experiment"]
    desk.clock.now_ms += 2 * DAY_MS
    assert desk.assign("buyers", "anna").json == first
    assert [each.reason for each in desk.exposures()] == ["bucket", "sticky"]


def test_visitor_status__is_told_by_visits(desk: Desk) -> None:
    assert is_in(desk, "new")
    assert not is_in(desk, "back")
    profile = profile_of(desk, "anna")
    assert profile is not None
    assert profile.sessions.count == 1
    desk.clock.now_ms += 20 * MINUTE_MS
    assert not is_in(desk, "back")
    profile_of(desk, "anna")
    desk.clock.now_ms += 31 * MINUTE_MS
    assert not is_in(desk, "back"), "the visit that begins with this request is not known yet"
    profile_of(desk, "anna")
    assert is_in(desk, "back")
    assert is_in(desk, "new"), "a variant that was given is kept"


def test_visitor__asked_about_without_tracking__is_not_seen(desk: Desk) -> None:
    assert is_in(desk, "new", track_impression=False)
    assert profile_of(desk, "anna") is None


def test_visitor__of_what_asks_no_profile__is_not_seen(desk: Desk) -> None:
    assert is_in(desk, "plain")
    assert profile_of(desk, "anna") is None


def test_visitor__who_rejects__is_decided_and_not_seen(desk: Desk) -> None:
    work(desk, consents=[lambda profile: consented(profile, "", False, NOW_MS, None, "web")])
    before = profile_of(desk, "anna")
    desk.clock.now_ms += HOUR_MS
    assert is_in(desk, "new")
    assert profile_of(desk, "anna") == before
    assert desk.exposures() == []


def test_attributes__of_the_profile__count_and_the_request_wins(desk: Desk) -> None:
    assert not is_in(desk, "pros")
    know(desk, {"tier": "pro"})
    assert not is_in(desk, "pros", context={"attributes": {"tier": "free"}})
    assert is_in(desk, "pros")
    (exposure,) = desk.exposures()
    assert exposure.properties is None, "attributes that are known are not untrusted"


def test_account__of_the_profile__is_asked_about_and_drawn_for(desk: Desk) -> None:
    assert not is_in(desk, "staff")
    assert not is_in(desk, "teams")
    work(desk, account_id="acme", account_attributes={"plan": "gold"})
    assert is_in(desk, "staff")
    assert is_in(desk, "teams")
    assert [each.unit_id for each in desk.exposures()] == ["anna", "acme"]


def test_feed__in_a_payload__is_there_as_products(desk: Desk) -> None:
    answer = desk.assign("fed")
    assert answer.json["payload"] == {"title": "Popular", "products": []}
    explained = desk.client.post(
        "/api/v1/experiments/assignments/fed",
        {"token": TOKEN, "visitor_id": "v1", "explain": True},
        authorization=READER,
    )
    assert explained.json["payload"] == {"title": "Popular", "products": []}


def test_triggered__active__is_served_and_not_recorded_again(desk: Desk) -> None:
    assert desk.assign("offer", "anna").json == OUT
    happen(desk, "view")
    recorded = [(each.experiment_key, each.variant_key) for each in desk.exposures()]
    assert sorted(recorded) == [("held", "control"), ("offer", "banner")]
    answer = desk.assign("offer", "anna").json
    assert (answer["variant_key"], answer["payload"]) == ("banner", {"text": "offer"})
    assert desk.assign("held", "anna").json == OUT
    desk.clock.now_ms += HOUR_MS
    assert desk.assign("offer", "anna").json == OUT
    assert len(desk.exposures()) == 2


def test_explain__says_what_was_known(desk: Desk) -> None:
    happen(desk, "order", value=50)
    answer = desk.client.post(
        "/api/v1/experiments/assignments/buyers",
        {"token": TOKEN, "visitor_id": "anna", "explain": True},
        authorization=READER,
    )
    steps = {each["name"]: each for each in answer.json["trace"]["steps"]}
    assert steps["person"]["details"]["history"] == {"order": 1, "refund": 0}


class Away:
    """What cannot be read now."""

    async def find(self, *_asked: object) -> None:
        raise ProfilesUnavailable("it is away")

    resolve = find


def test_profiles__that_cannot_be_read__are_503_where_they_are_asked(tmp_path: Path) -> None:
    with a_desk(tmp_path, SNAPSHOT, profiles=Away()) as desk:
        assert desk.assign("plain").status == 200
        answer = desk.assign("new")
    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json["error"] == "the profiles cannot be read now; try again"


def test_products__that_cannot_be_read__are_503(tmp_path: Path) -> None:
    with a_desk(tmp_path, SNAPSHOT, feeds=Away()) as desk:
        assert desk.assign("new").status == 200
        answer = desk.assign("fed")
    assert answer.status == 503
    assert answer.json["error"] == "the products cannot be read now; try again"


def test_visitor__while_too_much_waits__is_decided_all_the_same(desk: Desk) -> None:
    desk.services.profiles.close(5)
    assert is_in(desk, "new")
