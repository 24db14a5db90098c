"""`fairlot simulate`: how often the method errs, and what it covers."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from fairlot.cli.commands import SuggestingGroup
from fairlot.cli.options import NumberRange, data_option, json_option, org_option, project_option

if TYPE_CHECKING:
    from fairlot.stats.plans import AnalysisPlan
    from fairlot.stats.simulation import Rules, Watched
    from fairlot.stats.sufficient import Question

Command = TypeVar("Command", bound=Callable[..., Any])

_POPULATIONS: Final = ("normal", "binary", "lognormal", "buyers")
_EVEN: Final = 0.5
_METHODS: Final = ("sequential", "group_sequential", "fixed")

_open_share = NumberRange(0, 1, min_open=True, max_open=True)
_OPTIONS: Final = (
    click.argument("experiment", required=False),
    click.option("--metric", help="Of the experiment.  [default: its first primary one]"),
    click.option(
        "--population",
        type=click.Choice(_POPULATIONS),
        default="normal",
        show_default=True,
        help="Made-up subjects, where no experiment is named.",
    ),
    click.option("--runs", type=click.IntRange(1, 1_000_000), default=500, show_default=True),
    click.option(
        "--days", type=click.IntRange(1, 365), default=28, show_default=True, help="Daily looks."
    ),
    click.option(
        "--per-day",
        type=click.IntRange(1, 1_000_000),
        default=1_000,
        show_default=True,
        help="New subjects in both arms. An experiment has its own days and subjects.",
    ),
    click.option(
        "--share",
        "treated_share",
        type=_open_share,
        help="Of the subjects, in the treatment.  [default: all but the experiment's control, or"
        " 0.5]",
    ),
    click.option("--alpha", type=_open_share, help="[default: the experiment's, or 0.05]"),
    click.option(
        "--n-star",
        "planned_size",
        type=click.IntRange(min=1),
        help="Planned size of both arms.  [default: the experiment's, or 10000]",
    ),
    click.option(
        "--method",
        type=click.Choice(_METHODS),
        help="[default: the experiment's, or sequential]",
    ),
    click.option(
        "--looks",
        type=click.IntRange(1, 100),
        help="Of a group sequential plan.  [default: the experiment's, or 5]",
    ),
    click.option(
        "--cuped/--no-cuped",
        default=None,
        help="Adjust by what was before.  [default: the experiment's, or no]",
    ),
    click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True),
    org_option,
    project_option,
    data_option,
    json_option,
)


def simulated(command: Command) -> Command:
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@click.group(cls=SuggestingGroup)
def simulate() -> None:
    """Run experiments whose truth is known, look at them daily, and count the errors.

    On made-up subjects, or on those of EXPERIMENT in the data directory, with drawn labels.
    """


@simulate.command("aa")
@simulated
def aa_command(**given: Any) -> None:
    """Nothing differs: how often does it say that something does?"""
    _run_and_print(given, lift=0.0)


@simulate.command("effect")
@click.option(
    "--lift",
    type=NumberRange(-1, 100, min_open=True),
    default=0.1,
    show_default=True,
    help="Planted in the treatment: 0.1 is a tenth more.",
)
@simulated
def effect_command(lift: float, **given: Any) -> None:
    """An effect is planted: how often is it found, and do the intervals cover it?"""
    _run_and_print(given, lift)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is simulated: `run` makes the experiment of that number."""

    title: str
    rules: "Rules"
    run: "Callable[[int], Watched]"


def _run_and_print(given: dict[str, Any], lift: float) -> None:
    from fairlot.cli.output import progress
    from fairlot.cli.simulate_text import Simulated, print_simulated
    from fairlot.stats.simulation import summary_of

    subject = _recorded(given, lift) if given["experiment"] else _made_up(given, lift)
    runs = []
    with progress("Simulating", given["runs"]) as advance:
        for number in range(given["runs"]):
            runs.append(subject.run(number))
            advance(1)
    found = Simulated(subject.title, subject.rules, lift, given["seed"], summary_of(runs))
    print_simulated(found, given["as_json"])


def _made_up(given: dict[str, Any], lift: float) -> Subject:
    from fairlot.cli.errors import InvalidArgument
    from fairlot.stats.plans import AnalysisPlan
    from fairlot.stats.populations import POPULATIONS
    from fairlot.stats.synthetic import Scenario, simulate

    if given["metric"] is not None:
        raise InvalidArgument("--metric: name the experiment whose metric it is")
    population = POPULATIONS[given["population"]]
    rules = _rules(given, AnalysisPlan(cuped=False), population.is_conversion, 1, _EVEN)
    scenario = Scenario(population, given["per_day"], rules, given["days"], lift)
    title = (
        f"made-up subjects ({population.title}), {given['per_day']:,} a day for"
        f" {given['days']} days"
    )
    return Subject(title, rules, lambda number: simulate(scenario, given["seed"], number))


def _recorded(given: dict[str, Any], lift: float) -> Subject:
    from fairlot.cli.observing import observed
    from fairlot.stats.metrics import MetricKind
    from fairlot.stats.permutations import permute, recorded

    study, found = observed(
        given["data_dir"],
        given["org"],
        given["project"],
        given["experiment"],
        given["metric"],
        int(time.time() * 1000),
    )
    responses = found.metric.responses
    is_conversion = found.metric.kind is MetricKind.CONVERSION
    treated = _treated_share(study.question)
    rules = _rules(given, study.plan, is_conversion, responses, treated)
    columns = found.columns if rules.cuped else found.columns[:, :responses]
    subjects = recorded(found.days, columns)
    title = (
        f"{len(found.days):,} subjects of {given['experiment']}, metric {found.metric.key},"
        f" {len(subjects.ends)} days"
    )
    return Subject(
        title, rules, lambda number: permute(subjects, rules, lift, given["seed"], number)
    )


def _treated_share(question: "Question") -> float:
    """Of the last phase: all but the control, which all that is treated is compared with."""
    arms = question.phases[-1].arms
    treated = 1 - sum(arm.share for arm in arms if arm.is_control)
    return treated if 0 < treated < 1 else _EVEN


def _rules(
    given: dict[str, Any],
    plan: "AnalysisPlan",
    is_conversion: bool,
    responses: int,
    treated_share: float,
) -> "Rules":
    from fairlot.stats.results import Method
    from fairlot.stats.simulation import Rules

    return Rules(
        alpha=given["alpha"] or plan.alpha,
        planned_size=given["planned_size"] or plan.planned_size,
        method=Method(given["method"]) if given["method"] else plan.method,
        looks=given["looks"] or plan.looks,
        is_conversion=is_conversion,
        responses=responses,
        cuped=plan.cuped if given["cuped"] is None else given["cuped"],
        treated_share=given["treated_share"] or treated_share,
    )
