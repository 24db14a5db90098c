"""From sufficient statistics to comparisons."""

from dataclasses import replace
from datetime import timedelta
from math import sqrt

import msgspec
import pytest

from fairlot.stats.analysis import Analysis, analyse, matured_enough
from fairlot.stats.effects import NoEffect
from fairlot.stats.metrics import Metric, MetricKind, Role
from fairlot.stats.plans import AnalysisPlan
from fairlot.stats.results import (
    Comparison,
    GuardrailState,
    Interval,
    Look,
    Method,
    Side,
    ValuesAre,
)
from fairlot.stats.sufficient import Arm, Sufficient, View
from support.measured import measured
from support.results import half_width
from support.sufficient import (
    BOUGHT,
    DAY_MS,
    HALVES,
    START,
    START_MS,
    arm_day,
    conversions,
    fixed,
    phase,
    question,
    sufficient,
)

COOKIE_CATS = sufficient(
    [*conversions("control", (44_700, 8_502)), *conversions("b", (45_489, 8_279))]
)
"""7-day retention with the gate at level 30 and at level 40."""


def only(analysis: Analysis) -> Comparison:
    (comparison,) = analysis.comparisons
    return comparison


def analysed(asked: Sufficient, plan: AnalysisPlan | None = None) -> Comparison:
    return only(analyse(asked, fixed(asked.question, plan)))


@pytest.mark.parametrize(
    ("planned_size", "interval", "p"),
    [(90_189, (-0.0160686, -0.0003340), 0.035069), (5_000, (-0.0168132, 0.0004106), 0.083284)],
)
def test_sequential__cookie_cats__is_as_published(
    planned_size: int, interval: tuple[float, float], p: float
) -> None:
    found = analysed(COOKIE_CATS, AnalysisPlan(planned_size=planned_size))
    assert (found.interval.low, found.interval.high) == pytest.approx(interval, abs=5e-8)
    assert found.p == pytest.approx(p, abs=5e-7)
    assert found.is_significant is (p < 0.05)
    assert found.fixed is not None
    assert found.fixed.p == pytest.approx(0.00155583, abs=5e-9)
    assert found.bayesian is not None
    assert found.bayesian.probability_better == pytest.approx(0.000777339, abs=5e-10)
    assert found.lift is not None
    assert found.lift.interval is not None
    assert (found.lift.interval.high < 0) is (p < 0.05)


def test_conversion__without_covariates__says_why_there_is_no_cuped() -> None:
    found = analysed(COOKIE_CATS)
    assert found.variance_reduction is None
    assert found.no_cuped == "no_covariates"


def test_fixed__at_the_planned_size__is_one_look() -> None:
    plan = AnalysisPlan(Method.FIXED, planned_size=90_000)
    found = analysed(COOKIE_CATS, plan)
    assert (found.interval.low, found.interval.high) == pytest.approx(
        (-0.013282, -0.003121), abs=5e-7
    )
    assert (len(found.looks), found.is_gated, found.is_significant) == (1, False, True)


def test_fixed__before_the_planned_size__concludes_nothing() -> None:
    found = analysed(COOKIE_CATS, AnalysisPlan(Method.FIXED, planned_size=100_000))
    assert (found.looks, found.is_significant) == ((), False)
    assert found.gate == "90,189 of the 100,000 subjects that the next planned look needs"


def test_group_sequential__five_looks__uses_the_published_boundary() -> None:
    """Lan-DeMets of O'Brien-Fleming type, K = 5: 4.8769 3.3570 2.6803 2.2898 2.0310."""
    days = [(1_000, 200)] * 5
    asked = sufficient([*conversions("control", *days), *conversions("b", *days)])
    found = analysed(asked, AnalysisPlan(Method.GROUP_SEQUENTIAL, planned_size=10_000, looks=5))
    assert [look.n for look in found.looks] == [2_000, 4_000, 6_000, 8_000, 10_000]
    errors = [(2 * 0.2 * 0.8 / (look.n / 2 - 1)) ** 0.5 for look in found.looks]
    reach = [
        (look.interval.high - look.interval.low) / 2 / error
        for look, error in zip(found.looks, errors, strict=True)
    ]
    assert reach == pytest.approx([4.8769, 3.3570, 2.6803, 2.2898, 2.0310], rel=6e-4)
    assert found.interval == found.looks[-1].interval
    assert found.values_are == ()


def values_of(side: Side | None) -> tuple[int, float]:
    assert side is not None
    return side.n, side.value


