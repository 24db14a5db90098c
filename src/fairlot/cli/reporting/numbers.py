"""All figures of a comparison that there are, as names and texts."""

from collections.abc import Iterator
from typing import NamedTuple

from fairlot.cli.reporting.figures import Figures, count, day_text, level, probability, share
from fairlot.cli.reporting.words import lift_text, made_of_text
from fairlot.stats.results import ArmValue, Comparison, MetricResult


class Fact(NamedTuple):
    name: str
    text: str


def facts_of(
    metric: MetricResult, comparison: Comparison, arm: ArmValue, figures: Figures
) -> tuple[Fact, ...]:
    return (
        *_of_the_verdict(comparison, figures),
        *_of_other_methods(comparison, figures),
        *_of_the_bayesian_view(comparison, arm, figures),
        *_of_the_sample(metric, comparison, arm, figures),
    )


def _of_the_verdict(comparison: Comparison, figures: Figures) -> Iterator[Fact]:
    interval = figures.interval(comparison.interval)
    yield Fact("Method", comparison.method)
    look = comparison.planned_look
    of_look = "" if look is None else f", planned look of {day_text(look.day)}"
    yield Fact(f"{level(comparison.alpha)} interval{of_look}", interval)
    made_of = made_of_text(comparison, figures)
    if made_of:
        yield Fact("Values that differ by this", made_of)
    if comparison.running is not None:
        name = "Common to all looks" if look is None else "Common to all planned looks"
        yield Fact(name, figures.interval(comparison.running))
    name = "p" if comparison.p_bh is None else "p, not corrected"
    yield Fact(name, probability(comparison.p))
    if comparison.p_holm is not None:
        yield Fact("p, Holm", probability(comparison.p_holm))
    if comparison.p_bh is not None:
        yield Fact("p, Benjamini-Hochberg", probability(comparison.p_bh))
    if comparison.lift is not None:
        yield Fact("Relative lift", comparison.lift.hidden_because or lift_text(comparison.lift))


def _of_other_methods(comparison: Comparison, figures: Figures) -> Iterator[Fact]:
    if comparison.unadjusted is not None:
        own = comparison.unadjusted
        text = f"{figures.difference(own.estimate)}, {figures.interval(own.interval)}"
        yield Fact("Without CUPED", text)
    if comparison.variance_reduction is not None:
        yield Fact("Variance taken off by CUPED", share(comparison.variance_reduction))
    if comparison.fixed is not None:
        yield Fact("If it were looked at once", figures.interval(comparison.fixed.interval))


def _of_the_bayesian_view(
    comparison: Comparison, arm: ArmValue, figures: Figures
) -> Iterator[Fact]:
    if comparison.bayesian is None:
        return
    better = probability(comparison.bayesian.probability_better)
    yield Fact("Bayesian, no guarantee when peeking: better with probability", better)
    yield Fact("Bayesian interval", figures.interval(comparison.bayesian.interval))
    loss = figures.loss(comparison.bayesian.expected_loss)
    yield Fact("Bayesian expected loss of choosing it over the control", loss)
    if arm.probability_best is not None:
        best = probability(arm.probability_best)
        yield Fact("Bayesian, no guarantee when peeking: best of all with probability", best)


def _of_the_sample(
    metric: MetricResult, comparison: Comparison, arm: ArmValue, figures: Figures
) -> Iterator[Fact]:
    yield Fact("Subjects", f"{count(comparison.n_variant)} against {count(comparison.n_control)}")
    yield Fact("Subjects with an event", count(arm.converted))
    if metric.cap is not None:
        yield Fact("Capped", f"{count(arm.capped)} above {figures.value(metric.cap)}")
    if metric.margin is not None:
        yield Fact("Margin", figures.tick(metric.margin))
    if metric.minimum_effect is not None:
        yield Fact("Smallest effect of interest", figures.tick(metric.minimum_effect))
