"""`fairlot power`: how many subjects, and how many weeks of those who come."""

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from fairlot.cli.options import (
    NumberRange,
    data_option,
    json_option,
    org_option,
    project_option,
    refuse_chance,
)

if TYPE_CHECKING:
    from fairlot.cli.power_text import Outlook
    from fairlot.stats.planning import Design

_open_share = NumberRange(0, 1, min_open=True, max_open=True)


@click.command
@click.argument("experiment", required=False)
@click.option("--metric", help="Of the experiment.  [default: its first primary one]")
@click.option(
    "--effect",
    type=NumberRange(min=0, min_open=True),
    help="The smallest absolute difference that matters.  [default: the metric's minimumEffect]",
)
@click.option("--rate", type=NumberRange(0, 1), help="Of the control.  [default: as recorded]")
@click.option(
    "--deviation",
    type=NumberRange(min=0, min_open=True),
    help="Of the subjects' values, for a mean.  [default: as recorded]",
)
@click.option("--power", "wanted", type=_open_share, default=0.8, show_default=True)
@click.option("--alpha", type=_open_share, help="[default: the experiment's, or 0.05]")
@click.option(
    "--n-star",
    "planned_size",
    type=click.IntRange(min=1),
    help="[default: the experiment's plannedSize, or 10000]",
)
@click.option("--arms", type=click.IntRange(2, 100), help="[default: the experiment's, or 2]")
@click.option("--control-share", type=_open_share, help="[default: the experiment's, or alike]")
@click.option(
    "--traffic",
    type=NumberRange(0, 1, min_open=True),
    default=1.0,
    show_default=True,
    help="The share of those who came who are to enter.",
)
@org_option
@project_option
@data_option
@json_option
def power(experiment: str | None, metric: str | None, as_json: bool, **given: Any) -> None:
    """Tell how many subjects an experiment needs, and for how many whole weeks.

    EXPERIMENT is one that has run for visitors like those to come: who they are, what they do and
    how it is set up are read from the data directory. Without it, visitors are all who were
    exposed to anything in the last 28 days; then name --rate or --deviation.
    """
    from fairlot.cli.power_text import print_outlook

    if experiment is None:
        if metric is not None:
            raise click.UsageError("--metric: name the experiment whose metric it is")
        print_outlook(_of_log(given), as_json)
    else:
        print_outlook(_of_experiment(experiment, metric, given), as_json)


def _of_experiment(experiment: str, metric: str | None, given: dict[str, Any]) -> "Outlook":
    from fairlot.cli.observing import observed
    from fairlot.cli.power_text import Outlook
    from fairlot.service.planning import baseline_of, design_of, traffic_of

    if given["rate"] is not None or given["deviation"] is not None:
        raise click.UsageError(
            "--rate and --deviation are read from the experiment; leave them out"
        )
    study, found = observed(
        given["data_dir"], given["org"], given["project"], experiment, metric, _now_ms()
    )
    return Outlook(
        title=f"{experiment}, metric {found.metric.key}",
        baseline=baseline_of(study, found),
        traffic=traffic_of(found, given["traffic"]),
        design=_with_given(design_of(study, found, given["wanted"]), given),
        effect=given["effect"] or found.metric.minimum_effect,
    )


def _of_log(given: dict[str, Any]) -> "Outlook":
    from fairlot.cli.observing import arrivals
    from fairlot.cli.power_text import Outlook
    from fairlot.service.planning import Baseline, Traffic
    from fairlot.stats.metrics import DEFAULT_WINDOW_MS
    from fairlot.stats.planning import Design
    from fairlot.stats.plans import DEFAULT_PLANNED_SIZE
    from fairlot.stats.results import Method

    rate, deviation = given["rate"], given["deviation"]
    if (rate is None) == (deviation is None):
        raise click.UsageError("name EXPERIMENT, or else --rate or --deviation")
    came = arrivals(given["data_dir"], given["org"], given["project"], _now_ms())
    design = Design(
        power=given["wanted"], method=Method.SEQUENTIAL, planned_size=DEFAULT_PLANNED_SIZE
    )
    return Outlook(
        title="all who were exposed to anything",
        baseline=Baseline(rate or 0.0, deviation, 0),
        traffic=Traffic(came, given["traffic"], DEFAULT_WINDOW_MS / 86_400_000),
        design=_with_given(design, given),
        effect=given["effect"],
    )


def _with_given(design: "Design", given: dict[str, Any]) -> "Design":
    names = ("alpha", "arms", "planned_size")
    named = {name: given[name] for name in names if given[name] is not None}
    if "arms" in named or given["control_share"] is not None:
        named["control_share"] = given["control_share"]
    design = replace(design, **named)
    refuse_chance(design)
    return design


def _now_ms() -> int:
    return int(time.time() * 1000)
