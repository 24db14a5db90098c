"""Builders: results that reports are drawn from, with intervals of the confidence sequence."""

from collections.abc import Sequence
from datetime import date, timedelta
from math import log, sqrt
from typing import Any

from msgspec.structs import replace

from fairlot.stats.effects import NoEffect
from fairlot.stats.findings import Finding, FindingCode, Severity
from fairlot.stats.metrics import Direction, MetricKind, Role
from fairlot.stats.results import (
    ArmSummary,
    ArmValue,
    Bayesian,
    Comparison,
    Estimate,
    ExperimentResult,
    Interval,
    Lift,
    Look,
    Method,
    MetricResult,
    SrmResult,
    Uncompared,
    Verdict,
    VerdictKind,
)
from fairlot.stats.sufficient import View

WEEK_MS = 7 * 86_400_000
STARTED_MS = 1_794_009_600_000  # 2026-11-07T00:00:00Z
AS_OF_MS = 1_795_867_200_000  # 2026-11-28T12:00:00Z
FIRST_DAY = date(2026, 11, 7)


def half_width(standard_error: float, n: int, planned: int = 10_000, alpha: float = 0.05) -> float:
    """arXiv 2103.06476, as in the design of the statistics."""
    rho2 = (-2 * log(alpha) + log(1 - 2 * log(alpha))) / planned
    inside = 2 * (n * rho2 + 1) / (n * n * rho2) * log(sqrt(n * rho2 + 1) / alpha)
    return standard_error * sqrt(n) * sqrt(inside)


def around(estimate: float, half: float) -> Interval:
    return Interval(low=estimate - half, high=estimate + half)


def a_comparison(
    metric: str = "purchase",
    variant: str = "next-step",
    *,
    estimate: float = 0.0312,
    standard_error: float = 0.0075,
    n: tuple[int, int] = (3204, 3187),
    **fields: Any,
) -> Comparison:
    half = half_width(standard_error, sum(n))
    interval = around(estimate, half)
    plain = Comparison(
        metric=metric,
        variant=variant,
        method="confidence sequence",
        alpha=0.05,
        n_control=n[0],
        n_variant=n[1],
        estimate=estimate,
        interval=interval,
        p=0.0009,
        is_significant=interval.low > 0 or interval.high < 0,
        unadjusted=Estimate(
            estimate=estimate * 1.03,
            standard_error=standard_error * 1.1,
            interval=around(estimate * 1.03, half * 1.1),
            p=0.0021,
        ),
        fixed=Estimate(
            estimate=estimate,
            standard_error=standard_error,
            interval=around(estimate, 1.96 * standard_error),
            p=0.00003,
        ),
        variance_reduction=0.174,
    )
    return replace(plain, **fields)


def looks_of(estimate: float, standard_error: float, n: int, days: int = 14) -> tuple[Look, ...]:
    """Daily closes, that end with these figures; the estimates swing less and less."""
    found: list[Look] = []
    low, high = float("-inf"), float("inf")
    for number in range(1, days + 1):
        part = number / days
        swing = (1.3, -0.9, 0.6, -0.2, 0.5, -0.35, 0.2)[number % 7] * standard_error
        own = estimate + swing * (1 - part) / sqrt(part)
        interval = around(own, half_width(standard_error / sqrt(part), max(1, int(n * part))))
        low, high = max(low, interval.low), min(high, interval.high)
        found.append(
            Look(
                day=FIRST_DAY + timedelta(days=number + 6),
                n=int(n * part),
                estimate=own,
                interval=interval,
                p=0.5,
                running=Interval(low=low, high=high) if low <= high else None,
            )
        )
    return tuple(found)


def a_metric(key: str = "purchase", *comparisons: Comparison, **fields: Any) -> MetricResult:
    plain = MetricResult(
        key=key,
        name="Purchase",
        kind=MetricKind.CONVERSION,
        role=Role.PRIMARY,
        direction=Direction.INCREASE,
        window_ms=WEEK_MS,
        cap=None,
        arms=(
            ArmValue(variant="control", n=3204, value=0.1213, converted=389, capped=0),
            ArmValue(variant="next-step", n=3187, value=0.1525, converted=486, capped=0),
        ),
        comparisons=comparisons,
    )
    return replace(plain, **fields)


def an_arm(variant: str, exposed: int, *, of: int = 2, **fields: Any) -> ArmSummary:
    swings = (0, 9, -4, 14, -11, 3, -6, 2, 12, -9, 5, -2, 7, -13, 4, 1, -3, 8, -5, 6, -7)
    seed = sum(map(ord, variant))
    each = exposed / len(swings)
    daily = {
        FIRST_DAY + timedelta(days=number): round(
            each * (1 + swings[(number + seed) % len(swings)] / 90 - 0.2 * (number % 7 > 4))
        )
        for number in range(len(swings))
    }
    plain = ArmSummary(
        variant=variant,
        name={"control": "Continue", "next-step": "Continue to delivery"}.get(variant, variant),
        is_control=variant == "control",
        share=1 / of,
        exposed=exposed,
        excluded={"several_variants": 7, "switched": 3},
        daily=daily,
    )
    return replace(plain, **fields)