def test_group_sequential__between_two_looks__has_the_values_of_the_last_one() -> None:
    control = conversions("control", (1_000, 200), (500, 50))
    asked = sufficient([*control, *conversions("b", (1_000, 240), (500, 150))])
    found = analysed(asked, AnalysisPlan(Method.GROUP_SEQUENTIAL, planned_size=10_000, looks=5))
    assert values_of(found.control) == (1_000, 0.2)
    assert values_of(found.treatment) == (1_000, 0.24)
    assert found.values_are == (ValuesAre.OF_LAST_LOOK,)


def test_group_sequential__events_that_came_since_the_look__has_no_values() -> None:
    """What the stored look saw of each arm is not kept."""
    plan = AnalysisPlan(Method.GROUP_SEQUENTIAL, planned_size=10_000, looks=5)
    rows = [*conversions("control", (1_000, 200)), *conversions("b", (1_000, 240))]
    asked = sufficient(rows)
    looks = analyse(asked, fixed(asked.question, plan)).new_looks
    later = sufficient([*rows[:1], *conversions("b", (1_000, 260))])
    found = only(analyse(later, fixed(later.question, plan, looks=looks)))
    assert (found.control, found.treatment) == (None, None)


def test_group_sequential__crossed_early_and_not_later__keeps_its_p() -> None:
    """At the first look z is 5.2, over 4.8769; at the last one 0.6."""
    b = conversions("b", (1_000, 300), *[(1_000, 185)] * 4)
    asked = sufficient([*conversions("control", *[(1_000, 200)] * 5), *b])
    found = analysed(asked, AnalysisPlan(Method.GROUP_SEQUENTIAL, planned_size=10_000, looks=5))
    assert found.is_significant
    assert found.p == found.looks[0].p < 0.05 < found.looks[-1].p


def test_group_sequential__more_subjects_than_planned__tells_of_those_of_the_last_look() -> None:
    days = [(1_000, 200)] * 7
    asked = sufficient([*conversions("control", *days), *conversions("b", *days)])
    found = analysed(asked, AnalysisPlan(Method.GROUP_SEQUENTIAL, planned_size=10_000, looks=5))
    assert (found.n_control, found.n_variant) == (5_000, 5_000)


@pytest.mark.parametrize("kept", [((1_000, 200),), ((50, 12),)])
def test_group_sequential__events_gone_since_the_looks__they_still_hold(
    kept: tuple[tuple[int, int], ...],
) -> None:
    """Of all that the looks saw there is one day left, with fewer subjects than the first look."""
    plan = AnalysisPlan(Method.GROUP_SEQUENTIAL, planned_size=10_000, looks=3)
    days = [*conversions("control", *[(1_000, 200)] * 5), *conversions("b", *[(1_000, 250)] * 5)]
    whole = sufficient(days)
    before = analyse(whole, fixed(whole.question, plan))
    rest = sufficient([*conversions("control", *kept), *conversions("b", *kept)])
    found = only(analyse(rest, fixed(rest.question, plan, looks=before.new_looks)))
    assert (found.interval, found.p) == (only(before).interval, only(before).p)
    assert found.estimate == pytest.approx(0.05)
    assert (found.is_significant, found.gate) == (True, None)
    assert found.lift is not None
    assert found.lift.hidden_because == "events came, or are gone, since the look that decides"


def test_group_sequential__only_days_after_the_looks_are_left__the_last_look_still_holds() -> None:
    plan = AnalysisPlan(Method.GROUP_SEQUENTIAL, planned_size=10_000, looks=3)
    days = [*conversions("control", *[(1_000, 200)] * 9), *conversions("b", *[(1_000, 250)] * 9)]
    whole = sufficient(days)
    before = analyse(whole, fixed(whole.question, plan))
    rest = sufficient([each for each in days if each.day >= START + timedelta(days=8)])
    found = only(analyse(rest, fixed(rest.question, plan, looks=before.new_looks)))
    assert (found.interval, found.is_significant) == (only(before).interval, True)


