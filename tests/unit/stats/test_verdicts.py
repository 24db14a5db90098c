"""What an experiment says, in one sentence; and what its statistics alone show to be wrong."""

from dataclasses import replace
from datetime import timedelta

import pytest

from fairlot.stats.analysis import Analysis, analyse
from fairlot.stats.findings import Finding, FindingCode, Severity
from fairlot.stats.metrics import Direction, Metric, Role
from fairlot.stats.observations import observe
from fairlot.stats.plans import AnalysisPlan
from fairlot.stats.results import GuardrailState, Interval, Look, Method, Verdict, VerdictKind
from fairlot.stats.sufficient import (
    Arm,
    ArmDay,
    Excluded,
    Exclusion,
    MetricDay,
    Question,
    Sufficient,
    View,
)
from fairlot.stats.verdicts import Verdicts
from support.measured import measured
from support.sufficient import (
    BOUGHT,
    HALVES,
    START,
    arm_day,
    conversions,
    converted,
    fixed,
    phase,
    question,
    sufficient,
)

NAMES = {"control": "Old", "b": "New", "c": "Third"}
LOST = Finding(
    code=FindingCode.LOST_EVENTS, severity=Severity.BLOCKS, summary="Half is lost.", advice="Look."
)


def told(found: Sufficient, *findings: Finding, analysis: Analysis | None = None) -> Verdict:
    analysis = analysis or analyse(found, fixed(found.question))
    asked = found.question
    return Verdicts(
        analysis.metrics,
        (*observe(found, analysis), *findings),
        NAMES,
        is_split=asked.segment_by is not None,
    ).verdict()


def two_arms(control: int, b: int, n: int = 5_000, asked: Question | None = None) -> Sufficient:
    return sufficient([*conversions("control", (n, control)), *conversions("b", (n, b))], asked)


def of_metrics(metrics: tuple[Metric, ...], *counts: tuple[int, int]) -> Sufficient:
    """Converted of 5,000 in the control and in b, metric by metric."""
    asked = question(*metrics)
    found = [two_arms(*each).rows for each in counts]
    rows: list[ArmDay] = []
    for same in zip(*found, strict=True):
        measured = {
            metric.key: row.metrics["bought"] for metric, row in zip(metrics, same, strict=True)
        }
        rows.append(replace(same[0], metrics=measured))
    return sufficient(rows, asked)


def test_verdict__clearly_more__names_the_winner_and_its_numbers() -> None:
    verdict = told(two_arms(2_000, 2_500))
    assert (verdict.kind, verdict.variant, verdict.metric) == (VerdictKind.WINNER, "b", "bought")
    # By hand: SE = sqrt(0.4 * 0.6 / 5000 + 0.5 * 0.5 / 5000) = 0.0098995. N rho^2 = 5.99146 +
    # ln 6.99146 = 7.93614 at N = N*, and sqrt(2 * 8.93614 / 7.93614 * (ln(8.93614) / 2 - ln 0.05))
    # = 3.03521 of them are 0.030047.
    assert verdict.sentence == (
        "New wins: Bought is 50.00 % against 40.00 %, +10.00 points (95 % interval +7.00 points to"
        " +13.00 points, p under .0001), of 5,000 and 5,000 subjects."
    )


def test_verdict__variant_that_came_later__has_the_values_of_the_phases_of_both() -> None:
    """At first 10 % buy, then 30 %: over both phases it is 20 % in the control, and c is only in
    the second."""
    phases = (phase(), phase(*HALVES, Arm("c", False, 0.5), number=2))
    rows = [
        row
        for arm, number, bought in (
            ("control", 1, 1_000),
            ("b", 1, 1_000),
            ("control", 2, 3_000),
            ("b", 2, 3_000),
            ("c", 2, 3_600),
        )
        for row in conversions(arm, (10_000, bought), phase=number)
    ]
    verdict = told(sufficient(rows, question(phases=phases)))
    assert verdict.sentence.startswith(
        "Third wins: Bought is 36.00 % against 30.00 % (in the phases in which both were),"
        " +6.00 points ("
    )


