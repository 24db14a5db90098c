"""Who rejected is decided and not recorded; who sends `Sec-GPC: 1` is recorded without details."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fairlot.engine import Audience, Holdout
from fairlot.http.api.health import figures
from fairlot.profiles import claim_of_subject
from fairlot.profiles.consents import GENERAL, consented
from fairlot.service.privacy.recording import DETAILS
from fairlot.service.profiles import Work
from fairlot.warehouse.log import read_conversions
from support.asgi import Response
from support.batches import a_batch, conversion_row, exposure_row
from support.serving import (
    KEY_SECRET,
    NOW_MS,
    TOKEN,
    Desk,
    a_desk,
    a_project,
    a_snapshot,
    an_api_key,
    an_experiment,
)

ASSIGN = "/api/v1/experiments/assignments/hero"
EVENTS = "/api/v1/orgs/default/projects/default/events"
SHOP = "https://shop.example/cart"
EXPERIMENTS = (
    an_experiment(),
    an_experiment("pros", audience=Audience(rule={"tier": "pro"})),
)


def a_private_desk(tmp_path: Path, **fields: Any) -> Any:
    project = a_project(*EXPERIMENTS, holdout=Holdout("all", "holdout.all", 0), **fields)
    return a_desk(tmp_path, a_snapshot(project, api_keys={"ingest00": an_api_key("ingest")}))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with a_private_desk(tmp_path) as desk:
        yield desk


def answer(desk: Desk, who: str, *, accepted: bool, at_ms: int = NOW_MS) -> None:
    work = Work(
        "prj_default",
        claim_of_subject(who),
        at_ms,
        consents=[lambda profile: consented(profile, GENERAL, accepted, at_ms)],
    )
    desk.client.run(desk.services.profiles.apply(work))


def post_events(desk: Desk, *rows: dict[str, Any], seq: int = 1, **headers: str) -> Response:
    key = f"Bearer fx_key_ingest00.{KEY_SECRET}"
    return desk.client.post(EVENTS, a_batch(*rows, batch_seq=seq), authorization=key, **headers)


def ask(desk: Desk, who: str = "ada", key: str = "hero", **headers: str) -> Response:
    body = {
        "token": TOKEN,
        "visitor_id": who,
        "context": {"url": SHOP, "device": "mobile", "attributes": {"tier": "pro"}},
    }
    return desk.client.post(ASSIGN.replace("hero", key), body, **headers)


def test_assignment__of_who_rejected__is_answered_and_not_recorded(desk: Desk) -> None:
    before = ask(desk).json
    answer(desk, "ada", accepted=False)
    recorded = desk.exposures()

    after = ask(desk)

    assert (after.status, after.json) == (200, before)
    assert desk.exposures() == recorded
    ask(desk, "bo")  # whose commit would have taken along what was recorded of her
    assert {each.subject_id for each in desk.exposures()} == {"ada", "bo"}
    assert len([each for each in desk.exposures() if each.subject_id == "ada"]) == len(recorded)


def test_assignment__first_seen_after_rejecting__leaves_no_assignment(desk: Desk) -> None:
    answer(desk, "ada", accepted=False)

    assert ask(desk).json["in_experiment"]

    ask(desk, "bo")
    assert {each.subject_id for each in desk.exposures()} == {"bo"}
    assert desk.log.stored_assignments("exp_hero", "ada") == []
    assert desk.log.stored_assignments("exp_hero", "bo") != []


def test_assignment__accepted_again__is_recorded_again(desk: Desk) -> None:
    answer(desk, "ada", accepted=False)
    ask(desk)
    answer(desk, "ada", accepted=True, at_ms=NOW_MS + 1)

    ask(desk)

    keys = {each.experiment_key for each in desk.exposures() if each.subject_id == "ada"}
    assert keys == {"hero", "holdout.all"}


def test_events__consent_withdrawn_between_decision_and_exposure__are_not_recorded(
    desk: Desk,
) -> None:
    shown = exposure_row("shown", subject_id="ada", unit_id="ada")
    answer(desk, "ada", accepted=False)

    reply = post_events(desk, shown, conversion_row("bought", subject_id="bo"))

    assert (reply.status, reply.json) == (200, {"accepted": 2, "rejected": []})
    assert desk.exposures() == []
    assert [each.subject_id for each in read_conversions(desk.events_dir)] == ["bo"]
    assert figures(desk.services)["fairlot_events_withheld_total", ()] == 1


def test_gpc__assignment__is_sticky_and_recorded_without_details(desk: Desk) -> None:
    answered = ask(desk, sec_gpc="1")

    assert answered.json["in_experiment"]
    exposures = desk.exposures()
    assert {each.experiment_key for each in exposures} == {"hero", "holdout.all"}
    for each in exposures:
        assert {getattr(each, name, None) for name in DETAILS} == {None}
        assert each.properties == {"gpc": True}
    (kept,) = desk.log.stored_assignments("exp_hero", "ada")
    assert kept.variant_key == answered.json["variant_key"]


def test_gpc__rule_over_attributes__still_decides_by_them(desk: Desk) -> None:
    assert ask(desk, key="pros", sec_gpc="1").json["in_experiment"]


@pytest.mark.parametrize("value", ["0", "true", "", "1, 1"])
def test_gpc__another_value__says_nothing(desk: Desk, value: str) -> None:
    ask(desk, sec_gpc=value)

    (exposure,) = [each for each in desk.exposures() if each.experiment_key == "hero"]
    assert (exposure.url, exposure.properties) == (SHOP, {"attributes": "untrusted"})


def test_gpc__project_does_not_honour_it__is_recorded_as_usual(tmp_path: Path) -> None:
    with a_private_desk(tmp_path, honours_gpc=False) as desk:
        ask(desk, sec_gpc="1")

        (exposure,) = [each for each in desk.exposures() if each.experiment_key == "hero"]
        assert exposure.url == SHOP


def test_gpc__later_events_without_it__are_recorded_as_usual(desk: Desk) -> None:
    bought = conversion_row("bought", subject_id="ada", properties={"plan": "pro"})
    post_events(desk, bought | {"event_id": "first"}, sec_gpc="1")
    post_events(desk, bought, seq=2)

    found = [each.properties for each in read_conversions(desk.events_dir)]
    assert found == [{"gpc": True}, {"plan": "pro"}]
