"""What `fairlot power` prints."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

import click

from fairlot.cli.output import print_json, print_table
from fairlot.service.planning import (
    Baseline,
    Need,
    Prospect,
    Traffic,
    better_size,
    needs_of,
    prospects_of,
)
from fairlot.stats.planning import Design, Size
from fairlot.stats.results import Method

_TITLES: Final = {
    Method.FIXED: "one look",
    Method.SEQUENTIAL: "sequential (at every look)",
    Method.GROUP_SEQUENTIAL: "planned looks",
}


@dataclass(frozen=True, slots=True)
class Outlook:
    title: str
    baseline: Baseline
    traffic: Traffic
    design: Design
    effect: float | None

    @property
    def needs(self) -> tuple[Need, ...]:
        if self.effect is None:
            return ()
        return needs_of(self.baseline, self.traffic, self.design, self.effect)

    @property
    def better(self) -> Size | None:
        if self.effect is None:
            return None
        return better_size(self.baseline, self.design, self.effect)

    @property
    def prospects(self) -> tuple[Prospect, ...]:
        return prospects_of(self.baseline, self.traffic, self.design)


def print_outlook(outlook: Outlook, as_json: bool) -> None:
    if as_json:
        print_json(_document(outlook))
        return
    for line in _heading(outlook):
        click.echo(line)
    click.echo()
    if outlook.effect is None:
        click.echo(
            "Name --effect, or give the metric a minimumEffect, to see what finding it needs."
        )
    else:
        _print_needs(outlook, outlook.effect)
    click.echo()
    _print_prospects(outlook)


def _heading(outlook: Outlook) -> list[str]:
    baseline, design = outlook.baseline, outlook.design
    value = f"{baseline.value:.6g}"
    if baseline.deviation is not None:
        value = f"{value}, standard deviation {baseline.deviation:.6g}"
    of = f" of {baseline.subjects:,} subjects" if baseline.subjects else ""
    lines = [
        f"For {outlook.title}",
        f"Control: {value}{of}",
        _traffic(outlook.traffic),
        _plan(design),
    ]
    if design.variance_reduction:
        lines.append(f"CUPED takes {design.variance_reduction:.1%} off the variance")
    return lines


def _traffic(traffic: Traffic) -> str:
    days = "day" if traffic.days == 1 else f"{traffic.days} days"
    share = "" if traffic.share == 1 else f", times --traffic {traffic.share:g}"
    return (
        f"Traffic: {traffic.a_week:,.0f} new subjects a week enter, as in the last whole {days} of"
        f" these{share}"
    )


def _plan(design: Design) -> str:
    return (
        f"Planned: power {design.power:.0%}, alpha {design.alpha:g}, {design.arms} arms,"
        f" {design.shares[0]:.0%} in the control, {design.primaries} primary metric(s),"
        f" plannedSize {design.planned_size}"
    )


def _print_needs(outlook: Outlook, effect: float) -> None:
    click.echo(f"To find a difference of {effect:g}:")
    print_table(
        ("read as", "control", "each other arm", "all arms", "weeks"),
        [
            (
                _TITLES[need.method] + (" *" if need.method is outlook.design.method else ""),
                *(
                    "-" if each is None else f"{each:,}"
                    for each in (need.control, need.treatment, need.total, need.weeks)
                ),
            )
            for need in outlook.needs
        ],
    )
    click.echo("* how the experiment is read. Weeks are whole, with the last subject's window.")
    better = outlook.better
    if better is not None:
        click.echo(
            f"Set `plannedSize: {better.planned_size}` before the start (both arms of a"
            f" comparison): then {better.total:,} subjects find it."
        )


def _print_prospects(outlook: Outlook) -> None:
    design = outlook.design
    planned = {
        Method.FIXED: "",
        Method.SEQUENTIAL: f", plannedSize {design.planned_size}",
        Method.GROUP_SEQUENTIAL: ", planned for each row's subjects",
    }[design.method]
    click.echo(f"The smallest difference that is found ({_TITLES[design.method]}{planned}):")
    print_table(
        ("weeks", "matured subjects", "difference", "relative"),
        [_prospect_cells(each, outlook.baseline.value) for each in outlook.prospects],
    )


def _prospect_cells(prospect: Prospect, base: float) -> Sequence[object]:
    if prospect.effect is None:
        return prospect.weeks, f"{prospect.subjects:,}", "-", "-"
    relative = f"{prospect.effect / base:.1%}" if base > 0 else "-"
    return prospect.weeks, f"{prospect.subjects:,}", f"{prospect.effect:.4g}", relative


def _document(outlook: Outlook) -> dict[str, object]:
    design, better = outlook.design, outlook.better
    return {
        "title": outlook.title,
        "effect": outlook.effect,
        "baseline": asdict(outlook.baseline),
        "subjectsAWeek": outlook.traffic.a_week,
        "design": {
            "alpha": design.alpha,
            "power": design.power,
            "arms": design.arms,
            "controlShare": design.shares[0],
            "primaries": design.primaries,
            "method": design.method.value,
            "looks": design.looks,
            "plannedSize": design.planned_size,
            "varianceReduction": design.variance_reduction,
        },
        "needs": [{**asdict(need), "method": need.method.value} for need in outlook.needs],
        "betterPlannedSize": None if better is None else better.planned_size,
        "prospects": [asdict(prospect) for prospect in outlook.prospects],
    }