def test_verdict__adjusted_by_cuped__has_the_adjusted_values() -> None:
    """Half bought before, of b 52 %; of them 60 % buy again and of others 20 %, in both arms, so
    that the means are 40 and 40.8 %, and 40.4 % once both are taken to the common 51 %."""
    rows = [
        arm_day("control", 0, {"bought": regulars(6_000, 10_000)}),
        arm_day("b", 0, {"bought": regulars(6_240, 10_400)}),
    ]
    sentence = told(sufficient(rows)).sentence
    assert "Bought is 40.40 % against 40.40 % (adjusted), " in sentence


def regulars(again: int, before: int, n: int = 20_000) -> MetricDay:
    """`again` of `before` who had bought, and a fifth of the others."""
    others = n - before
    first = others // 5
    bought = [*[1.0] * again, *[0.0] * (before - again), *[1.0] * first, *[0.0] * (others - first)]
    return measured(bought, [*[1.0] * before, *[0.0] * others], [0.0] * n)


def test_verdict__clearly_less__names_the_loser() -> None:
    verdict = told(two_arms(2_500, 2_000))
    assert (verdict.kind, verdict.variant) == (VerdictKind.LOSER, "b")
    assert verdict.sentence.startswith(
        "New loses: Bought is 40.00 % against 50.00 %, -10.00 points"
    )


def test_verdict__less_of_what_should_decrease__is_a_winner() -> None:
    asked = question(replace(BOUGHT, direction=Direction.DECREASE))
    assert told(two_arms(2_500, 2_000, asked=asked)).kind is VerdictKind.WINNER


def test_verdict__no_difference__says_what_is_ruled_out() -> None:
    asked = question(replace(BOUGHT, minimum_effect=0.05))
    verdict = told(two_arms(2_500, 2_500, asked=asked))
    assert verdict.kind is VerdictKind.NO_DIFFERENCE
    assert verdict.sentence.endswith(
        "A difference as large as +5.00 points, the smallest that matters, is ruled out."
    )


@pytest.mark.parametrize(
    ("c", "whom"), [(2_500, " for New and Third."), (2_400, " for New."), (2_600, " for New.")]
)
def test_verdict__no_difference_of_three_arms__names_the_one_and_for_whom_it_is_ruled_out(
    c: int, whom: str
) -> None:
    asked = question(
        replace(BOUGHT, minimum_effect=0.04), phases=(phase(*HALVES, Arm("c", False, 0.5)),)
    )
    rows = [*two_arms(2_500, 2_500).rows, *conversions("c", (5_000, c))]
    sentence = told(sufficient(rows, asked)).sentence
    assert sentence.startswith("No difference yet for New: Bought is 50.00 % against 50.00 %,")
    assert sentence.endswith("+4.00 points, the smallest that matters, is ruled out" + whom)


def test_verdict__no_difference_of_two_primaries__says_in_which_it_is_ruled_out() -> None:
    limited = replace(BOUGHT, minimum_effect=0.05)
    other = replace(BOUGHT, key="kept", name="Kept")
    sentence = told(of_metrics((limited, other), (2_500, 2_500), (2_500, 2_500))).sentence
    assert sentence.endswith("the smallest that matters in Bought, is ruled out for New.")


def test_verdict__gated__says_what_it_waits_for() -> None:
    verdict = told(two_arms(5, 50, n=500))
    assert verdict.kind is VerdictKind.NO_DIFFERENCE
    assert "Too early to tell: the control has 5 of the 10 conversions" in verdict.sentence


def test_verdict__blocked__gives_the_reasons() -> None:
    verdict = told(two_arms(2_000, 2_500), LOST)
    assert (verdict.kind, verdict.reasons) == (VerdictKind.BLOCKED, ("lost_events",))
    assert verdict.sentence == "No verdict: Half is lost."


