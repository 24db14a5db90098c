"""The verdicts at the end of the demo, and what they must be."""

import shutil
import textwrap
from collections.abc import Mapping, Sequence
from typing import Final

import click
import msgspec

from fairlot.cli.control import ControlClient, project_path
from fairlot.cli.reporting.words import VERDICTS
from fairlot.manifest.problems import printable
from fairlot.stats.results import ExperimentResult, VerdictKind

_WIDEST: Final = 110
EXPECTED: Final[Mapping[str, VerdictKind]] = {
    "checkout-button": VerdictKind.WINNER,
    "free-delivery": VerdictKind.NO_DIFFERENCE,
    "loyalty-price": VerdictKind.BLOCKED,
}


def results_of_the_shop(client: ControlClient, org: str, project: str) -> list[ExperimentResult]:
    paths = (project_path(org, project, "experiments", key, "results") for key in EXPECTED)
    bodies = (client.request("GET", path).body for path in paths)
    return [msgspec.json.decode(body, type=ExperimentResult) for body in bodies]


def verdict_problems(results: Sequence[ExperimentResult]) -> list[str]:
    """Where a verdict is not what the simulated visitors must lead to."""
    return [
        f"{result.experiment}: the verdict is {result.verdict.kind}, and must be"
        f" {EXPECTED[result.experiment]}"
        for result in results
        if result.verdict.kind is not EXPECTED[result.experiment]
    ]


def print_verdicts(results: Sequence[ExperimentResult]) -> None:
    for result in results:
        label = click.style(VERDICTS[result.verdict.kind].upper(), bold=True)
        click.echo(f"\n{result.experiment}: {label}")
        width = min(shutil.get_terminal_size().columns, _WIDEST)
        sentence = printable(result.verdict.sentence)
        click.echo(textwrap.fill(sentence, width, break_on_hyphens=False))


def verdict_documents(results: Sequence[ExperimentResult]) -> list[dict[str, object]]:
    return [
        {
            "experiment": result.experiment,
            "verdict": result.verdict.kind.value,
            "sentence": result.verdict.sentence,
        }
        for result in results
    ]
