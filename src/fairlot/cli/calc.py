"""`fairlot calc`: every figure of the method, for those who have only totals."""

import re
from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import click

from fairlot.cli.commands import SuggestingGroup
from fairlot.cli.errors import InvalidArgument
from fairlot.cli.options import NumberRange, json_option, refuse_chance

Command = TypeVar("Command", bound=Callable[..., Any])

_LARGEST: Final = 1e60
_SMALLEST_ALPHA: Final = 1e-15
"""What is spent of far smaller ones is less than the rounding of what several looks add up to."""
_NUMBER: Final = re.compile(r"[0-9][0-9_,]*")


class WeightedCommand(click.Command):
    """`--weights` takes all numbers up to the next option: `--weights 50 50`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--weights" in args:
            start = args.index("--weights") + 1
            end = start
            while end < len(args) and _is_number(args[end]):
                end += 1
            args = [
                *args[:start],
                *([",".join(args[start:end])] if end > start else []),
                *args[end:],
            ]
        return super().parse_args(ctx, args)


def _is_number(text: str) -> bool:
    return re.fullmatch(r"[0-9.,e+]+|nan|inf", text, re.IGNORECASE) is not None


def _weights(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> tuple[float, ...] | None:
    if value is None:
        return None
    try:
        return tuple(float(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value!r}: write one number an arm, as in 50 50") from None


alpha_option = click.option(
    "--alpha",
    type=NumberRange(_SMALLEST_ALPHA, 1, max_open=True),
    default=0.05,
    show_default=True,
    help="Two-sided; shared out over the arms that are compared with the first one.",
)
planned_option = click.option(
    "--n-star",
    "planned_size",
    type=click.IntRange(min=1),
    default=10_000,
    show_default=True,
    help="Planned size of both arms together, where the sequential interval is narrowest.",
)
weights_option = click.option(
    "--weights",
    metavar="NUMBER...",
    callback=_weights,
    help="How the arms were weighted, one number each.  [default: alike]",
)
decrease_option = click.option("--decrease", is_flag=True, help="Less is better.")
margin_option = click.option(
    "--margin",
    type=NumberRange(min=0),
    help="The largest worsening that is tolerated, absolute: is it safe?",
)


@click.group(cls=SuggestingGroup)
def calc() -> None:
    """Every figure of the method from totals, without a data directory or a server."""


def compared(command: Command) -> Command:
    """The options of the commands that compare arms."""
    for option in (
        json_option,
        weights_option,
        decrease_option,
        margin_option,
        planned_option,
        alpha_option,
    ):
        command = option(command)
    return command


@calc.command(cls=WeightedCommand)
@click.argument("arms", nargs=-1, required=True, metavar="CONVERTED/SUBJECTS...")
@compared
def proportion(arms: tuple[str, ...], as_json: bool, **asked: Any) -> None:
    """Compare rates: fairlot calc proportion 8502/44700 8279/45489.

    The first arm is the control. Unpooled is what a report decides by when it looks once, Newcombe
    where a cell is under 10; sequential holds at every look; pooled is that of textbooks.
    """
    from fairlot.cli.calc_text import print_calculated
    from fairlot.stats.bayes import Rate
    from fairlot.stats.calculator import of_rates

    rates = [Rate(*_rate(arm)) for arm in _at_least_two(arms)]
    print_calculated(of_rates(rates, _asked(arms, asked)), arms, as_json)


# A mean may be below zero, and is no option then.
@calc.command(cls=WeightedCommand, context_settings={"ignore_unknown_options": True})
@click.argument("arms", nargs=-1, required=True, metavar="MEAN/DEVIATION/SUBJECTS...")
@compared
def mean(arms: tuple[str, ...], as_json: bool, **asked: Any) -> None:
    """Compare means: fairlot calc mean 12.1/4.5/2000 12.6/4.7/2010.

    The first arm is the control; the deviation is the standard deviation of the subjects' values.
    """
    from fairlot.cli.calc_text import print_calculated
    from fairlot.stats.calculator import MeanTotals, of_means

    totals = [MeanTotals(*_mean(arm)) for arm in _at_least_two(arms)]
    print_calculated(of_means(totals, _asked(arms, asked)), arms, as_json)


@calc.command("srm", cls=WeightedCommand)
@click.argument("counts", nargs=-1, required=True, metavar="SUBJECTS...")
@weights_option
@json_option
def srm_command(counts: tuple[str, ...], weights: tuple[float, ...] | None, as_json: bool) -> None:
    """Check whether arms have the sizes that they should: fairlot calc srm 44700 45489."""
    from fairlot.cli.calc_text import print_sample_ratio
    from fairlot.stats.calculator import sample_ratio

    numbers = [_count(text, "SUBJECTS") for text in _at_least_two(counts)]
    print_sample_ratio(
        sample_ratio(numbers, _checked(weights, counts) or (1.0,) * len(numbers)), as_json
    )


@calc.command()
@click.option("--looks", type=click.IntRange(1, 30), default=5, show_default=True)
@alpha_option
@json_option
def sequential(looks: int, alpha: float, as_json: bool) -> None:
    """Print the boundaries of a plan with equally spaced looks, and what looking naively costs."""
    from fairlot.cli.calc_text import print_looks
    from fairlot.stats.calculator import planned_looks

    print_looks(planned_looks(looks, alpha), alpha, as_json)


@calc.command("sample-size")
@click.option("--rate", type=NumberRange(0, 1), help="Of the control: plan for a rate.")
@click.option(
    "--deviation",
    type=NumberRange(min=0, min_open=True),
    help="Standard deviation of the subjects' values: plan for a mean.",
)
@click.option(
    "--effect",
    type=NumberRange(min=0, min_open=True),
    help="The smallest absolute difference that matters.",
)
@click.option(
    "--subjects",
    type=click.IntRange(min=1),
    help="Instead of --effect: what so many in all arms together can find.",
)
@click.option(
    "--power",
    type=NumberRange(0, 1, min_open=True, max_open=True),
    default=0.8,
    show_default=True,
)
@click.option("--arms", type=click.IntRange(2, 100), default=2, show_default=True)
@click.option(
    "--control-share",
    type=NumberRange(0, 1, min_open=True, max_open=True),
    help="Of all subjects; the other arms share the rest.  [default: all alike]",
)
@click.option("--primaries", type=click.IntRange(1, 100), default=1, show_default=True)
@click.option(
    "--variance-reduction",
    type=NumberRange(0, 1, max_open=True),
    default=0.0,
    show_default=True,
    help="What CUPED takes off the variance.",
)
@click.option("--looks", type=click.IntRange(1, 30), default=5, show_default=True)
@alpha_option
@json_option
def sample_size(
    rate: float | None,
    deviation: float | None,
    effect: float | None,
    subjects: int | None,
    as_json: bool,
    **design: Any,
) -> None:
    """How many subjects: fairlot calc sample-size --rate 0.2 --effect 0.05.

    For one look, for looks at any time (sequential, whose power is that of the last look) and
    for planned looks. The calculator's size takes the null hypothesis for the variance.
    """
    from fairlot.cli.calc_text import print_plans
    from fairlot.stats.planned import planned_effects, planned_sizes
    from fairlot.stats.planning import Design

    if (rate is None) == (deviation is None):
        raise click.UsageError("name either --rate or --deviation")
    if (effect is None) == (subjects is None):
        raise click.UsageError("name either --effect or --subjects")
    refuse_chance(Design(**design))
    if effect is not None:
        print_plans(planned_sizes(rate, deviation, effect, **design), as_json)
    elif subjects is not None:
        print_plans(planned_effects(rate, deviation, subjects, **design), as_json)


def _asked(arms: Sequence[str], given: dict[str, Any]) -> Any:
    from fairlot.stats.calculator import Asked
    from fairlot.stats.metrics import Direction

    return Asked(
        alpha=given["alpha"],
        planned_size=given["planned_size"],
        direction=Direction.DECREASE if given["decrease"] else Direction.INCREASE,
        margin=given["margin"],
        weights=_checked(given["weights"], arms),
    )


def _at_least_two(arms: Sequence[str]) -> Sequence[str]:
    if len(arms) < 2:
        raise click.UsageError("name two arms at least, the control first")
    return arms


def _checked(weights: tuple[float, ...] | None, arms: Sequence[str]) -> tuple[float, ...] | None:
    if weights is not None and len(weights) != len(arms):
        raise InvalidArgument(f"--weights: {len(weights)} for {len(arms)} arms; name one for each")
    if weights is not None and not all(weight <= _LARGEST for weight in weights):
        raise InvalidArgument("--weights: write numbers, small ones, as in 50 50")
    if weights is not None and not all(weight > 0 for weight in weights):
        raise InvalidArgument("--weights: an arm without weight has no subjects; leave it out")
    return weights


def _rate(text: str) -> tuple[int, int]:
    parts = text.split("/")
    if len(parts) != 2:
        raise InvalidArgument(f"{text}: write CONVERTED/SUBJECTS, as in 8502/44700")
    converted, subjects = (_count(part, text) for part in parts)
    if converted > subjects:
        raise InvalidArgument(f"{text}: more have converted than there are; swap the two?")
    return converted, subjects


def _mean(text: str) -> tuple[float, float, int]:
    parts = text.split("/")
    try:
        value, deviation = (float(part) for part in parts[:2])
    except ValueError:
        value = deviation = float("nan")
    if len(parts) != 3 or not abs(value) <= _LARGEST or not 0 <= deviation <= _LARGEST:
        raise InvalidArgument(f"{text}: write MEAN/DEVIATION/SUBJECTS, as in 12.1/4.5/2000")
    return value, deviation, _count(parts[2], text)


def _count(text: str, where: str) -> int:
    if _NUMBER.fullmatch(text) is None or len(text) > 15:
        raise InvalidArgument(f"{where}: {text!r} is no count; write a whole number, as in 44700")
    return int(text.replace(",", "").replace("_", ""))
