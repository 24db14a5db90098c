"""What the demo prints: splits, exposures, and one explained decision."""

from collections import Counter
from dataclasses import dataclass, replace

import click

from fairlot.cli.output import print_table
from fairlot.cli.split import LIMIT_SIGMA, Split
from fairlot.cli.trace import print_trace, trace_document
from fairlot.engine import Explanation


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the visitors were answered and what the log holds, by experiment."""

    url: str
    splits: tuple[Split, ...]
    acknowledged: Counter[str]
    recorded: Counter[str]
    explanation: Explanation
    explained_visitor: str

    @property
    def problems(self) -> list[str]:
        found = [
            f"{split.key}: the split is outside {LIMIT_SIGMA} standard deviations"
            for split in self.splits
            if not split.is_inside
        ]
        if self.acknowledged != self.recorded:
            found.append(
                f"the event log gained {self.recorded.total()} exposures, but "
                f"{self.acknowledged.total()} impressions were acknowledged"
            )
        return found


def print_outcome(outcome: Outcome, subjects: int) -> None:
    click.echo(
        f"{subjects} visitors asked {outcome.url} about {len(outcome.splits)} experiments.\n"
    )
    columns = ("experiment", "variant", "visitors", "share", "expected", "sigmas", "binomial")
    print_table(columns, [row for split in outcome.splits for row in _rows(split)])
    click.echo(f"\n`inside`: within {LIMIT_SIGMA} standard deviations of what the weights promise.")
    click.echo("\nExposures in the event log, and impressions that the server acknowledged:\n")
    keys = [split.key for split in outcome.splits]
    counts = [(key, outcome.recorded[key], outcome.acknowledged[key]) for key in keys]
    total = ("total", outcome.recorded.total(), outcome.acknowledged.total())
    print_table(("experiment", "recorded", "acknowledged"), [*counts, total])
    decision = outcome.explanation.decision
    variant = decision.variant.key if decision.variant else "no variant"
    click.echo(f"\nWhy {outcome.explained_visitor} gets {variant} in {decision.experiment_key}:\n")
    print_trace(trace_document(outcome.explanation))


def _rows(split: Split) -> list[tuple[str, ...]]:
    """Who entered, and if anybody did, the variants; a count is inside up to LIMIT_SIGMA."""
    entered = replace(split.entered, name=f"({split.status.value})")
    shares = [entered, *split.variants] if entered.count else [entered]
    return [
        (
            split.key if share is entered else "",
            share.name,
            f"{share.count} of {share.total}",
            f"{share.observed:.1%}",
            f"{share.expected:.1%}",
            f"{share.sigmas:+.1f}",
            "inside" if share.is_inside else "OUTSIDE",
        )
        for share in shares
    ]


def outcome_document(outcome: Outcome) -> dict[str, object]:
    return {
        "url": outcome.url,
        "experiments": [
            {
                "key": split.key,
                "asked": split.asked,
                "eligible": split.eligible,
                "strayed": split.strayed,
                "status": split.status.value,
                "inside": split.is_inside,
                "shares": [
                    {
                        "name": share.name,
                        "count": share.count,
                        "total": share.total,
                        "expected": share.expected,
                        "sigmas": round(share.sigmas, 3),
                    }
                    for share in (split.entered, *split.variants)
                ],
                "recorded": outcome.recorded[split.key],
                "acknowledged": outcome.acknowledged[split.key],
            }
            for split in outcome.splits
        ],
        "explained": {
            "experiment": outcome.explanation.decision.experiment_key,
            "subject": outcome.explained_visitor,
            "trace": trace_document(outcome.explanation),
        },
    }