def test_verdict__so_far__is_preliminary() -> None:
    verdict = told(two_arms(20, 40, n=90, asked=question(view=View.SO_FAR)))
    assert verdict.kind is VerdictKind.PRELIMINARY
    assert verdict.sentence.startswith("Preliminary: not every arm has 100 subjects yet")


def test_verdict__by_segment__is_none() -> None:
    asked = question(segment_by="device")
    verdict = told(two_arms(2_000, 2_500, asked=asked))
    assert verdict.kind is VerdictKind.BY_SEGMENT
    assert verdict.sentence.startswith("By segment there is no verdict")


def test_verdict__winner_that_harms_a_guardrail__is_blocked() -> None:
    harmed = replace(BOUGHT, key="kept", name="Kept", role=Role.GUARDRAIL, margin=0.01)
    verdict = told(of_metrics((BOUGHT, harmed), (2_000, 2_500), (2_500, 2_000)))
    assert (verdict.kind, verdict.reasons) == (VerdictKind.BLOCKED, ("guardrail_harmful",))
    assert "does more harm to Kept than its margin tolerates" in verdict.sentence


def test_verdict__primaries_that_disagree__is_blocked() -> None:
    other = replace(BOUGHT, key="kept", name="Kept")
    verdict = told(of_metrics((BOUGHT, other), (2_000, 2_500), (2_500, 2_000)))
    assert (verdict.kind, verdict.reasons) == (VerdictKind.BLOCKED, ("primaries_disagree",))
    assert "better in Bought, and worse in Kept" in verdict.sentence


def test_verdict__secondary_that_is_better__makes_no_winner() -> None:
    other = replace(BOUGHT, key="kept", role=Role.SECONDARY)
    verdict = told(of_metrics((BOUGHT, other), (2_500, 2_500), (2_000, 2_500)))
    assert verdict.kind is VerdictKind.NO_DIFFERENCE


@pytest.mark.parametrize(
    ("b", "c", "kind", "words"),
    [
        (2_500, 2_600, VerdictKind.WINNER, "New beat the control too."),
        (1_500, 2_000, VerdictKind.LOSER, "No difference was found yet for Third."),
        (1_500, 2_600, VerdictKind.WINNER, "Third wins"),
    ],
)
def test_verdict__three_arms__tells_of_the_others(
    b: int, c: int, kind: VerdictKind, words: str
) -> None:
    asked = question(phases=(phase(*HALVES, Arm("c", False, 0.5)),))
    rows = [*two_arms(2_000, b).rows, *conversions("c", (5_000, c))]
    verdict = told(sufficient(rows, asked))
    assert verdict.kind is kind
    assert words in verdict.sentence


def test_verdict__winners_in_two_metrics__is_the_clearer_one_and_names_the_other() -> None:
    """+2 points of 1 % are 7 standard errors, +5.5 points of 50 % are 5.5."""
    kept = replace(BOUGHT, key="kept", name="Kept")
    counts = {"control": (50, 2_500), "b": (150, 2_500), "c": (50, 2_775)}
    rows = [
        arm_day(arm, 0, {"bought": converted(5_000, few), "kept": converted(5_000, many)})
        for arm, (few, many) in counts.items()
    ]
    asked = question(BOUGHT, kept, phases=(phase(*HALVES, Arm("c", False, 0.5)),))
    verdict = told(sufficient(rows, asked))
    assert (verdict.kind, verdict.variant, verdict.metric) == (VerdictKind.WINNER, "b", "bought")
    assert verdict.sentence.startswith("New wins: Bought is 3.00 % against 1.00 %")
    assert verdict.sentence.endswith(" Third beat the control too.")


def test_verdict__empty_intersection__is_blocked() -> None:
    looks = tuple(
        Look(day=START + timedelta(days=day), n=9, estimate=low, interval=interval, p=1.0)
        for day, low in enumerate((0.0, 5.0))
        for interval in (Interval(low=low, high=low + 1),)
    )
    found = two_arms(2_000, 2_500)
    analysis = analyse(found, fixed(found.question, looks={("bought", "b"): looks}))
    verdict = told(found, analysis=analysis)
    assert verdict.reasons == ("intervals_disagree",)
    assert "The daily intervals of b in Bought have nothing in common." in verdict.sentence


