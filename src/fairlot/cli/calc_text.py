"""What `fairlot calc` prints."""

from collections.abc import Sequence
from typing import Any, Final

import click
import msgspec

from fairlot.cli.output import print_json, print_table
from fairlot.stats.calculator import (
    ArmFigures,
    Calculated,
    Comparison,
    PlannedLook,
    SampleRatioFigures,
)
from fairlot.stats.planned import Planned
from fairlot.stats.results import GuardrailState, Interval
from fairlot.stats.srm import WARNS_BELOW

_TITLES: Final = {
    "unpooled": "unpooled z",
    "pooled": "pooled z (textbook)",
    "newcombe": "Newcombe",
    "welch": "Welch's t",
    "sequential": "sequential (at every look)",
    "fixed": "one look",
    "group_sequential": "planned looks",
    "calculator": "one look, as calculators have it",
}
_NO_FIGURES: Final = {
    "no_subjects": "an arm has no subjects",
    "one_subject": "an arm has a single subject",
    "no_variance": "nothing varies in either arm",
    "no_denominator": "the denominator is not above zero",
}
_NO_PLAN: Final = {
    "out_of_range": "a rate cannot move by so much",
    "too_few_subjects": "too few subjects for any effect",
    "too_many_subjects": "more subjects than there can be",
}
_TOO_EARLY: Final = "inconclusive: too early"
_GUARDRAILS: Final = {
    GuardrailState.SAFE: "safe: not worse by more than the margin",
    GuardrailState.HARMFUL: "harmful: worse by more than the margin",
    GuardrailState.INCONCLUSIVE: "inconclusive: the margin lies inside the interval",
}


def print_calculated(found: Calculated, names: Sequence[str], as_json: bool) -> None:
    if as_json:
        print_json(msgspec.to_builtins(found))
        return
    for comparison in found.comparisons:
        click.echo(f"{names[comparison.arm]} against {names[0]}, alpha {_number(comparison.alpha)}")
        _print_comparison(comparison, found.planned_size)
        click.echo()
    if found.arms[0].probability_best is not None:
        _print_arms(found.arms, names)
        click.echo()
    _print_ratio(found.sample_ratio)


def print_sample_ratio(found: SampleRatioFigures, as_json: bool) -> None:
    if as_json:
        print_json(msgspec.to_builtins(found))
    else:
        _print_ratio(found)


def print_looks(looks: Sequence[PlannedLook], alpha: float, as_json: bool) -> None:
    if as_json:
        print_json({"alpha": alpha, "looks": msgspec.to_builtins(looks)})
        return
    click.echo(f"|z| to be reached at each look, two-sided alpha {_number(alpha)}")
    print_table(
        ("look", "information", "Lan-DeMets", "O'Brien-Fleming", "Pocock", "error of naive looks"),
        [
            (
                number,
                f"{look.fraction:.2%}",
                "none" if look.lan_demets is None else f"{look.lan_demets:.4f}",
                f"{look.obrien_fleming:.4f}",
                f"{look.pocock:.4f}",
                f"{look.naive_error:.4f}",
            )
            for number, look in enumerate(looks, 1)
        ],
    )


def print_plans(plans: Sequence[Planned], as_json: bool) -> None:
    if as_json:
        print_json({"plans": msgspec.to_builtins(plans)})
        return
    print_table(
        ("plan", "effect", "control", "each other arm", "all arms", "times one look"),
        [
            (
                _TITLES[plan.method],
                _NO_PLAN[plan.no_plan_because] if plan.no_plan_because else _number(plan.effect),
                *(_count(each) for each in (plan.control, plan.treatment, plan.total)),
                f"{plan.inflation:.3f}",
            )
            for plan in plans
        ],
    )
    for plan in plans:
        if plan.method == "sequential" and plan.planned_size is not None:
            click.echo(
                "The sequential row holds for an experiment that is planned for it: set"
                f" `plannedSize: {plan.planned_size}` before the start (both arms of a comparison)."
            )


def _print_comparison(comparison: Comparison, planned_size: int) -> None:
    if comparison.no_figures_because is not None:
        click.echo(f"No figures: {_NO_FIGURES[comparison.no_figures_because]}.")
        return
    print_table(
        ("difference by", "estimate", "low", "high", "z", "p"),
        [
            (
                _TITLES[figure.method] + (" *" if figure.decides else ""),
                _number(figure.estimate),
                *_ends(figure.interval),
                _number(figure.z),
                _number(figure.p),
            )
            for figure in comparison.figures
        ],
    )
    for line in _remarks(comparison, planned_size):
        click.echo(line)


def _remarks(comparison: Comparison, planned_size: int) -> list[str]:
    lines = ["* decides, if this was the only look."]
    if comparison.gate is not None:
        lines.append(f"Too early for the sequential one: {comparison.gate}.")
    if len(comparison.figures) > 1:
        lines.append(f"Sequential: planned for {planned_size:,} subjects in both arms.")
    if comparison.p_holm is not None:
        lines.append(f"p after Holm: {_number(comparison.p_holm)}")
    lift = comparison.lift
    if lift is not None and lift.interval is not None:
        low, high = _ends(lift.interval)
        lines.append(f"Relative (Fieller): {_number(lift.estimate)}, from {low} to {high}")
    elif lift is not None:
        lines.append(f"Relative: hidden, as {lift.hidden_because}")
    if comparison.bayesian is not None:
        low, high = _ends(comparison.bayesian.interval)
        lines.append(
            f"Bayes: better with probability {_number(comparison.bayesian.probability_better)},"
            f" expected loss {_number(comparison.bayesian.expected_loss)},"
            f" difference from {low} to {high}; no guarantee under peeking"
        )
    if comparison.guardrail is not None:
        lines.append(f"Guardrail, looked at once: {_GUARDRAILS[comparison.guardrail]}")
    if comparison.guardrail_sequential is not None:
        daily = _TOO_EARLY if comparison.gate else _GUARDRAILS[comparison.guardrail_sequential]
        lines.append(f"Guardrail, looked at every day: {daily}")
    return lines


def _print_arms(arms: Sequence[ArmFigures], names: Sequence[str]) -> None:
    print_table(
        ("arm", "value", "probability to be best", "expected loss"),
        [
            (
                name,
                *(_number(each) for each in (arm.value, arm.probability_best, arm.expected_loss)),
            )
            for name, arm in zip(names, arms, strict=True)
        ],
    )


def _print_ratio(found: SampleRatioFigures) -> None:
    click.echo(
        f"Sample ratio: p {_number(found.p)} at every look; chi-square {_number(found.chi_square)},"
        f" p {_number(found.chi_square_p)}"
    )
    if found.blocks:
        click.echo(
            "The arms do not have the sizes that were planned, says the test that holds at every"
            " look: no verdict. Find out why."
        )
    elif found.p < WARNS_BELOW:
        click.echo(
            "The test that holds at every look says that the sizes of the arms are unusual: read"
            " any verdict with care."
        )
    elif found.warns:
        click.echo(
            "The chi-square, which holds at one look only, says that the sizes of the arms are"
            " unusual; the test that holds at every look, and alone blocks a verdict, does not."
            " If this is the only look, read any verdict with care."
        )
    else:
        click.echo("The arms have the sizes that were planned.")


def _ends(interval: Interval) -> tuple[str, str]:
    return _number(interval.low), _number(interval.high)


def _number(value: float | None) -> str:
    return "-" if value is None else format(value, ".6g")


def _count(value: Any) -> str:
    return "-" if value is None else format(value, ",")
