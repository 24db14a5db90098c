"""Numbers and days of a result as people read them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from math import floor, isfinite, log10
from typing import Final
from zoneinfo import ZoneInfo

from fairlot.stats.metrics import MetricKind
from fairlot.stats.results import Interval, MetricResult

_MOST_DECIMALS: Final = 8
_LARGEST_WRITTEN_OUT: Final = 1e15
_DAY_MS: Final = 86_400_000
_MINUS: Final = re.compile(r"(?<![\w.-])-(?=[\d.])")
_UNIT: Final = re.compile(r"(?<=\d) (%|pp)(?!\w)")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=ZoneInfo("UTC"))


@dataclass(frozen=True, slots=True)
class Figures:
    """How the numbers of one metric are written, all alike, so that they can be compared at sight:
    to two digits of the widest interval's half."""

    decimals: int
    scale: int
    value_unit: str
    difference_unit: str

    def value(self, value: float) -> str:
        return f"{_number(value * self.scale, self.decimals)}{self.value_unit}"

    def difference(self, value: float) -> str:
        return f"{self.bare(value)}{self.difference_unit}"

    def bare(self, value: float) -> str:
        """Of a difference, with its sign, without the unit."""
        text = _number(value * self.scale, self.decimals)
        return text if text.startswith("-") or not text.strip("0.,") else f"+{text}"

    def loss(self, value: float) -> str:
        return f"{_number(value * self.scale, self.decimals)}{self.difference_unit}"

    def tick(self, value: float) -> str:
        """A round difference, with no more digits than it has."""
        return f"{value * self.scale:+,.6g}{self.difference_unit}" if value else "0"

    def interval(self, interval: Interval) -> str:
        return f"{self.bare(interval.low)} to {self.bare(interval.high)}{self.difference_unit}"


def figures_of(metric: MetricResult) -> Figures:
    """Rates are written in percent, and their differences in percentage points."""
    is_rate = metric.kind is MetricKind.CONVERSION
    scale = 100 if is_rate else 1
    halves = [
        (each.interval.high - each.interval.low) / 2 * scale
        for each in metric.comparisons
        if not each.is_gated
    ]
    values = [abs(each.value) * scale for each in metric.arms if each.value is not None]
    decimals = _decimals(halves) if any(halves) else _decimals(values)
    if is_rate:
        decimals = max(decimals, 1)
    return Figures(decimals, scale, " %" if is_rate else "", " pp" if is_rate else "")


def _decimals(lengths: Iterable[float]) -> int:
    longest = max((each for each in lengths if isfinite(each)), default=0.0)
    if longest <= 0:
        return 0
    return min(max(1 - floor(log10(longest)), 0), _MOST_DECIMALS)


def _number(value: float, decimals: int) -> str:
    if abs(value) >= _LARGEST_WRITTEN_OUT:
        return f"{value:.3g}"
    text = f"{value:,.{decimals}f}"
    return text.removeprefix("-") if not text.strip("-0.,") else text


def typeset(text: str) -> str:
    """A minus for a hyphen before a digit, and no line break between a number and its unit."""
    return _UNIT.sub("\N{NARROW NO-BREAK SPACE}\\1", _MINUS.sub("\N{MINUS SIGN}", text))


def count(number: int) -> str:
    return f"{number:,}"


def share(value: float) -> str:
    """In percent, to one decimal where it has one."""
    return f"{value * 100:.1f}".removesuffix(".0") + " %"


def signed_share(value: float) -> str:
    text = f"{value * 100:+,.1f} %"
    return text if text.strip("+-0. %") else "0.0 %"


def probability(p: float) -> str:
    """What stands after "p"."""
    if p < 0.001:
        return "< 0.001"
    return f"{min(p, 0.999):.3f}" if p <= 0.999 else "> 0.999"


def level(alpha: float) -> str:
    """Of an interval: `95 %`."""
    return f"{(1 - alpha) * 100:.4g} %"


def day_text(day: date) -> str:
    return f"{day.day} {day:%b}"


def moment_text(instant_ms: int, time_zone: str) -> str:
    """To the minute, of the project's clock."""
    moment = (_EPOCH + timedelta(milliseconds=instant_ms)).astimezone(ZoneInfo(time_zone))
    return f"{moment.day} {moment:%b %Y, %H:%M}"


def length_text(duration_ms: int) -> str:
    """In the largest unit that divides it, in words."""
    for unit, unit_ms in (("day", _DAY_MS), ("hour", 3_600_000), ("minute", 60_000)):
        if duration_ms % unit_ms == 0:
            number = duration_ms // unit_ms
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return f"{duration_ms / 1000:g} seconds"
