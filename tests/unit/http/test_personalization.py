"""The personalization face over real profiles, on both databases."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fairlot.engine import (
    Audience,
    EventRule,
    HistoryCondition,
    HistorySegment,
    Take,
)
from fairlot.profiles import Happening, Profile, claim_of_subject
from fairlot.service.profiles import ProfilesUnavailable, Work
from support.asgi import Response
from support.personalization_bench import (
    HOUR_MS,
    a_personalization,
    a_property,
    a_ruled_project,
    a_written_project,
)
from support.serving import NOW_MS, TOKEN, Desk, a_desk, a_snapshot, a_variant

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "personalization.md"
PATH = "/api/v1/experiments/personalization"
NOTHING = {"success": True, "personalizations": [], "properties": {}}
BIG_SPENDERS = HistorySegment("big", (HistoryCondition(EventRule("buy"), performed=False),))
PROJECT = a_ruled_project(
    a_personalization("offer", for_ms=HOUR_MS),
    a_personalization("urgent", priority=5, variants=(a_variant("popup"),)),
    a_personalization("held", control_share_bp=10_000),
    a_personalization("pros", audience=Audience(rule={"tier": "pro"})),
    a_personalization("not_yet", when="view", audience=Audience(segments=("big",))),
    a_personalization("other", when="click"),
    properties=(
        a_property("last_page", "view", "page"),
        a_property("last_color", "view", "color"),
        a_property("views", "view", take=Take.COUNT),
        a_property("clicks", "click", take=Take.COUNT),
    ),
    segments=(BIG_SPENDERS,),
)


@pytest.fixture
def desk(tmp_path: Path, database_url: str | None) -> Iterator[Desk]:
    with a_desk(tmp_path, a_snapshot(PROJECT), database_url=database_url) as made:
        yield made


def ask(desk: Desk, visitor_id: Any = "anna", **fields: Any) -> Response:
    return desk.client.post(PATH, {"token": TOKEN, "visitor_id": visitor_id, **fields})


def happen(desk: Desk, name: str, at_ms: int = NOW_MS, **properties: Any) -> None:
    """To anna, who is a pro."""

    def as_pro(profile: Profile) -> Profile:
        return msgspec.structs.replace(profile, attributes={"tier": "pro"})

    happening = Happening(event_id=f"{name}-{at_ms}", name=name, at_ms=at_ms, properties=properties)
    work = Work(
        PROJECT.project_id,
        claim_of_subject("anna"),
        at_ms,
        steps=(as_pro,),
        happenings=(happening,),
    )
    desk.client.run(desk.services.profiles.apply(work))


def shown(answer: Response) -> list[str]:
    return [each["experiment_key"] for each in answer.json["personalizations"]]


def test_personalization__unknown_visitor__both_keys_empty(desk: Desk) -> None:
    answer = ask(desk)
    assert (answer.status, answer.json) == (200, NOTHING)
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"


def test_personalization__activated__is_told_field_for_field(desk: Desk) -> None:
    happen(desk, "view", page="pricing")
    answer = ask(desk)
    assert shown(answer) == ["urgent", "not_yet", "offer", "pros"]
    assert answer.json["personalizations"][2] == {
        "experiment_id": "exp_offer",
        "experiment_key": "offer",
        "experiment_name": "Offer",
        "variant_id": "var_banner",
        "variant_key": "banner",
        "variant_name": "Banner",
        "payload": {"text": "offer"},
        "assigned_at": NOW_MS,
    }
    assert answer.json["personalizations"][0]["payload"] is None
    assert answer.json["properties"] == {"last_page": "pricing", "last_color": None, "views": 1}
    desk.clock.now_ms += HOUR_MS
    assert shown(ask(desk)) == ["urgent", "not_yet", "pros"]


def test_personalization__audience_does_not_hold_any_more__is_not_told(desk: Desk) -> None:
    happen(desk, "view")
    assert "not_yet" in shown(ask(desk))
    happen(desk, "buy")
    assert "not_yet" not in shown(ask(desk))


def test_personalization__killed_and_its_property_deleted__are_not_told(desk: Desk) -> None:
    happen(desk, "view")
    desk.publish(a_snapshot(replace(a_ruled_project(), version=4), generation=2))
    assert ask(desk).json == NOTHING


def test_personalization__asked__records_nothing(desk: Desk) -> None:
    happen(desk, "view")
    before = desk.exposures()
    ask(desk)
    ask(desk, "bert")
    assert desk.exposures() == before
    assert desk.client.run(desk.services.profiles.find(PROJECT.project_id, [])) is None
    assert desk.services.profiles.queued == 0
    assert ask(desk, "bert").json == NOTHING


@pytest.mark.parametrize("token", [None, "", "exp_unknown", 5])
def test_personalization__token_not_known__is_401(desk: Desk, token: Any) -> None:
    answer = ask(desk, 1, token=token)
    assert answer.status == 401
    assert answer.json == {
        "success": False,
        "error": "token: missing or not known; send the project's experiment token",
    }
    assert answer.headers["x-should-retry"] == "false"


@pytest.mark.parametrize("visitor_id", [None, "", 5, "x" * 401, "a\0b"])
def test_personalization__bad_visitor_id__is_400(desk: Desk, visitor_id: Any) -> None:
    answer = ask(desk, visitor_id)
    assert answer.status == 400
    assert answer.json["error"] == (
        "visitor_id: must be a text of 1 to 400 characters without U+0000"
    )


def test_personalization__field_given_twice__is_400(desk: Desk) -> None:
    text = b'{"token":"%s","visitor_id":1,"visitor_id":"a"}' % TOKEN.encode()
    answer = desk.client.post(PATH, text)
    assert (answer.status, answer.json["error"]) == (400, "the body: does not fit the request")


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b'{"a":' * 5000])
def test_personalization__malformed__is_400(desk: Desk, text: bytes) -> None:
    answer = desk.client.post(PATH, text)
    assert answer.status == 400
    assert answer.json["success"] is False


def test_personalization__over_64_kib__is_413(desk: Desk) -> None:
    assert ask(desk, "x" * 70_000).status == 413


def test_personalization__over_the_tier__is_429(desk: Desk) -> None:
    desk.publish(a_snapshot(replace(PROJECT, tier="free"), generation=2))
    answers = [ask(desk) for _ in range(101)]
    assert {each.status for each in answers[:100]} == {200}
    assert answers[100].status == 429
    assert int(answers[100].headers["retry-after"]) >= 1


def test_personalization__database_away__is_503_and_may_be_tried_again(tmp_path: Path) -> None:
    class Away:
        async def find(self, *_: object) -> None:
            raise ProfilesUnavailable("it is away")

    with a_desk(tmp_path, a_snapshot(PROJECT), profiles=Away()) as desk:
        answer = ask(desk)
    assert answer.status == 503
    assert answer.json == {
        "success": False,
        "error": "the profiles cannot be read now; try again",
    }
    assert answer.headers["retry-after"] == "1"


def test_page__its_example__is_what_happens(tmp_path: Path) -> None:
    page = PAGE.read_text()
    (written,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    (answered,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    project = a_written_project(written)
    with a_desk(tmp_path, a_snapshot(project)) as desk:
        for minute in (-20, -10, 0):
            at_ms = NOW_MS + minute * 60_000
            happen_to(desk, "ada", at_ms, page="pricing", category="shoes")
        expected = msgspec.json.decode(answered)
        found = ask(desk, "ada").json
    for each in (*expected["personalizations"], *found["personalizations"]):
        del each["experiment_id"], each["variant_id"]
    assert found == expected


def happen_to(desk: Desk, subject: str, at_ms: int, **properties: str) -> None:
    happening = Happening(
        event_id=f"{subject}-{at_ms}", name="viewed_page", at_ms=at_ms, properties=properties
    )
    claim = claim_of_subject(subject)
    work = Work(PROJECT.project_id, claim, at_ms, happenings=(happening,))
    desk.client.run(desk.services.profiles.apply(work))