def test_looks__of_days_that_have_matured__are_the_daily_closes() -> None:
    asked = question(as_of_ms=START_MS + 10 * DAY_MS + DAY_MS // 2)
    days = [(500, 250)] * 10
    rows = [*conversions("control", *days), *conversions("b", *days)]
    found = analyse(sufficient(rows, asked), fixed(asked))
    # Of days 0, 1 and 2 the last window ends with days 7, 8 and 9; day 10 is not over.
    assert [look.day - START for look in only(found).looks] == [
        timedelta(days=each) for each in (7, 8, 9)
    ]
    assert [look.n for look in only(found).looks] == [1_000, 2_000, 3_000]
    # All ten days have matured at noon of day 10, so this moment knows more than the last look.
    assert only(found).running == only(found).interval
    assert found.new_looks == {("bought", "b"): tuple(replace_running(only(found).looks))}


def replace_running(looks: tuple[Look, ...]) -> list[Look]:
    return [msgspec.structs.replace(each, running=None) for each in looks]


def test_looks__stored__stay_what_they_were() -> None:
    close = START + timedelta(days=8)
    stored = Look(day=close, n=7, estimate=9.0, interval=Interval(low=8.0, high=9.0), p=0.5)
    asked = question(as_of_ms=START_MS + 11 * DAY_MS)
    days = [(500, 250)] * 10
    rows = [*conversions("control", *days), *conversions("b", *days)]
    found = analyse(sufficient(rows, asked), fixed(asked, looks={("bought", "b"): (stored,)}))
    looks = only(found).looks
    # The close of day 7 had been gated when day 8 was looked at: it is not looked at afterwards.
    assert [(look.day - START).days for look in looks] == [8, 9, 10]
    assert (looks[0].n, looks[0].estimate) == (7, 9.0)
    assert (looks[1].running, only(found).running) == (None, None)
    assert [look.n for look in found.new_looks["bought", "b"]] == [3_000, 4_000]


def test_looks__of_a_close_before_one_that_is_stored__are_none() -> None:
    """As of day 9, where those of days 8 and 12 are stored: the moment sees the first of them."""
    first, last = (START + timedelta(days=day) for day in (8, 12))
    stored = Look(day=first, n=700, estimate=0.1, interval=Interval(low=0.0, high=0.2), p=0.06)
    asked = question(as_of_ms=START_MS + 10 * DAY_MS)
    rows = [*conversions("control", *[(500, 250)] * 10), *conversions("b", *[(500, 250)] * 10)]
    name = ("bought", "b")
    kept = fixed(asked, looks={name: (stored,)}, looked_until={name: last})
    found = analyse(sufficient(rows, asked), kept)
    assert [look.day for look in only(found).looks] == [first]
    assert found.new_looks == {}
    of_none = analyse(sufficient(rows, asked), fixed(asked, looked_until={name: last}))
    assert (only(of_none).looks, of_none.new_looks) == ((), {})


@pytest.mark.parametrize("fields", [{"view": View.SO_FAR}, {"segment_by": "device"}])
def test_looks__of_a_part__are_none(fields: dict[str, object]) -> None:
    asked = question(**fields)
    rows = [*conversions("control", (900, 90)), *conversions("b", (900, 90))]
    found = analyse(sufficient(rows, asked), fixed(asked))
    assert (found.new_looks, only(found).looks) == ({}, ())


def test_looks__before_the_cap_is_final__are_none() -> None:
    asked = question()
    rows = [*conversions("control", (900, 90)), *conversions("b", (900, 90))]
    found = analyse(sufficient(rows, asked), fixed(asked, settled=()))
    assert (found.new_looks, only(found).looks) == ({}, ())


def test_so_far__a_clear_difference__is_not_significant() -> None:
    asked = question(view=View.SO_FAR)
    rows = [*conversions("control", (5_000, 500)), *conversions("b", (5_000, 2_500))]
    found = only(analyse(sufficient(rows, asked), fixed(asked)))
    assert (found.interval.low > 0, found.is_significant, found.is_gated) == (True, False, True)


def test_comparisons__two_variants_and_two_primaries__are_corrected() -> None:
    arms = (*HALVES, Arm("c", False, 0.5))
    other = replace(BOUGHT, key="seen", role=Role.SECONDARY)
    asked = question(BOUGHT, replace(BOUGHT, key="kept"), other, phases=(phase(*arms),))
    rows = [
        replace(row, metrics=dict.fromkeys(("bought", "kept", "seen"), row.metrics["bought"]))
        for arm, count in (("control", 500), ("b", 560), ("c", 700))
        for row in conversions(arm, (5_000, count))
    ]
    found = analyse(sufficient(rows, asked), fixed(asked)).comparisons
    assert [each.alpha for each in found] == [0.0125] * 4 + [0.05] * 2
    bought = {each.variant: each for each in found if each.metric == "bought"}
    assert bought["c"].p_holm == pytest.approx(4 * bought["c"].p)
    assert (bought["b"].p_holm, bought["b"].is_significant) == (1.0, False)
    seen = {each.variant: each for each in found if each.metric == "seen"}
    assert seen["c"].p_bh == pytest.approx(2 * seen["c"].p)
    assert (seen["c"].p_holm, seen["c"].is_significant) == (None, True)


def test_metric__that_became_primary_later__is_secondary() -> None:
    asked = question(BOUGHT, replace(BOUGHT, key="kept"))
    found = analyse(sufficient([], asked), fixed(asked, primaries=("bought",), comparisons=1))
    assert [each.role for each in found.metrics] == [Role.PRIMARY, Role.SECONDARY]


def test_variant__that_came_later__is_one_comparison_more() -> None:
    asked = question(phases=(phase(*HALVES, Arm("c", False, 0.5)),))
    rows = [row for arm in ("control", "b", "c") for row in conversions(arm, (900, 90))]
    found = analyse(sufficient(rows, asked), fixed(asked, comparisons=1)).comparisons
    assert [each.alpha for each in found] == [0.025, 0.025]


def with_a_third_arm(
    bought: int, plan: AnalysisPlan, metric: Metric = BOUGHT, control: int = 90
) -> tuple[Comparison, Comparison, Comparison]:
    """Of `b`, where so many of 900 have `bought`: before `c` came, after it had
    come with the looks of before, and as if it had been there from the start."""
    rows = [*conversions("control", (900, control)), *conversions("b", (900, bought))]
    asked = question(metric)
    before = analyse(sufficient(rows, asked), fixed(asked, plan))
    wider = question(metric, phases=(phase(*HALVES, Arm("c", False, 0.5)),))
    all_rows = [*rows, *conversions("c", (900, 90))]
    stored = fixed(wider, plan, comparisons=1, looks=before.new_looks)
    after = analyse(sufficient(all_rows, wider), stored).comparisons
    anew = analyse(sufficient(all_rows, wider), fixed(wider, plan)).comparisons
    return only(before), after[0], anew[0]


def test_variant__that_came_later__widens_the_looks_of_before_too() -> None:
    """The half-widths are those of the formula in the design, at .05 and at .05 / 2."""
    before, after, _ = with_a_third_arm(139, AnalysisPlan())
    rates = (90 / 900, 139 / 900)
    error = sqrt(sum(rate * (1 - rate) / 900 for rate in rates))
    (look,), (told_again,) = before.looks, after.looks
    assert (look.n, look.alpha, told_again.alpha) == (1_800, 0.05, 0.025)
    assert told_again.estimate == look.estimate == pytest.approx(49 / 900)
    for each, alpha in ((look, 0.05), (told_again, 0.025)):
        half = half_width(error, 1_800, 10_000, alpha)
        low, high = each.interval.low, each.interval.high
        assert (low, high) == pytest.approx((each.estimate - half, each.estimate + half))
    # Left out by the look of before, and not at the level of now: so nothing is concluded.
    assert (before.is_significant, look.interval.low > 0, before.p < 0.05) == (True, True, True)
    assert (after.is_significant, after.p > 0.025) == (False, True)
    assert after.running == told_again.interval


@pytest.mark.parametrize("method", list(Method))
@pytest.mark.parametrize("kind", [MetricKind.CONVERSION, MetricKind.COUNT])
def test_variant__that_came_later__has_looks_as_if_it_had_been_there(
    method: Method, kind: MetricKind
) -> None:
    plan = AnalysisPlan(method, planned_size=1_800, looks=3)
    before, after, anew = with_a_third_arm(490, plan, replace(BOUGHT, kind=kind), 450)
    assert before.looks[0].interval != after.looks[0].interval
    assert after.looks[0].interval.low == pytest.approx(anew.looks[0].interval.low, rel=1e-12)
    assert (after.looks[0].p, after.p) == pytest.approx((anew.looks[0].p, anew.p), rel=1e-9)
    assert after.interval == after.looks[0].interval


def test_variant__that_came_later__each_planned_look_has_its_own_boundary() -> None:
    days = {key: [(1_000, count)] * 5 for key, count in (("control", 200), ("b", 215), ("c", 200))}
    rows = [row for key in ("control", "b") for row in conversions(key, *days[key])]
    plan = AnalysisPlan(Method.GROUP_SEQUENTIAL, planned_size=10_000, looks=5)
    asked, wider = question(), question(phases=(phase(*HALVES, Arm("c", False, 0.5)),))
    before = analyse(sufficient(rows, asked), fixed(asked, plan))
    all_rows = sufficient([*rows, *conversions("c", *days["c"])], wider)
    stored = fixed(wider, plan, comparisons=1, looks=before.new_looks)
    after = analyse(all_rows, stored).comparisons[0]
    anew = analyse(all_rows, fixed(wider, plan)).comparisons[0]
    assert [look.interval for look in after.looks] == [look.interval for look in anew.looks]
    widths = [
        [look.interval.high - look.interval.low for look in each.looks]
        for each in (only(before), after)
    ]
    assert all(then < now for then, now in zip(*widths, strict=True))
    assert [look.p for look in after.looks] == [look.p for look in only(before).looks]


def test_variant__that_came_later__one_look_has_the_quantile_of_half_of_alpha() -> None:
    """Upper quantiles of the normal distribution: .025 at 1.959964, .0125 at 2.241403."""
    before, after, _ = with_a_third_arm(130, AnalysisPlan(Method.FIXED, planned_size=1_800))
    widths = [look.interval.high - look.interval.low for look in (*before.looks, *after.looks)]
    assert widths[1] / widths[0] == pytest.approx(2.241403 / 1.959964, rel=1e-6)


def test_guardrail__within_its_margin__is_safe() -> None:
    guardrail = replace(BOUGHT, role=Role.GUARDRAIL, margin=0.02)
    asked = question(guardrail)

    def state(n: int) -> GuardrailState | None:
        rows = [*conversions("control", (n, n // 10)), *conversions("b", (n, n // 10))]
        return only(analyse(sufficient(rows, asked), fixed(asked))).guardrail

    assert state(60_000) is GuardrailState.SAFE
    assert state(2_000) is GuardrailState.INCONCLUSIVE
    assert state(90) is GuardrailState.INCONCLUSIVE


def test_phases__with_other_shares__are_not_pooled() -> None:
    """Pooled, b would seem better: it had most of its subjects when everybody bought more."""
    phases = (
        phase(Arm("control", True, 0.9), Arm("b", False, 0.1)),
        phase(Arm("control", True, 0.1), Arm("b", False, 0.9), number=2),
    )
    asked = question(phases=phases)
    rows = [
        *conversions("control", (9_000, 900)),
        *conversions("b", (1_000, 100)),
        *conversions("control", (1_000, 500), phase=2),
        *conversions("b", (9_000, 4_500), phase=2),
    ]
    analysis = analyse(sufficient(rows, asked), fixed(asked))
    assert only(analysis).estimate == pytest.approx(0.0, abs=1e-12)
    values = [arm.value for arm in analysis.metrics[0].arms]
    assert values == pytest.approx([0.3, 0.3])
    assert only(analysis).values_are == ()


def test_variant__removed_mid_run__is_compared_in_its_phase() -> None:
    third = Arm("c", False, 0.3)
    phases = (phase(Arm("control", True, 0.4), Arm("b", False, 0.3), third), phase(number=2))
    asked = question(phases=phases)
    rows = [
        *conversions("control", (1_000, 100)),
        *conversions("b", (1_000, 100)),
        *conversions("c", (1_000, 200)),
        *conversions("control", (1_000, 900), phase=2),
        *conversions("b", (1_000, 900), phase=2),
    ]
    found = {
        each.variant: each for each in analyse(sufficient(rows, asked), fixed(asked)).comparisons
    }
    assert found["c"].estimate == pytest.approx(0.1)
    assert values_of(found["c"].control) == (1_000, 0.1)
    assert values_of(found["c"].treatment) == (1_000, 0.2)
    assert found["c"].values_are == (ValuesAre.OF_SHARED_PHASES,)
    assert found["b"].n_control == 2_000


def test_analysis__of_nobody_or_of_what_never_varies__has_no_comparison() -> None:
    asked = question()
    assert analyse(sufficient([], asked), fixed(asked)).comparisons == []
    zeros = [*conversions("control", (900, 0)), *conversions("b", (900, 0))]
    analysis = analyse(sufficient(zeros, asked), fixed(asked))
    assert (analysis.comparisons, analysis.new_looks) == ([], {})
    assert [arm.value for arm in analysis.metrics[0].arms] == [0.0, 0.0]


@pytest.mark.parametrize(
    ("control", "b", "reason", "told"),
    [
        ((900, 90), (0, 0), NoEffect.NO_SUBJECTS, "one of the two has no subjects that count"),
        ((900, 90), (1, 1), NoEffect.ONE_SUBJECT, "one of the two has a single subject"),
        ((900, 0), (900, 900), NoEffect.NO_VARIANCE, "all subjects have the same value"),
    ],
)
def test_analysis__what_cannot_be_compared__has_its_reason_and_a_sentence(
    control: tuple[int, int], b: tuple[int, int], reason: NoEffect, told: str
) -> None:
    asked = question()
    rows = [*conversions("control", control), *conversions("b", b)]
    (metric,) = analyse(sufficient(rows, asked), fixed(asked)).metrics
    assert metric.comparisons == ()
    (why,) = metric.uncompared
    assert (why.variant, why.segment, why.reason) == ("b", None, reason)
    assert why.sentence.startswith("not compared: ")
    assert told in why.sentence


def test_analysis__a_denominator_of_0__is_the_reason_of_a_ratio() -> None:
    per_visit = replace(BOUGHT, kind=MetricKind.RATIO)
    asked = question(per_visit)
    rows = [
        arm_day("control", 0, {"bought": measured([1, 2, 0], [1, 2, 1], responses=2)}),
        arm_day("b", 0, {"bought": measured([1, 2, 0], [0, 0, 0], responses=2)}),
    ]
    (metric,) = analyse(sufficient(rows, asked), fixed(asked)).metrics
    assert [each.reason for each in metric.uncompared] == ["no_denominator"]


def test_analysis__by_segment__says_in_which_value_there_is_nothing_to_compare() -> None:
    asked = question(segment_by="device")
    rows = [
        *conversions("control", (900, 450), segment="desktop"),
        *conversions("b", (900, 600), segment="desktop"),
        *conversions("control", (5, 1), segment="watch"),
    ]
    (metric,) = analyse(sufficient(rows, asked), fixed(asked)).metrics
    assert [each.segment for each in metric.comparisons] == ["desktop"]
    assert [(each.segment, each.reason) for each in metric.uncompared] == [
        ("watch", NoEffect.NO_SUBJECTS)
    ]


def test_analysis__by_segment__has_one_comparison_a_value() -> None:
    asked = question(segment_by="device")
    rows = [
        row
        for device, count in (("desktop", 450), ("mobile", 600))
        for row in (
            *conversions("control", (900, 450), segment=device),
            *conversions("b", (900, count), segment=device),
        )
    ]
    found = analyse(sufficient(rows, asked), fixed(asked)).comparisons
    assert [(each.segment, each.is_significant) for each in found] == [
        ("desktop", False),
        ("mobile", True),
    ]
    assert all(each.p_bh is not None for each in found)


def test_matured__under_100_in_an_arm__are_not_enough() -> None:
    rows = [*conversions("control", (100, 9)), *conversions("b", (99, 9))]
    assert not matured_enough(sufficient(rows))
    rows += conversions("b", (1, 0))
    assert matured_enough(sufficient(rows))
    assert not matured_enough(sufficient([]))


def test_segments__one_of_whom_nobody_counts_yet__is_left_out() -> None:
    """Subjects without a device, whose windows are open: a row of zeros would say nothing."""
    open_yet = [conversions(arm, (0, 0))[0] for arm in ("control", "b")]
    mobile = [
        row for arm in ("control", "b") for row in conversions(arm, (200, 20), segment="mobile")
    ]
    asked = question(segment_by="device")
    (metric,) = analyse(sufficient([*open_yet, *mobile], asked), fixed(asked)).metrics
    assert [arm.segment for arm in metric.arms] == ["mobile", "mobile"]
    assert metric.uncompared == ()
    (metric,) = analyse(sufficient(open_yet, asked), fixed(asked)).metrics
    assert [arm.segment for arm in metric.arms] == [None, None]


def test_segments__one_arm_of_which_nobody_saw__says_so() -> None:
    rows = [
        *conversions("control", (200, 20), segment="mobile"),
        *conversions("control", (200, 20), segment="desktop"),
        *conversions("b", (200, 20), segment="mobile"),
    ]
    asked = question(segment_by="device")
    (metric,) = analyse(sufficient(rows, asked), fixed(asked)).metrics
    assert [each.segment for each in metric.uncompared] == ["desktop"]