def after_a_look(
    low: float, high: float, counts: tuple[int, int], metric: Metric = BOUGHT
) -> tuple[Sufficient, Analysis]:
    """One stored look with that interval, of the last close, and what is counted now."""
    found = two_arms(*counts, asked=question(metric))
    day = START + timedelta(days=60)
    interval = Interval(low=low, high=high)
    look = Look(day=day, n=9, estimate=(low + high) / 2, interval=interval, p=0.001)
    return found, analyse(found, fixed(found.question, looks={("bought", "b"): (look,)}))


@pytest.mark.parametrize("method", Method)
def test_verdict__planned_looks__says_which_one_the_interval_is_of(method: Method) -> None:
    found = two_arms(2_000, 2_500)
    plan = AnalysisPlan(method=method, planned_size=9_000)
    verdict = told(found, analysis=analyse(found, fixed(found.question, plan)))
    assert verdict.kind is VerdictKind.WINNER
    # All came on 2 March; the last week after the exposure ends within the 9th.
    words = "p under .0001), of" if method is Method.SEQUENTIAL else ", at the look of 2026-03-09)"
    assert words in verdict.sentence


def test_verdict__the_only_planned_look__has_its_interval_once() -> None:
    found = two_arms(2_000, 2_010)
    plan = AnalysisPlan(method=Method.FIXED, planned_size=9_000)
    sentence = told(found, analysis=analyse(found, fixed(found.question, plan))).sentence
    assert sentence.startswith("No difference yet for New: ")
    assert "of all looks" not in sentence


def test_verdict__planned_looks_without_anything_in_common__are_not_called_daily() -> None:
    looks = tuple(
        Look(day=START + timedelta(days=day), n=9, estimate=low, interval=interval, p=1.0)
        for day, low in enumerate((0.0, 5.0))
        for interval in (Interval(low=low, high=low + 1),)
    )
    found = two_arms(2_000, 2_500)
    plan = AnalysisPlan(method=Method.GROUP_SEQUENTIAL)
    asked = fixed(found.question, plan, looks={("bought", "b"): looks})
    sentence = told(found, analysis=analyse(found, asked)).sentence
    assert "The intervals of the planned looks of b in Bought have nothing in common." in sentence


@pytest.mark.parametrize(
    ("low", "b", "words"),
    [
        (0.05, 2_000, "have nothing in common with that of this moment."),
        (0.02, 1_980, "leave out 0 on the side where it is not now."),
    ],
)
def test_verdict__looks_that_this_moment_contradicts__is_blocked(
    low: float, b: int, words: str
) -> None:
    """The interval of now is some 2.95 points to both sides of the difference."""
    found, analysis = after_a_look(low, 0.10, (2_000, b))
    verdict = told(found, analysis=analysis)
    assert verdict.reasons == ("intervals_disagree",)
    assert words in verdict.sentence
    assert not analysis.comparisons[0].is_significant


def test_verdict__looks_decide__shows_the_interval_that_holds_the_difference_too() -> None:
    found, analysis = after_a_look(0.01, 0.10, (2_000, 2_025))
    verdict = told(found, analysis=analysis)
    assert verdict.kind is VerdictKind.WINNER
    # By hand as above: SE = sqrt((0.4 * 0.6 + 0.405 * 0.595) / 5000) = 0.0098107; 3.03521 of them
    # are 0.029778.
    assert "+0.50 points (95 % interval -2.48 points to +3.48 points; of all looks" in (
        verdict.sentence
    )
    assert "of all looks +1.00 points to +3.48 points, p .0010)" in verdict.sentence


