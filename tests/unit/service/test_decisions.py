import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from fairlot.engine import (
    Audience,
    Context,
    Decision,
    Experiment,
    FairlotError,
    Holdout,
    Reason,
    Schedule,
    Status,
    Unit,
    holdout_arm,
)
from fairlot.events import Assignment, Exposure
from fairlot.service.decisions import Decisions, decide_with_memory
from fairlot.service.snapshot import ProjectServing
from fairlot.warehouse.log import EventLog, LogUnavailable, read_exposures
from support.serving import NOW_MS, Shelf, a_project, a_snapshot, a_variant, an_experiment

PRO = Audience(rule={"tier": "pro"})
PRO_ON_SHOP = replace(PRO, url_patterns=("/shop",))
THIRD = a_variant("third")


@dataclass
class Office:
    """Decisions over a project that a test may change, with what they recorded."""

    shelf: Shelf
    log: EventLog
    directory: Path
    decisions: Decisions

    @property
    def project(self) -> ProjectServing:
        return self.decisions.snapshot.projects["default", "default"]

    def publish(self, project: ProjectServing) -> None:
        generation = self.shelf.snapshot.generation + 1
        self.shelf.snapshot = a_snapshot(project, generation=generation)
        assert self.decisions.refresh()

    def decide(
        self, subject_id: str = "v1", key: str = "hero", *, track: bool = True, **context: Any
    ) -> Decision:
        return asyncio.run(
            self.decisions.decide_and_record(
                self.project, key, subject_id, Context(now_ms=NOW_MS, **context), track=track
            )
        )

    def remembered(self, unit_id: str = "v1", key: str = "hero") -> list[str]:
        stored = self.log.stored_assignments(f"exp_{key}", unit_id)
        return [assignment.variant_key for assignment in stored]

    def exposures(self) -> list[Exposure]:
        return list(read_exposures(self.directory))


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Callable[..., Office]]:
    logs = []

    def open_office(*experiments: Experiment, **project: Any) -> Office:
        shelf = Shelf(a_snapshot(a_project(*(experiments or (an_experiment(),)), **project)))
        log = EventLog.open(tmp_path / "events")
        logs.append(log)
        decisions = Decisions(shelf.load, shelf.generation, log, durable=True)
        return Office(shelf, log, tmp_path / "events", decisions)

    yield open_office
    for log in logs:
        log.close(5)


def test_decide_and_record__drawn_variant__is_exposed_and_remembered(
    office: Callable[..., Office],
) -> None:
    desk = office()
    decision = desk.decide(url="https://shop.example/")
    assert decision.reason is Reason.BUCKET
    assert decision.variant is not None
    (exposure,) = desk.exposures()
    assert exposure == Exposure(
        event_id=exposure.event_id,
        project_id="prj_default",
        experiment_id="exp_hero",
        experiment_key="hero",
        subject_id="v1",
        unit_id="v1",
        variant_key=decision.variant.key,
        variant_id=decision.variant.id,
        manifest_version=3,
        hash_version=1,
        reason=Reason.BUCKET,
        occurred_at_ms=NOW_MS,
        received_at_ms=NOW_MS,
        url="https://shop.example/",
        source="assignments",
    )
    assert desk.remembered() == [decision.variant.key]


def test_decide_and_record__untracked__is_remembered_and_not_exposed(
    office: Callable[..., Office],
) -> None:
    desk = office()
    decision = desk.decide(track=False)
    assert decision.variant is not None
    assert desk.remembered() == [decision.variant.key]
    assert desk.exposures() == []


def test_decide_and_record__account_unit__records_both_ids(office: Callable[..., Office]) -> None:
    desk = office(an_experiment(unit=Unit.ACCOUNT))
    desk.decide(account_id="acme")
    (exposure,) = desk.exposures()
    assert (exposure.subject_id, exposure.unit_id) == ("v1", "acme")
    assert desk.remembered("acme")
    assert desk.remembered("v1") == []


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"status": Status.PAUSED}, Reason.PAUSED),
        ({"schedule": Schedule(start_ms=NOW_MS + 1)}, Reason.SCHEDULED),
        ({"schedule": Schedule(end_ms=NOW_MS)}, Reason.ENDED),
        ({"audience": PRO}, Reason.AUDIENCE),
        ({"audience": Audience(sample_rate_bp=0)}, Reason.SAMPLE),
        ({"unit": Unit.ACCOUNT}, Reason.NO_UNIT),
        ({"server_only": True}, Reason.SERVER_ONLY),
        (
            {
                "variants": (
                    a_variant("a", recipe_sample_rate_bp=0),
                    a_variant("b", recipe_sample_rate_bp=0),
                )
            },
            Reason.RECIPE,
        ),
    ],
)
def test_decide_and_record__none__records_nothing(
    office: Callable[..., Office], fields: dict[str, Any], reason: Reason
) -> None:
    desk = office(an_experiment(**fields))
    assert desk.decide().reason is reason
    assert desk.exposures() == []
    assert desk.remembered() == []