def a_result(*metrics: MetricResult, **fields: Any) -> ExperimentResult:
    plain = ExperimentResult(
        project="default",
        experiment="checkout-button",
        experiment_name="Checkout button says what happens next",
        as_of_ms=AS_OF_MS,
        started_at_ms=STARTED_MS,
        view=View.MATURED,
        method=Method.SEQUENTIAL,
        alpha=0.05,
        planned_size=10_000,
        time_zone="Europe/Vienna",
        verdict=Verdict(
            kind=VerdictKind.WINNER,
            variant="next-step",
            metric="purchase",
            sentence="next-step wins: Purchase is 12.1 % in control and 15.2 % in next-step,"
            " a difference of +3.1 pp (95 % interval +0.8 to +5.4 pp).",
        ),
        arms=(an_arm("control", 4811), an_arm("next-step", 4789)),
        excluded={"several_variants": 9, "switched": 6},
        srm=SrmResult(p=0.94, chi_square=0.05, chi_square_p=0.823, p_before_exclusions=0.95),
        metrics=metrics,
        findings=(),
        phases=1,
        query_sha256="3f1c0c8d5b9a4f0e8a6d2b7c1e5f9a3d7b2c6e0f4a8d1b5c9e3f7a2d6b0c4e8f",
    )
    return replace(plain, **fields)


def a_winner() -> ExperimentResult:
    """A conversion that improved, a guardrail that holds, two secondary metrics."""
    purchase = a_comparison(
        looks=looks_of(0.0312, 0.0075, 6391),
        running=Interval(low=0.0083, high=0.0571),
        lift=Lift(estimate=0.257, interval=Interval(low=0.065, high=0.486)),
        bayesian=Bayesian(
            probability_better=0.99983,
            expected_loss=0.0000012,
            interval=Interval(low=0.0144, high=0.048),
        ),
    )
    return a_result(a_metric("purchase", purchase, minimum_effect=0.01), *_beside_the_primary())


def _beside_the_primary() -> tuple[MetricResult, ...]:
    arms = (
        ArmValue(variant="control", n=3204, value=48.13, converted=389, capped=4),
        ArmValue(variant="next-step", n=3187, value=50.61, converted=486, capped=3),
    )
    tickets = tuple(replace(each, value=0.031 + 0.001 * (each.n < 3200)) for each in arms)
    revenue = a_comparison(
        "revenue",
        estimate=2.48,
        standard_error=1.9,
        p=0.41,
        p_bh=0.41,
        lift=Lift(hidden_because="the control is not clearly positive"),
    )
    seconds = a_comparison(
        "search-seconds", estimate=-1.9, standard_error=0.31, p=0.0001, p_bh=0.0002
    )
    ticket = a_comparison("tickets", estimate=0.001, standard_error=0.003, p=1, guardrail="safe")
    return (
        a_metric(
            "revenue",
            revenue,
            name="Revenue per subject",
            kind=MetricKind.SUM,
            role=Role.SECONDARY,
            arms=arms,
            cap=412.5,
        ),
        a_metric(
            "search-seconds",
            seconds,
            name="Seconds in the checkout",
            kind=MetricKind.MEAN,
            role=Role.SECONDARY,
            direction=Direction.DECREASE,
            arms=tuple(replace(each, value=61.2 - 1.9 * (each.n < 3200)) for each in arms),
        ),
        a_metric(
            "tickets",
            ticket,
            name="Support tickets",
            kind=MetricKind.COUNT,
            role=Role.GUARDRAIL,
            direction=Direction.DECREASE,
            arms=tickets,
            margin=0.02,
        ),
    )


def no_difference() -> ExperimentResult:
    """Three arms, and nothing to be seen."""
    names = ("from-35", "always")
    comparisons = [
        a_comparison(
            variant=name,
            estimate=shift,
            standard_error=0.008,
            alpha=0.025,
            p=0.6,
            p_holm=0.9,
            looks=looks_of(shift, 0.008, 6391),
        )
        for name, shift in zip(names, (0.0041, -0.0017), strict=True)
    ]
    arms = tuple(
        ArmValue(variant=name, n=n, value=value, converted=int(n * value), capped=0)
        for name, n, value in (
            ("control", 3204, 0.1213),
            ("from-35", 1911, 0.1254),
            ("always", 1307, 0.1196),
        )
    )
    return a_result(
        a_metric("purchase", *comparisons, arms=arms),
        experiment="free-delivery",
        experiment_name="From which amount is delivery free",
        arms=(
            an_arm("control", 4811, share=0.5),
            an_arm("from-35", 2874, share=0.3),
            an_arm("always", 1934, share=0.2),
        ),
        verdict=Verdict(
            kind=VerdictKind.NO_DIFFERENCE,
            sentence="No difference yet: both variants of Purchase are compatible with no effect.",
        ),
        findings=(
            Finding(
                code=FindingCode.WEIGHTS_CHANGED,
                severity=Severity.NOTES,
                summary="The weights changed on 14 Nov; the two phases are analysed apart.",
                advice="Nothing to do; the figures are those of both phases together.",
            ),
        ),
        phases=2,
    )


