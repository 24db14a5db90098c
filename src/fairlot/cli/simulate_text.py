"""What `fairlot simulate` prints."""

from dataclasses import dataclass
from typing import Final

import click

from fairlot.cli.output import print_json, print_table
from fairlot.stats.results import Method
from fairlot.stats.simulation import Rules, Share, Summary

_METHODS: Final = {
    Method.SEQUENTIAL: "sequential",
    Method.GROUP_SEQUENTIAL: "group sequential",
    Method.FIXED: "fixed",
}


@dataclass(frozen=True, slots=True)
class Simulated:
    title: str
    rules: Rules
    lift: float
    seed: int
    summary: Summary

    @property
    def covered(self) -> Share:
        missed = self.summary.excluded_truth
        return Share(missed.runs - missed.count, missed.runs)


def print_simulated(found: Simulated, as_json: bool) -> None:
    if as_json:
        print_json(_document(found))
        return
    rules, runs = found.rules, found.summary.opened.runs
    what = f"A lift of {found.lift:.4g} in" if found.lift else "A/A over"
    click.echo(f"{what} {found.title}; {runs:,} runs")
    click.echo(
        f"Method: {_METHODS[rules.method]}, alpha {rules.alpha:g}, planned for"
        f" {rules.planned_size:,}, {rules.treated_share:.0%} treated,"
        f" {'with' if rules.cuped else 'without'} CUPED"
    )
    click.echo()
    print_table(
        ("in so many of the runs", "share", "from", "to"),
        [
            (text, *(f"{each:.2%}" for each in (share.value, *_ends(share))))
            for text, share in _lines(found)
        ],
    )
    if not found.lift:
        click.echo(
            f"p of the fixed test at the last look: uniform with p {found.summary.uniformity_p:.4g}"
        )


def _lines(found: Simulated) -> list[tuple[str, Share]]:
    summary = found.summary
    said = "the effect was found" if found.lift else "a difference was found (false positives)"
    return [
        (said, summary.excluded_zero),
        ("the intervals covered the truth at every look", found.covered),
        ("there were enough subjects to conclude", summary.opened),
        ("it would have been found without that gate", summary.excluded_zero_ungated),
        ("the fixed test, looked at daily, found one", summary.fixed_excluded_zero),
        ("the sample ratio blocked the verdict", summary.srm_blocked),
    ]


def _document(found: Simulated) -> dict[str, object]:
    summary = found.summary
    shares = {
        "power" if found.lift else "falsePositives": summary.excluded_zero,
        "covered": found.covered,
        "opened": summary.opened,
        "withoutGate": summary.excluded_zero_ungated,
        "fixedDaily": summary.fixed_excluded_zero,
        "srmBlocked": summary.srm_blocked,
    }
    return {
        "subjects": found.title,
        "runs": summary.opened.runs,
        "seed": found.seed,
        "lift": found.lift,
        "method": found.rules.method.value,
        "alpha": found.rules.alpha,
        "plannedSize": found.rules.planned_size,
        "treatedShare": found.rules.treated_share,
        "cuped": found.rules.cuped,
        **{name: _share(share) for name, share in shares.items()},
        **({} if found.lift else {"uniformityP": summary.uniformity_p}),
    }


def _share(share: Share) -> dict[str, float]:
    low, high = _ends(share)
    return {"count": share.count, "share": share.value, "low": low, "high": high}


def _ends(share: Share) -> tuple[float, float]:
    interval = share.interval
    return interval.low, interval.high
