"""The geometry of the plots, in shares of their width and height; the page draws it as SVG."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from math import isfinite
from typing import Final

from fairlot.cli.reporting.figures import Figures, count, day_text, typeset
from fairlot.cli.reporting.scales import Scale, scale_around, scale_of, ticks_of
from fairlot.stats.metrics import Direction
from fairlot.stats.results import ArmSummary, Comparison, Interval, Look, MetricResult

UNITS: Final = 1000
"""The size of a drawing in its own units, both ways; it is stretched to the room that there is."""
_MOST_DATES: Final = 5
_MOST_TICKS: Final = 6
_WIDEST_LOOK: Final = 4.0
_MOST_COLOURS: Final = 8


@dataclass(frozen=True, slots=True)
class Tick:
    """`at` in percent, from the left or from the top."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Span:
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Strip:
    """One interval of a forest plot, from 0 to UNITS, and what all looks have in common, where
    there are several."""

    low: float
    point: float
    high: float
    common: Span | None


@dataclass(frozen=True, slots=True)
class Series:
    """How an interval went from look to look: SVG paths, and where zero and the last point are."""

    title: str
    band: str
    running: str
    line: str
    zero: float
    last_x: float
    last_y: float
    ticks: tuple[Tick, ...]
    dates: tuple[Tick, ...]
    description: str


@dataclass(frozen=True, slots=True)
class Bar:
    x: float
    width: float
    y: float
    height: float
    colour: int
    text: str


@dataclass(frozen=True, slots=True)
class Daily:
    """`shares`: each day in shares of its subjects, `due` where their borders should be;
    `volumes`: how many there were."""

    shares: tuple[Bar, ...]
    due: tuple[float, ...]
    volumes: tuple[Bar, ...]
    most: str
    dates: tuple[Tick, ...]
    description: str


def colour_of(number: int) -> int:
    """Of the arm with that number: the control has 0, and the others share the rest."""
    return number if number < _MOST_COLOURS else 1 + (number - 1) % (_MOST_COLOURS - 1)


def strip_of(comparison: Comparison, scale: Scale) -> Strip:
    interval, running = comparison.interval, comparison.running
    common = None
    is_only = comparison.planned_look is not None and len(comparison.looks) == 1
    if running is not None and not is_only:
        start = _x(scale, running.low)
        common = Span(start, round(_x(scale, running.high) - start, 1))
    return Strip(
        _x(scale, interval.low), _x(scale, comparison.estimate), _x(scale, interval.high), common
    )


def beyond_of(metric: MetricResult, scale: Scale) -> Span | None:
    """What is worse than the margin of a guardrail."""
    if metric.margin is None:
        return None
    if metric.direction is Direction.DECREASE:
        margin = _x(scale, metric.margin)
        return Span(margin, UNITS - margin)
    return Span(0, _x(scale, -metric.margin))


def forest_ticks(metric: MetricResult, figures: Figures) -> tuple[Tick, ...]:
    scale = scale_of(metric)
    values = (scale.low, 0.0, scale.high)
    return tuple(Tick(scale.position(each) * 100, typeset(figures.tick(each))) for each in values)


def series_of(title: str, comparison: Comparison, figures: Figures) -> Series | None:
    """None of fewer than two looks."""
    looks = comparison.looks
    if len(looks) < 2:
        return None
    days = Scale(looks[0].day.toordinal(), looks[-1].day.toordinal())
    values = _values_of(looks)
    at = [days.position(look.day.toordinal()) * UNITS for look in looks]
    kept = [(x, look.running) for x, look in zip(at, looks, strict=True) if look.running]
    ticks = ticks_of(values.low * figures.scale, values.high * figures.scale, _MOST_TICKS)
    return Series(
        title=title,
        band=_band([(x, look.interval) for x, look in zip(at, looks, strict=True)], values),
        running=_band(kept, values),
        line=_path([(x, _y(values, look.estimate)) for x, look in zip(at, looks, strict=True)]),
        zero=_y(values, 0),
        last_x=at[-1],
        last_y=_y(values, looks[-1].estimate),
        ticks=tuple(
            Tick(
                _y(values, each / figures.scale) / UNITS * 100,
                typeset(figures.tick(each / figures.scale)),
            )
            for each in ticks
        ),
        dates=_dates(looks[0].day, looks[-1].day),
        description=_described(comparison, figures),
    )