@pytest.mark.parametrize(
    ("b", "state", "reasons"),
    [
        (2_000, GuardrailState.SAFE, ()),
        (1_900, GuardrailState.INCONCLUSIVE, ()),
        (1_800, GuardrailState.INCONCLUSIVE, ("intervals_disagree",)),
    ],
)
def test_guardrail__looks_that_this_moment_contradicts__is_not_safe(
    b: int, state: GuardrailState, reasons: tuple[str, ...]
) -> None:
    """The second is 2 points worse now, though the looks leave out more than half a point."""
    guardrail = replace(BOUGHT, role=Role.GUARDRAIL, margin=0.01)
    found, analysis = after_a_look(-0.005, 0.10, (2_000, b), guardrail)
    assert analysis.comparisons[0].guardrail is state
    assert told(found, analysis=analysis).reasons == reasons


def test_secondary__looks_that_this_moment_contradicts__blocks_nothing() -> None:
    secondary = replace(BOUGHT, role=Role.SECONDARY)
    found, analysis = after_a_look(0.05, 0.10, (2_000, 2_000), secondary)
    (comparison,) = analysis.comparisons
    assert (comparison.running, comparison.is_significant) == (None, False)
    assert told(found, analysis=analysis).kind is VerdictKind.NO_DIFFERENCE


def test_verdict__nobody_exposed__says_who_is_left_out() -> None:
    staff = (Excluded(1, "b", Exclusion.OTHER_REASON, 12),)
    asked = sufficient([], excluded=staff, not_human=3, left_out={Exclusion.OTHER_REASON: 12})
    verdict = told(asked)
    assert verdict.reasons == ("no_exposures",)
    assert verdict.sentence == (
        "No verdict: Nobody was exposed who counts; 15 subjects were exposed and are left out."
    )


def test_verdict__one_variant_seen__is_blocked() -> None:
    verdict = told(sufficient(conversions("control", (900, 90))))
    assert verdict.reasons == ("variant_not_seen",)
    assert "Nobody was exposed to b." in verdict.sentence


@pytest.mark.parametrize(
    ("share", "subjects", "kind"),
    [  # 0.5 ** 9 is .002 and ** 10 .00098; 0.9 ** 65 is .0011 and ** 66 .00096
        (0.5, 9, VerdictKind.NO_DIFFERENCE),
        (0.5, 10, VerdictKind.BLOCKED),
        (0.1, 65, VerdictKind.NO_DIFFERENCE),
        (0.1, 66, VerdictKind.BLOCKED),
    ],
)
def test_verdict__one_variant_seen_by_so_few_that_it_can_be_chance__is_not_blocked(
    share: float, subjects: int, kind: VerdictKind
) -> None:
    arms = Arm("control", True, 1 - share), Arm("b", False, share)
    asked = question(phases=(phase(*arms),))
    found = sufficient(conversions("control", (subjects, 2)), asked)
    assert told(found).kind is kind
    unseen = observe(found, analyse(found, fixed(asked)))[0]
    assert unseen.code is FindingCode.VARIANT_NOT_SEEN
    assert unseen.evidence["chance"] == pytest.approx((1 - share) ** subjects)


def test_verdict__only_one_variant_there_is__has_nothing_to_compare_with() -> None:
    alone = question(phases=(phase(Arm("b", False, 1.0)),))
    verdict = told(sufficient(conversions("b", (900, 90)), alone))
    assert "There is nothing to compare b with." in verdict.sentence


def test_verdict__primary_metric_that_never_varies__says_that() -> None:
    verdict = told(two_arms(5_000, 5_000))
    assert verdict.kind is VerdictKind.NO_DIFFERENCE
    assert verdict.sentence.startswith("No difference yet: Bought is not compared: within both,")


def test_verdict__metric_that_nobody_sends__is_blocked() -> None:
    verdict = told(two_arms(0, 0))
    assert verdict.reasons == ("metric_not_seen",)
    assert verdict.sentence == "No verdict: Bought is 0 of all 10,000 subjects."


def test_verdict__without_metrics__is_blocked() -> None:
    asked = replace(question(), metrics=())
    rows = [replace(row, metrics={}, exposed=900) for row in two_arms(1, 1).rows]
    assert told(sufficient(rows, asked)).sentence == "No verdict: It has no metrics."
