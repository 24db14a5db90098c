"""Which experiments a change reaches, why, and what is said of it."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from subprocess import run
from typing import Any

import pytest

from fairlot.engine import (
    ActivationRule,
    Audience,
    BrokenExperiment,
    Device,
    EventRule,
    Experiment,
    ExperimentType,
    HistoryCondition,
    HistorySegment,
    Holdout,
    Layer,
    LayerRange,
    ListSegment,
    Manifest,
    PropertyRule,
    QueryOperator,
    QueryParam,
    Reason,
    RuleSegment,
    Schedule,
    Status,
    Unit,
    VisitorStatus,
)
from fairlot.events import Assignment
from fairlot.service.effects import effects_of
from fairlot.service.moves.known_subjects import KnownSubjects
from fairlot.service.plan_document import (
    Basis,
    Cause,
    Effect,
    NotCountableKind,
    Remembered,
    ReshuffleKind,
)
from fairlot.warehouse.log import EventLog
from support.shop_log import DAY_MS, NOW_MS, PROJECT_ID, arms, closing_log, exposure_of

PRO = {"tier": "pro"}
HOLDOUT = Holdout("main", "holdout.main", 500)


def project(*experiments: Experiment | BrokenExperiment, **fields: Any) -> Manifest:
    layers = fields.pop("layers", (Layer("page", "layer.page"),))
    return Manifest("o", "p", 1, "", experiments, layers=layers, **fields)


def hero(**fields: Any) -> Experiment:
    plain = Experiment("hero", "hero", arms(5_000, 5_000), id="exp_hero")
    return replace(plain, **fields)


def effects(before: Manifest, after: Manifest) -> tuple[Effect, ...]:
    return effects_of(before, after, None, now_ms=NOW_MS).effects


def effect(before: Manifest, after: Manifest) -> Effect:
    (only,) = effects(before, after)
    return only


def changed(**fields: Any) -> Effect:
    """Of an experiment on which only this changes."""
    return effect(project(hero()), project(hero(**fields)))


def test_effects__nothing_that_decides_changes__none() -> None:
    renamed = replace(
        hero(), name="Hero", metadata={"a": 1}, priority=3, variants=arms(5_000, 5_000, payload=1)
    )
    assert effects(project(hero()), project(renamed)) == ()


def test_effects__even_weights_written_out__none() -> None:
    assert effects(project(hero(variants=arms(None, None))), project(hero())) == ()


@pytest.mark.parametrize(
    ("before", "after", "causes"),
    [
        (project(), project(hero()), (Cause.CREATED,)),
        (project(hero()), project(), (Cause.REMOVED,)),
        (project(hero()), project(hero(variants=arms(6_000, 4_000))), (Cause.EXPERIMENT,)),
        (project(hero()), project(hero(), holdout=HOLDOUT), (Cause.HOLDOUT,)),
        (
            project(hero(layer=LayerRange("page", 0, 100))),
            project(hero(layer=LayerRange("page", 0, 100)), layers=(Layer("page", "afresh"),)),
            (Cause.LAYER,),
        ),
        (
            project(hero(layer=LayerRange("page", 0, 100))),
            project(hero(status=Status.COMPLETED, rollout="a", layer=LayerRange("page", 0, 100))),
            (Cause.EXPERIMENT,),
        ),
        (
            project(hero()),
            project(hero(variants=arms(6_000, 4_000)), holdout=HOLDOUT),
            (Cause.EXPERIMENT, Cause.HOLDOUT),
        ),
    ],
)
def test_effects__cause__told(before: Manifest, after: Manifest, causes: tuple[Cause, ...]) -> None:
    assert effect(before, after).causes == causes


def segmented(rule: dict[str, Any], *values: str, sample_rate_bp: int = 10_000) -> Manifest:
    """`hero` is for segment `paying`, whose rule looks into the list `vips`."""
    audience = Audience(segments=("paying",), sample_rate_bp=sample_rate_bp)
    segments = (RuleSegment("paying", rule), ListSegment("vips", values))
    return project(hero(audience=audience), segments=segments)


IN_LIST = {"$or": [{"id": {"$inGroup": "vips"}}, PRO]}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (segmented(PRO), segmented({"tier": "team"})),
        (segmented(IN_LIST, "ann"), segmented(IN_LIST, "bob")),
        (segmented(PRO), segmented({"tier": "team"}, sample_rate_bp=5_000)),
    ],
    ids=["its rule", "a list that its rule looks into", "beside a rate"],
)
def test_effects__segment_changes__its_experiments_with_that_cause(
    before: Manifest, after: Manifest
) -> None:
    found = effect(before, after)
    assert Cause.SEGMENT in found.causes
    assert kinds(found) == [NotCountableKind.SEGMENTS, NotCountableKind.NO_LOG]


@pytest.mark.parametrize(("old", "new"), [(1, True), (0, False), (1, 1.0)])
def test_effects__value_of_another_type__is_another_rule(old: object, new: object) -> None:
    def of(change: Callable[[Any], Manifest]) -> Effect:
        return effect(change({"vip": old}), change({"vip": new}))

    in_segment = of(lambda rule: segmented(rule))
    in_audience = of(lambda rule: project(hero(audience=Audience(rule=rule))))
    in_trigger = of(lambda where: project(banner(ActivationRule(EventRule("view", where)))))
    assert (in_segment.causes, kinds(in_segment)[0]) == (
        (Cause.SEGMENT,),
        NotCountableKind.SEGMENTS,
    )
    assert (in_audience.causes, kinds(in_audience)[0]) == (
        (Cause.EXPERIMENT,),
        NotCountableKind.RULE,
    )
    assert NotCountableKind.WHEN in kinds(in_trigger)


OFTEN = PropertyRule("tier", EventRule("order"), "tier")


@pytest.mark.parametrize("after", [(replace(OFTEN, when=EventRule("view")),), ()])
def test_effects__property_that_is_looked_at__is_told(after: tuple[PropertyRule, ...]) -> None:
    rule = {"$or": [{"tier.name": "pro"}, {"tier": "pro"}]}
    by_rule = project(hero(audience=Audience(rule=rule)), hero(key="other", id="exp_2"))
    for manifest in (by_rule, segmented(rule)):
        found = effect(replace(manifest, properties=(OFTEN,)), replace(manifest, properties=after))
        assert (found.experiment, found.causes) == ("hero", (Cause.PROPERTY,))
        assert kinds(found)[0] == NotCountableKind.PROPERTIES


def test_effects__property_that_nobody_looks_at__none() -> None:
    manifest = project(hero(audience=Audience(rule={"tiers": "pro"})))
    assert effects(manifest, replace(manifest, properties=(OFTEN,))) == ()


def test_effects__segment_that_it_does_not_name_changes__none() -> None:
    before, after = (
        project(hero(), segments=(RuleSegment("paying", rule),)) for rule in (PRO, {"a": 1})
    )
    assert effects(before, after) == ()


def test_effects__experiments_that_answer_nobody_on_both_sides__none() -> None:
    silent = (
        BrokenExperiment("broken", "unreadable"),
        hero(status=Status.COMPLETED),
        replace(hero(), key="far", server_only=True),
        replace(hero(), key="over", schedule=Schedule(end_ms=NOW_MS)),
    )
    assert effects(project(*silent), project()) == ()
    assert effects(project(), project(hero(status=Status.PAUSED))) == ()


def test_effects__order__as_in_the_new_manifest_and_then_what_is_gone() -> None:
    one, two, three = (replace(hero(), key=key) for key in ("one", "two", "three"))
    found = effects(project(one, two), project(three, two, holdout=HOLDOUT))
    assert [each.experiment for each in found] == ["three", "two", "one"]


def test_effects__pairs__the_largest_first() -> None:
    found = effect(
        project(hero(variants=arms(4_000, 3_000, 3_000))),
        project(hero(variants=arms(2_000, 3_500, 4_500))),
    )
    told = [(pair.before, pair.after, str(pair.share)) for pair in found.pairs]
    # ends 4000, 7000 become 2000, 5500
    assert told == [("a", "b", "0.2"), ("b", "c", "0.15")]
    assert str(found.share) == "0.35"


def kinds(found: Effect) -> list[NotCountableKind]:
    return [each.kind for each in found.not_countable]


def reshuffles(found: Effect) -> list[ReshuffleKind]:
    assert all(each.sentence for each in found.reshuffles)
    return [each.kind for each in found.reshuffles]


@pytest.mark.parametrize(
    ("fields", "kind"),
    [
        ({"variants": arms(5_000, 5_000)[::-1]}, ReshuffleKind.VARIANT_ORDER),
        ({"variants": arms(6_000, 4_000)[::-1]}, ReshuffleKind.VARIANT_ORDER),
        ({"salt": "afresh"}, ReshuffleKind.SALT),
        ({"unit": Unit.ACCOUNT}, ReshuffleKind.UNIT),
    ],
)
def test_reshuffles__deals_anew__called_so(fields: dict[str, Any], kind: ReshuffleKind) -> None:
    assert reshuffles(changed(**fields)) == [kind]


@pytest.mark.parametrize(
    "fields",
    [
        {"variants": arms(6_000, 4_000)},
        {"variants": arms(5_000, 3_000, 2_000)},
        {"variants": arms(5_000, 5_000, recipe_sample_rate_bp=5_000)},
        {"audience": Audience(sample_rate_bp=5_000)},
        {"divert_to": "a"},
        {"layer": LayerRange("page", 0, 5_000)},
        {"status": Status.PAUSED},
    ],
)
def test_reshuffles__only_weights_rates_and_states__none(fields: dict[str, Any]) -> None:
    assert reshuffles(changed(**fields)) == []


def test_reshuffles__more_than_the_weights_need_in_the_same_order__variant_ranges() -> None:
    # 40/30/30 to 30/30/40 has 10 % to move, and moves 20 %: a to b, and b to c
    found = effect(
        project(hero(variants=arms(4_000, 3_000, 3_000))),
        project(hero(variants=arms(3_000, 3_000, 4_000))),
    )
    assert reshuffles(found) == [ReshuffleKind.VARIANT_RANGES]
    assert str(found.share) == "0.2"


def test_reshuffles__variants_that_nobody_draws_change_places__none() -> None:
    unused = arms(10_000, 0, 0)
    before = project(hero(variants=unused))
    assert effects(before, project(hero(variants=(unused[0], *unused[:0:-1])))) != ()
    found = effect(before, project(hero(variants=(unused[0], *unused[:0:-1]))))
    assert reshuffles(found) == []


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ((0, 5_000), (2_500, 7_500), [ReshuffleKind.LAYER_RANGE]),
        ((0, 5_000), (0, 7_500), []),
        ((0, 5_000), (1_000, 5_000), []),
    ],
    ids=["moves", "grows", "shrinks"],
)
def test_reshuffles__layer_range__only_when_it_moves(
    before: tuple[int, int], after: tuple[int, int], expected: list[ReshuffleKind]
) -> None:
    first, second = (project(hero(layer=LayerRange("page", *each))) for each in (before, after))
    assert reshuffles(effect(first, second)) == expected


def test_reshuffles__another_layer_or_salt_of_it__called_by_its_name() -> None:
    layers = (Layer("page", "layer.page"), Layer("menu", "layer.menu"))
    in_page, in_menu = (hero(layer=LayerRange(key, 0, 5_000)) for key in ("page", "menu"))
    before = project(in_page, layers=layers)
    assert reshuffles(effect(before, project(in_menu, layers=layers))) == [ReshuffleKind.LAYER]
    salted = project(in_page, layers=(Layer("page", "afresh"),))
    assert reshuffles(effect(before, salted)) == [ReshuffleKind.LAYER_SALT]


def test_reshuffles__holdout_with_another_salt__called_so() -> None:
    before = project(hero(), holdout=HOLDOUT)
    after = project(hero(), holdout=replace(HOLDOUT, salt="afresh"))
    assert reshuffles(effect(before, after)) == [ReshuffleKind.HOLDOUT_SALT]


@pytest.mark.parametrize(
    ("audience", "kind"),
    [
        (Audience(rule=PRO), NotCountableKind.RULE),
        (Audience(visitor_status=VisitorStatus.NEW), NotCountableKind.VISITOR_STATUS),
        (Audience(url_patterns=("/cart",)), NotCountableKind.URL_PATTERNS),
        (
            Audience(query_params=(QueryParam("q", QueryOperator.EXISTS),)),
            NotCountableKind.QUERY_PARAMS,
        ),
        (Audience(device=Device.MOBILE), NotCountableKind.DEVICE),
    ],
)
def test_not_countable__part_of_the_audience_changes__with_its_reason(
    audience: Audience, kind: NotCountableKind
) -> None:
    found = changed(audience=audience)
    assert kinds(found) == [kind, NotCountableKind.NO_LOG]
    assert found.share == 0
    assert (found.by_draw, found.after_sticky) == (None, None)


TRIGGER = ActivationRule(EventRule("view"), control_share_bp=1_000)


def banner(activation: ActivationRule | None = TRIGGER, **fields: Any) -> Experiment:
    return hero(type=ExperimentType.PERSONALIZATION, activation=activation, **fields)


def test_triggered__created__shares_are_without_the_control_share() -> None:
    held = replace(HOLDOUT, rate_bp=5_000)
    found = effect(project(holdout=held), project(banner(), holdout=held))
    assert [(pair.after, str(pair.share)) for pair in found.pairs] == [
        ("a", "0.225"),
        ("b", "0.225"),
    ]
    assert kinds(found) == [NotCountableKind.ACTIVATED]
    assert (found.by_draw, found.after_sticky) == (None, None)
    assert not found.changes_audience


def test_triggered__another_control_share__is_told_exactly() -> None:
    found = effect(project(banner()), project(banner(replace(TRIGGER, control_share_bp=2_000))))
    assert [(pair.before, pair.after, str(pair.share)) for pair in found.pairs] == [
        ("a", None, "0.05"),
        ("b", None, "0.05"),
    ]
    assert kinds(found) == [NotCountableKind.ACTIVATED]
    assert found.causes == (Cause.EXPERIMENT,)


@pytest.mark.parametrize(
    "after",
    [
        replace(TRIGGER, when=EventRule("view", count=2)),
        replace(TRIGGER, for_ms=1_000),
        replace(TRIGGER, limit=1),
    ],
)
def test_triggered__by_something_else__cannot_be_counted(after: ActivationRule) -> None:
    found = effect(project(banner()), project(banner(after)))
    assert found.share == 0
    assert kinds(found) == [NotCountableKind.WHEN, NotCountableKind.ACTIVATED]
    assert found.changes_audience


def test_triggered__from_now_on__loses_all_but_the_activated() -> None:
    found = effect(project(banner(None)), project(banner()))
    assert str(found.share) == "0.1"
    assert kinds(found) == [NotCountableKind.WHEN, NotCountableKind.ACTIVATED]


def test_triggered__diverted__has_no_control_share() -> None:
    found = effect(project(), project(banner(divert_to="a")))
    assert [(pair.after, str(pair.share)) for pair in found.pairs] == [("a", "1")]


def test_triggered__by_a_list_that_changes__is_told() -> None:
    when = EventRule("view", {"sku": {"$inGroup": "shoes"}})
    before, after = (
        project(banner(replace(TRIGGER, when=when)), segments=(ListSegment("shoes", (value,)),))
        for value in ("s1", "s2")
    )
    assert NotCountableKind.SEGMENTS in kinds(effect(before, after))


def test_history__that_a_segment_asks_for__changes__is_told() -> None:
    named = hero(audience=Audience(segments=("buyers",)))
    shoes = {"sku": {"$inGroup": "shoes"}}

    def with_segments(count: int, value: str) -> Manifest:
        condition = HistoryCondition(EventRule("order", shoes, count))
        buyers = HistorySegment("buyers", (condition,), {"mail": {"$inGroup": "staff"}})
        lists = (ListSegment("shoes", (value,)), ListSegment("staff", ("a",)))
        return project(named, segments=(buyers, *lists))

    before = with_segments(1, "s1")
    for after in (with_segments(2, "s1"), with_segments(1, "s2")):
        found = effect(before, after)
        assert found.causes == (Cause.SEGMENT,)
        assert kinds(found) == [NotCountableKind.SEGMENTS, NotCountableKind.NO_LOG]
    assert effects(before, with_segments(1, "s1")) == ()


def test_not_countable__same_patterns_in_another_order__nothing_changes() -> None:
    before, after = (
        project(hero(audience=Audience(url_patterns=patterns)))
        for patterns in (("/a", "/b"), ("/b", "/a"))
    )
    assert effects(before, after) == ()


def test_not_countable__another_unit__which_accounts_is_not_in_the_log() -> None:
    assert kinds(changed(unit=Unit.ACCOUNT)) == [NotCountableKind.UNIT]


def test_not_countable__another_schedule__the_figures_are_of_this_moment() -> None:
    found = changed(schedule=Schedule(start_ms=NOW_MS - 1))
    assert kinds(found) == [NotCountableKind.SCHEDULE, NotCountableKind.NO_LOG]


def test_not_countable__paused_experiment_changes__nothing_is_asked_of_the_log() -> None:
    found = effect(
        project(hero(status=Status.PAUSED)),
        project(hero(status=Status.PAUSED, variants=arms(5_000, 5_000)[::-1])),
    )
    assert kinds(found) == []
    assert reshuffles(found) == [ReshuffleKind.VARIANT_ORDER]
    assert found.share == 0


@contextmanager
def a_log(directory: Path) -> Iterator[EventLog]:
    with closing_log(EventLog.open(directory)) as log:
        yield log


def counted(directory: Path, before: Manifest, after: Manifest) -> Effect:
    known = KnownSubjects.of_last_days(directory, PROJECT_ID, NOW_MS)
    (only,) = effects_of(before, after, known, now_ms=NOW_MS).effects
    return only


def remember(log: EventLog, subject: str, variant: str, *, key: str = "hero") -> None:
    at_ms = NOW_MS - DAY_MS
    log.record(
        exposure_of(key, subject, variant, Reason.BUCKET, at_ms),
        Assignment(f"exp_{key}", key, subject, variant, 1, at_ms),
    )


def test_known__rule_changes__the_remembered_stay_and_the_draw_is_not_countable(
    tmp_path: Path,
) -> None:
    with a_log(tmp_path) as log:
        remember(log, "ann", "a")
        remember(log, "bob", "b")
        log.record(exposure_of("hero", "cyd", "a", Reason.DIVERT, NOW_MS), None)
    found = counted(
        tmp_path,
        project(hero(audience=Audience(rule=PRO))),
        project(hero(audience=Audience(rule={"tier": "team"}))),
    )
    assert kinds(found) == [NotCountableKind.RULE]
    assert found.by_draw is None
    assert found.after_sticky is not None
    assert (found.after_sticky.basis, found.after_sticky.subjects) == (Basis.REMEMBERED, 2)
    assert found.after_sticky.changed == 0


@pytest.mark.parametrize(
    "after",
    [
        hero(audience=Audience(rule={"a": 1}), recheck_audience=True),
        hero(audience=Audience(rule={"a": 1}), divert_to="a"),
        hero(audience=Audience(rule=PRO, url_patterns=("/cart",))),
    ],
    ids=["checked again", "diverted", "another page"],
)
def test_known__rule_or_page_comes_before_the_memory__neither_is_countable(
    after: Experiment, tmp_path: Path
) -> None:
    with a_log(tmp_path) as log:
        remember(log, "ann", "a")
    found = counted(tmp_path, project(hero(audience=Audience(rule=PRO))), project(after))
    assert (found.by_draw, found.after_sticky) == (None, None)


def test_known__same_rule_and_a_higher_rate__only_the_seen_and_who_enters_is_said(
    tmp_path: Path,
) -> None:
    with a_log(tmp_path) as log:
        remember(log, "ann", "a")
        log.record(exposure_of("other", "bob", "a", Reason.BUCKET, NOW_MS), None)
    found = counted(
        tmp_path,
        project(hero(audience=Audience(rule=PRO, sample_rate_bp=1))),
        project(hero(audience=Audience(rule=PRO))),
    )
    assert kinds(found) == [NotCountableKind.ENTERING]
    assert found.by_draw is not None
    assert (found.by_draw.basis, found.by_draw.subjects) == (Basis.SEEN, 1)


def test_known__rule_checked_again_from_now_on__said(tmp_path: Path) -> None:
    with a_log(tmp_path) as log:
        remember(log, "ann", "a")
    found = counted(
        tmp_path,
        project(hero(audience=Audience(rule=PRO))),
        project(hero(audience=Audience(rule=PRO), recheck_audience=True)),
    )
    assert kinds(found) == [NotCountableKind.RECHECK_AUDIENCE]


def test_known__nobody_in_the_log__said(tmp_path: Path) -> None:
    with a_log(tmp_path):
        pass
    found = counted(tmp_path, project(hero()), project(hero(), holdout=HOLDOUT))
    assert kinds(found) == [NotCountableKind.NOBODY_KNOWN]
    assert (found.by_draw, found.after_sticky) == (None, None)


def test_known__memory__what_the_server_stored_and_else_what_was_shown(tmp_path: Path) -> None:
    with a_log(tmp_path) as log:
        remember(log, "ann", "b")
        # what came last is told by when it happened, not by when it arrived
        log.record(exposure_of("hero", "bob", "a", Reason.DIVERT, NOW_MS), None)
        log.record(exposure_of("hero", "bob", "b", Reason.STICKY, NOW_MS - 1), None)
        log.record(exposure_of("hero", "bob", "a", Reason.BUCKET, NOW_MS - 2), None)
    before = project(hero(variants=arms(0, 10_000)))
    kept = counted(tmp_path, before, project(hero(variants=arms(10_000, 0))))
    assert kept.remembered == Remembered(stored=1, shown=1)
    assert kept.by_draw is not None and kept.by_draw.moved == 2
    assert kept.after_sticky is not None and kept.after_sticky.changed == 0
    gone = counted(tmp_path, before, project(hero(variants=arms(10_000, 0, 0)[::2])))
    assert gone.after_sticky is not None and gone.after_sticky.moved == 2


def test_known__stored_variant_is_gone__what_was_shown_elsewhere_is_no_memory(
    tmp_path: Path,
) -> None:
    with a_log(tmp_path) as log:
        remember(log, "ann", "gone")
        log.record(exposure_of("hero", "ann", "b", Reason.BUCKET, NOW_MS), None)
    found = counted(
        tmp_path,
        project(hero(variants=arms(0, 10_000))),
        project(hero(variants=arms(10_000, 0))),
    )
    assert found.remembered == Remembered(stored=0, shown=0)
    assert found.after_sticky is not None and found.after_sticky.moved == 1


@pytest.mark.parametrize(("randomised", "subjects"), [(False, 1), (True, 2)])
def test_known__decision_adapter__left_out_unless_it_is_remembered(
    randomised: bool, subjects: int, tmp_path: Path
) -> None:
    with a_log(tmp_path) as log:
        log.record(exposure_of("hero", "ann", "a", Reason.ADAPTER, NOW_MS), None)
        log.record(exposure_of("hero", "bob", "a", Reason.BUCKET, NOW_MS), None)
    found = counted(
        tmp_path,
        project(hero(adapter_is_randomised=randomised)),
        project(hero(adapter_is_randomised=randomised, variants=arms(6_000, 4_000))),
    )
    assert kinds(found) == [NotCountableKind.ADAPTER]
    assert found.not_countable[0].sentence.startswith("1 got their variant from")
    assert found.by_draw is not None and found.by_draw.subjects == 1
    assert found.after_sticky is not None and found.after_sticky.subjects == subjects


def test_effects__module__does_not_load_numpy() -> None:
    program = "import sys, fairlot.service.effects; sys.exit('numpy' in sys.modules)"
    assert run([sys.executable, "-c", program], check=False, timeout=180).returncode == 0