def test_decide_and_record__divert__is_exposed_and_not_remembered(
    office: Callable[..., Office],
) -> None:
    desk = office(an_experiment(divert_to="bold"))
    assert desk.decide().reason is Reason.DIVERT
    assert [exposure.reason for exposure in desk.exposures()] == [Reason.DIVERT]
    assert desk.remembered() == []


def test_decide_and_record__left_the_audience__keeps_the_remembered_variant(
    office: Callable[..., Office],
) -> None:
    desk = office(an_experiment(audience=PRO))
    first = desk.decide(attributes={"tier": "pro"})
    then = desk.decide(attributes={"tier": "free"})
    assert then.reason is Reason.STICKY
    assert then.variant is first.variant
    assert [exposure.reason for exposure in desk.exposures()] == [Reason.BUCKET, Reason.STICKY]
    assert desk.decide("stranger", attributes={"tier": "free"}).reason is Reason.AUDIENCE


def test_decide_and_record__left_the_page__is_out_without_a_look_up(
    office: Callable[..., Office],
) -> None:
    desk = office(an_experiment(audience=PRO_ON_SHOP))
    desk.decide(attributes={"tier": "pro"}, url="/shop")
    desk.log.close(5)  # nothing is recorded for a `none`, and a look-up would raise
    assert desk.decide(url="/blog").reason is Reason.AUDIENCE


def test_decide_and_record__recheck_audience__throws_out(office: Callable[..., Office]) -> None:
    desk = office(an_experiment(audience=PRO, recheck_audience=True))
    desk.decide(attributes={"tier": "pro"})
    assert desk.decide().reason is Reason.AUDIENCE


def test_decide_and_record__draw_unchanged__is_not_looked_up(
    office: Callable[..., Office],
) -> None:
    desk = office()
    variant = desk.decide().variant
    other = "bold" if variant is not None and variant.key == "control" else "control"
    desk.log.record(None, Assignment("exp_hero", "hero", "v2", other, 1, 1))
    assert desk.decide().reason is Reason.BUCKET


def test_decide_and_record__draw_changed__keeps_everyone_where_they_were(
    office: Callable[..., Office],
) -> None:
    desk = office()
    before = {str(n): desk.decide(str(n)).variant for n in range(30)}
    changed = an_experiment(variants=(*an_experiment().variants, THIRD))
    desk.publish(a_project(changed, always_look_up=frozenset({"hero"})))
    for subject_id, variant in before.items():
        decision = desk.decide(subject_id)
        assert decision.reason is Reason.STICKY
        assert variant is not None and decision.variant is not None
        assert decision.variant.key == variant.key
    assert {desk.decide(f"new {n}").reason for n in range(5)} == {Reason.BUCKET}


def test_decide_and_record__sample_lowered__evicts_nobody(office: Callable[..., Office]) -> None:
    desk = office()
    desk.decide()
    closed = an_experiment(audience=Audience(sample_rate_bp=0))
    desk.publish(a_project(closed, always_look_up=frozenset({"hero"})))
    assert desk.decide().reason is Reason.STICKY
    assert desk.decide("new").reason is Reason.SAMPLE


def test_decide_and_record__remembered_variant_gone__is_drawn_afresh_and_overwritten(
    office: Callable[..., Office],
) -> None:
    desk = office(an_experiment(variants=(a_variant("old"), a_variant("older"))))
    desk.decide()
    desk.publish(a_project(an_experiment(), always_look_up=frozenset({"hero"})))
    drawn = desk.decide()
    assert drawn.reason is Reason.BUCKET
    again = desk.decide()
    assert again.reason is Reason.STICKY
    assert again.variant is drawn.variant


def test_decide_and_record__several_workers__use_the_earliest_answer(
    office: Callable[..., Office],
) -> None:
    first, second = office(an_experiment(audience=PRO)), office(an_experiment(audience=PRO))
    for log, variant, at_ms in ((first.log, "bold", 2000), (second.log, "control", 1000)):
        ticket = log.record(None, Assignment("exp_hero", "hero", "v1", variant, 1, at_ms))
        asyncio.run(log.committed(ticket))
    for desk in (first, second):
        variant_served = desk.decide().variant
        assert variant_served is not None and variant_served.key == "control"


HOLDOUT = Holdout("default", "holdout.default", 5000)


def test_decide_and_record__holdout__is_itself_exposed_once_a_unit(
    office: Callable[..., Office],
) -> None:
    desk = office(an_experiment(), an_experiment("other"), holdout=HOLDOUT)
    for subject_id in map(str, range(20)):
        desk.decide(subject_id)
        desk.decide(subject_id, "other")
    pseudo = [each for each in desk.exposures() if each.experiment_key == "holdout.default"]
    assert len(pseudo) == 20
    for exposure in pseudo:
        assert exposure.variant_key == holdout_arm(desk.project.compiled, exposure.unit_id)
        assert exposure.reason is Reason.BUCKET
    assert {exposure.variant_key for exposure in pseudo} == {"held", "open"}
    held = {each.unit_id for each in pseudo if each.variant_key == "held"}
    served = {each.unit_id for each in desk.exposures() if each.experiment_key == "hero"}
    assert not held & served