def blocked() -> ExperimentResult:
    """One arm lost a fifth of its exposures."""
    result = a_winner()
    return replace(
        result,
        experiment="loyalty-price",
        experiment_name="Member price on the product page",
        arms=(an_arm("control", 4811), an_arm("next-step", 3874)),
        srm=SrmResult(p=1.2e-19, chi_square=101.1, chi_square_p=8.7e-24, p_before_exclusions=1e-19),
        verdict=Verdict(
            kind=VerdictKind.BLOCKED,
            sentence="No verdict: 4,811 and 3,874 subjects where equal numbers were drawn.",
            reasons=("sample_ratio_mismatch",),
        ),
        findings=(
            Finding(
                code=FindingCode.SAMPLE_RATIO_MISMATCH,
                severity=Severity.BLOCKS,
                summary="next-step has 3,874 subjects where 4,342.5 were due (p < 0.001).",
                advice="All are missing on mobile: look there for what keeps exposures back.",
                evidence={"device": {"mobile": [1903, 1011], "desktop": [2908, 2863]}},
            ),
            Finding(
                code=FindingCode.CLOCK_SKEW,
                severity=Severity.WARNS,
                summary="41 conversions came up to 5 s before their exposure.",
                advice="Set the clocks of the senders by NTP.",
            ),
        ),
    )


def preliminary() -> ExperimentResult:
    gated = a_comparison(
        n=(61, 58), is_gated=True, gate="needs 100 subjects in each arm", is_significant=False
    )
    metric = a_metric("purchase", gated)
    arms = (replace(metric.arms[0], n=61), replace(metric.arms[1], n=58))
    return a_result(
        replace(metric, arms=arms),
        view=View.SO_FAR,
        arms=(an_arm("control", 61), an_arm("next-step", 58)),
        verdict=Verdict(
            kind=VerdictKind.PRELIMINARY,
            sentence="Too early: 61 and 58 subjects, and a verdict needs 100 in each arm.",
        ),
    )


def uncompared() -> ExperimentResult:
    """The only other arm is empty."""
    why = Uncompared(
        variant="next-step", reason=NoEffect.NO_SUBJECTS, sentence="not compared: nobody is there"
    )
    return a_result(a_metric("purchase", uncompared=(why,)))


def without_exposures() -> ExperimentResult:
    return a_result(
        arms=(
            replace(an_arm("control", 0), daily={}, excluded={}),
            replace(an_arm("next-step", 0), daily={}, excluded={}),
        ),
        srm=None,
        started_at_ms=None,
        verdict=Verdict(
            kind=VerdictKind.BLOCKED,
            sentence="No verdict: nobody was exposed.",
            reasons=("no_exposures",),
        ),
        findings=(
            Finding(
                code=FindingCode.NO_EXPOSURES,
                severity=Severity.BLOCKS,
                summary="The log holds no exposure of this experiment.",
                advice="Check that it is running and that clients record exposures.",
            ),
        ),
    )


HOSTILE = """<script>alert("x")</script>'&"""


def hostile() -> ExperimentResult:
    """Every text that somebody else chose is one that wants to be run."""
    comparison = a_comparison(
        HOSTILE,
        HOSTILE,
        segment=HOSTILE,
        gate=HOSTILE,
        is_gated=True,
        looks=looks_of(0.03, 0.01, 900),
        lift=Lift(hidden_because=HOSTILE),
    )
    metric = a_metric(HOSTILE, comparison, name=HOSTILE)
    arms: Sequence[ArmValue] = [replace(metric.arms[0], variant="control")]
    arms = [*arms, replace(metric.arms[1], variant=HOSTILE, segment=HOSTILE)]
    return a_result(
        replace(metric, arms=tuple(arms)),
        project=HOSTILE,
        experiment=HOSTILE,
        experiment_name=HOSTILE,
        verdict=Verdict(kind=VerdictKind.WINNER, sentence=HOSTILE, variant=HOSTILE),
        arms=(an_arm("control", 500), an_arm(HOSTILE, 499, name=HOSTILE, excluded={HOSTILE: 3})),
        segment_by=HOSTILE,
        engine=HOSTILE,
        query_sha256=HOSTILE,
        findings=(
            Finding(
                code=FindingCode.CLOCK_SKEW,
                severity=Severity.WARNS,
                summary=HOSTILE,
                advice=HOSTILE,
                evidence={HOSTILE: HOSTILE},
                metric=HOSTILE,
                variant=HOSTILE,
            ),
        ),
    )