def daily_of(arms: Sequence[ArmSummary], names: Mapping[str, str]) -> Daily | None:
    """None when nobody was exposed. `names` are by variant."""
    seen = [day for arm in arms for day, subjects in arm.daily.items() if subjects]
    if not seen:
        return None
    first, last = min(seen), max(seen)
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    totals = [sum(arm.daily.get(day, 0) for arm in arms) for day in days]
    borders = [sum(arm.share for arm in arms[:number]) for number in range(1, len(arms))]
    return Daily(
        shares=tuple(_share_bars(arms, days, names)),
        due=tuple((1 - each) * UNITS for each in borders),
        volumes=tuple(_volume_bars(days, totals)),
        most=count(max(totals)),
        dates=_dates(first, last, by_bar=True),
        description=f"First exposures of each day from {day_text(first)} to {day_text(last)},"
        f" {count(max(totals))} on the busiest one.",
    )


def _values_of(looks: Sequence[Look]) -> Scale:
    """Of the looks that are not much wider than the last: the first ones are off any scale."""
    halves = [(look.interval.high - look.interval.low) / 2 for look in looks]
    limit = halves[-1] * _WIDEST_LOOK
    kept = [look for look, half in zip(looks, halves, strict=True) if half <= limit] or [looks[-1]]
    ends = [end for look in kept for end in (look.interval.low, look.interval.high)]
    return scale_around([*ends, *(look.estimate for look in kept)])


def _x(scale: Scale, value: float) -> float:
    return round(scale.position(value) * UNITS, 1)


def _y(scale: Scale, value: float) -> float:
    """From the top; beyond the drawing for what is beyond the scale, which cuts it off."""
    if not isfinite(value):
        value = scale.high * 2 if value > 0 else scale.low * 2
    share = (value - scale.low) / (scale.high - scale.low)
    return round((1 - min(max(share, -1.0), 2.0)) * UNITS, 1)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _band(points: Sequence[tuple[float, Interval]], scale: Scale) -> str:
    """Along the upper ends and back along the lower ones; empty of nothing."""
    if not points:
        return ""
    upper = [(x, _y(scale, interval.high)) for x, interval in points]
    lower = [(x, _y(scale, interval.low)) for x, interval in reversed(points)]
    return f"{_path([*upper, *lower])}Z"


def _dates(first: date, last: date, *, by_bar: bool = False) -> tuple[Tick, ...]:
    """In equal steps from the first day on; under the middle of their bars where there are bars."""
    length = (last - first).days
    step = max(1, -(-length // (_MOST_DATES - 1)))
    shift = 0.5 if by_bar else 0.0
    whole = length + 1 if by_bar else max(length, 1)
    return tuple(
        Tick((number + shift) / whole * 100, day_text(first + timedelta(days=number)))
        for number in range(0, length + 1, step)
    )


def _described(comparison: Comparison, figures: Figures) -> str:
    last = comparison.looks[-1]
    kind = "looks" if comparison.planned_look is None else "planned looks"
    return (
        f"{len(comparison.looks)} {kind} until {day_text(last.day)}; the last interval is"
        f" {figures.interval(last.interval)}."
    )


def _share_bars(
    arms: Sequence[ArmSummary], days: Sequence[date], names: Mapping[str, str]
) -> Iterator[Bar]:
    width = UNITS / len(days)
    for place, day in enumerate(days):
        total = sum(arm.daily.get(day, 0) for arm in arms)
        top = UNITS * 1.0
        for number, arm in enumerate(arms):
            own = arm.daily.get(day, 0)
            height = UNITS * own / total if total else 0.0
            top -= height
            if own:
                name = names.get(arm.variant, arm.variant)
                text = f"{day_text(day)}: {count(own)} of {count(total)} in {name}"
                yield _bar(place * width, width, top, height, colour_of(number), text)


def _volume_bars(days: Sequence[date], totals: Sequence[int]) -> Iterator[Bar]:
    width = UNITS / len(days)
    most = max(totals)
    for place, (day, total) in enumerate(zip(days, totals, strict=True)):
        height = UNITS * total / most
        text = f"{day_text(day)}: {count(total)}"
        yield _bar(place * width, width, UNITS - height, height, 0, text)


def _bar(x: float, width: float, y: float, height: float, colour: int, text: str) -> Bar:
    """With a hair of air at both sides."""
    air = width * 0.06
    return Bar(
        round(x + air, 2), round(width - 2 * air, 2), round(y, 2), round(height, 2), colour, text
    )