def test_decide_and_record__holdout_seen_by_another_worker__is_the_same_event(
    office: Callable[..., Office],
) -> None:
    first, second = office(holdout=HOLDOUT), office(holdout=HOLDOUT)
    first.decide()
    second.decide()
    pseudo = [each for each in first.exposures() if each.experiment_key == "holdout.default"]
    assert len({exposure.event_id for exposure in pseudo}) == 1


@pytest.mark.parametrize(
    ("fields", "track"),
    [
        ({"status": Status.PAUSED}, True),
        ({"schedule": Schedule(start_ms=NOW_MS + 1)}, True),
        ({"server_only": True}, True),
        ({"unit": Unit.ACCOUNT}, True),
        ({}, False),
    ],
)
def test_decide_and_record__nothing_evaluated_or_tracked__leaves_the_holdout_unexposed(
    office: Callable[..., Office], fields: dict[str, Any], track: bool
) -> None:
    desk = office(an_experiment(**fields), holdout=HOLDOUT)
    for subject_id in map(str, range(4)):
        desk.decide(subject_id, track=track)
    assert desk.exposures() == []


def test_decide_and_record__out_of_the_audience__exposes_the_holdout(
    office: Callable[..., Office],
) -> None:
    desk = office(an_experiment(audience=PRO), holdout=HOLDOUT)
    assert desk.decide().variant is None
    assert [each.experiment_key for each in desk.exposures()] == ["holdout.default"]


def test_decide_and_record__log_closed__raises_only_when_something_must_be_recorded(
    office: Callable[..., Office],
) -> None:
    desk = office(an_experiment(), an_experiment("paused", status=Status.PAUSED))
    desk.log.close(5)
    assert desk.decide(key="paused").reason is Reason.PAUSED
    for track in (True, False):
        with pytest.raises(LogUnavailable):
            desk.decide(track=track)
    assert (desk.decisions.refused, desk.decisions.impressions) == (2, 0)


def test_decide_and_record__held_subject_and_log_closed__raises(
    office: Callable[..., Office],
) -> None:
    desk = office(holdout=replace(HOLDOUT, rate_bp=10_000))
    desk.log.close(5)
    with pytest.raises(LogUnavailable):
        desk.decide()


def test_decide_and_record__concurrent_requests_of_a_subject__agree(
    office: Callable[..., Office],
) -> None:
    desk = office(an_experiment(audience=PRO))

    async def all_at_once() -> list[Decision]:
        contexts = [Context(now_ms=NOW_MS, attributes={"tier": "pro"}) for _ in range(50)]
        decide = desk.decisions.decide_and_record
        calls = [decide(desk.project, "hero", "v1", each, track=True) for each in contexts]
        return await asyncio.gather(*calls)

    first, *others = asyncio.run(all_at_once())
    assert all(decision is first for decision in others)
    assert len(desk.exposures()) == 50
    assert len(desk.remembered()) == 1


class StoreBroke(FairlotError):
    code = "store_broke"


def test_refresh__store_fails__keeps_deciding_over_the_last_good_snapshot(
    office: Callable[..., Office],
) -> None:
    desk = office()
    before = desk.decide().variant
    desk.shelf.failure = StoreBroke("broken")
    with pytest.raises(StoreBroke):
        desk.decisions.refresh()
    assert desk.decide().variant is before


def test_refresh__same_generation__changes_nothing(office: Callable[..., Office]) -> None:
    desk = office()
    snapshot = desk.decisions.snapshot
    assert not desk.decisions.refresh()
    assert desk.decisions.snapshot is snapshot


def test_decide_with_memory__audience_left__asks_for_the_unit_and_says_what_it_used() -> None:
    project = a_project(an_experiment(audience=PRO, unit=Unit.ACCOUNT))
    asked = []

    def stored(experiment_id: str, unit_id: str) -> list[Assignment]:
        asked.append((experiment_id, unit_id))
        gone = Assignment(experiment_id, "hero", unit_id, "gone", 1, 1)
        return [gone, Assignment(experiment_id, "hero", unit_id, "bold", 1, 2)]

    context = Context(account_id="acme", now_ms=NOW_MS)
    decision = decide_with_memory(project, "hero", "v1", context, stored)
    assert decision.reason is Reason.STICKY
    assert context.sticky == {"hero": "bold"}
    assert asked == [("exp_hero", "acme")]


def test_decide_with_memory__hash_is_the_memory__asks_nothing() -> None:
    def stored(_experiment_id: str, _unit_id: str) -> list[Assignment]:
        raise AssertionError

    project = a_project(an_experiment())
    decision = decide_with_memory(project, "hero", "v1", Context(now_ms=NOW_MS), stored)
    assert decision.reason is Reason.BUCKET
