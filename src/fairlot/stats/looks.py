"""The daily closes of a comparison: computed once, and then only read."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import msgspec

from fairlot.stats.closes import closes_of
from fairlot.stats.effects import Effect, NoEffect
from fairlot.stats.methods import Level
from fairlot.stats.results import Interval, Look
from fairlot.stats.sequences import running_intersections
from fairlot.stats.sufficient import Question
from fairlot.stats.tables import Table, effect_of_pairs


@dataclass(frozen=True, slots=True)
class Recomputed:
    """A stored look, and what is computed for its close now: the effect at the last close until it
    that there is. Where subjects turn out to have been exposed earlier, its own may be none now."""

    look: Look
    effect: Effect


@dataclass(frozen=True, slots=True)
class Taken:
    """All looks, the new ones too, and the effect that the last one saw, as far as it is known."""

    looks: tuple[Look, ...]
    new: tuple[Look, ...]
    last_effect: Effect | None
    recomputed: tuple[Recomputed, ...] = ()


@dataclass(frozen=True, slots=True)
class _Seen:
    """A `Difference`: what a look has kept of it."""

    difference: float
    standard_error: float
    degrees_of_freedom: float
    n: int


def take_looks(
    level: Level,
    table: Table,
    question: Question,
    arms: tuple[str, str],
    stored: Sequence[Look],
    *,
    looked_until: date | None = None,
) -> Taken:
    """Looks at the closes after the last of those that are `stored`, and after `looked_until`; what
    a stored look saw stays, and is told at the level of now."""
    looks, new = _at_level(level, stored), []
    last_effect = None
    closed: list[tuple[date, Effect]] = []
    last_day = looks[-1].day if looks else date.min
    looked_until = max(last_day, looked_until or date.min)
    for close, effect in _effects_by_close(level, table, question, arms):
        if isinstance(effect, NoEffect):
            continue
        if close <= last_day:
            last_effect = effect
            closed.append((close, effect))
            continue
        if close <= looked_until:
            continue
        sizes = [look.n for look in looks]
        if level.is_due(effect, sizes):
            look = _look(level, close, effect, sizes)
            looks.append(look)
            new.append(look)
            last_effect = effect
    recomputed = tuple(_recomputed(looks[: len(stored)], closed))
    return Taken(_with_running(looks), tuple(new), last_effect, recomputed)


def _recomputed(
    looks: Sequence[Look], closed: Sequence[tuple[date, Effect]]
) -> Iterator[Recomputed]:
    closes = [close for close, _ in closed]
    for look in looks:
        until = bisect_right(closes, look.day)
        if until:
            yield Recomputed(look, closed[until - 1][1])


def _effects_by_close(
    level: Level, table: Table, question: Question, arms: tuple[str, str]
) -> Iterator[tuple[date, Effect | NoEffect]]:
    """One of each daily close that covers an exposure day more than the close before."""
    window_ms = level.metric.window_ms
    closes = closes_of(table.days, window_ms, question.as_of_ms, question.time_zone)
    last_of_close = {close: day for day, close in closes.items()}
    for day, pairs in table.pairs_by_day(*arms):
        close = closes.get(day)
        if close is not None and last_of_close[close] == day:
            yield close, effect_of_pairs(level.metric, pairs, cuped=level.plan.cuped)


def _look(level: Level, close: date, effect: Effect, sizes: Sequence[int]) -> Look:
    estimate = level.estimate(effect, sizes)
    return Look(
        day=close,
        n=effect.n,
        estimate=estimate.estimate,
        interval=estimate.interval,
        p=estimate.p,
        alpha=level.alpha,
        standard_error=effect.standard_error,
        degrees_of_freedom=effect.degrees_of_freedom,
    )


def _at_level(level: Level, looks: Sequence[Look]) -> list[Look]:
    """A comparison that comes later leaves each of the others less alpha: at the looks that were
    taken before as well, or all of them together would err oftener than alpha."""
    if all(look.alpha in {level.alpha, None} for look in looks):
        return list(looks)
    seen = [
        _Seen(look.estimate, look.standard_error or 0.0, look.degrees_of_freedom or 1.0, look.n)
        for look in looks
    ]
    return [
        look if look.alpha in {level.alpha, None} else _told(level, look, each, interval)
        for look, each, interval in zip(looks, seen, level.intervals(seen), strict=True)
    ]


def _told(level: Level, look: Look, seen: _Seen, interval: Interval) -> Look:
    """Of planned looks p is the smallest alpha whose boundary is crossed, whatever the level."""
    p = level.estimate(seen, ()).p if level.is_daily else look.p
    return msgspec.structs.replace(look, interval=interval, p=p, alpha=level.alpha)


def _with_running(looks: Sequence[Look]) -> tuple[Look, ...]:
    running = running_intersections(look.interval for look in looks)
    return tuple(
        msgspec.structs.replace(look, running=each)
        for look, each in zip(looks, running, strict=True)
    )
