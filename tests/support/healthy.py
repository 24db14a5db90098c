"""Experiments of which nothing is wrong: of ten kinds, each the same for a seed."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from fairlot.stats.metrics import Aggregate, EventTotal, Metric, MetricKind
from fairlot.stats.sufficient import ANY_VERSION, Arm, Phase
from support.patients import BOUGHT, DAY_MS, EVEN, HOUR_MS, SPENT, START_MS, Patient, patients

MINUTE_MS = 60_000
VIEWS = Metric(
    key="views",
    name="Views",
    kind=MetricKind.COUNT,
    numerator=EventTotal("page_view", Aggregate.COUNT),
)
SPENT_PER_VIEW = Metric(
    key="spent_per_view",
    name="Spent per view",
    kind=MetricKind.RATIO,
    numerator=EventTotal("purchase", Aggregate.SUM),
    denominator=EventTotal("page_view", Aggregate.COUNT),
)
WITH_VIEWS = {"metrics": (BOUGHT, SPENT, VIEWS, SPENT_PER_VIEW)}


@dataclass(frozen=True, slots=True)
class Trial:
    """`fields` are those of the question that are other than usual."""

    found: list[Patient]
    fields: dict[str, Any] = field(default_factory=dict)


def plain(seed: int) -> Trial:
    """The visit begins with the exposure."""
    return Trial(patients(seed))


def in_mid_visit(seed: int) -> Trial:
    """As many pages before the exposure as after; browsers send these, and a server exposures."""
    draw, found = _chance(seed), patients(seed, 1_500)
    for each in found:
        each.viewed = {"sender_id": "browser"}
        each.viewed_at_ms = [
            each.at_ms + way * draw.randrange(20 * MINUTE_MS)
            for way in (-1, 1)
            for _ in range(draw.randint(3, 8))
        ]
    return Trial(found, WITH_VIEWS)


def at_the_checkout(seed: int) -> Trial:
    """Many pages before the exposure, few after it, and most buy within minutes."""
    draw, found = _chance(seed), patients(seed, 1_500, (0.4, 0.44))
    for each in found:
        before = [-draw.randrange(15 * MINUTE_MS) for _ in range(draw.randint(5, 10))]
        after = [draw.randrange(5 * MINUTE_MS) for _ in range(draw.randint(0, 3))]
        each.viewed_at_ms = [each.at_ms + since for since in before + after]
        if each.bought_at_ms and draw.random() < 0.7:
            each.bought_at_ms = [each.at_ms + draw.randrange(10 * MINUTE_MS)]
    return Trial(found, WITH_VIEWS)


def on_a_landing_page(seed: int) -> Trial:
    """A page tells that it was viewed, and then what it shows; three of five see no other."""
    draw, found = _chance(seed), patients(seed, 1_500)
    for each in found:
        stays = draw.random() < 0.4
        later = [draw.randrange(10 * MINUTE_MS) for _ in range(draw.randint(2, 5))] if stays else []
        each.viewed_at_ms = [each.at_ms + since for since in [-200, *later]]
    return Trial(found, WITH_VIEWS)


def with_heavy_tails(seed: int) -> Trial:
    draw, found = _chance(seed), patients(seed)
    for each in found:
        each.bought = {"value": math.exp(3 + 1.5 * draw.gauss(0, 1))}
    return Trial(found)


def split_unevenly(seed: int) -> Trial:
    return _split(seed, {"a": 0.9, "b": 0.1})


def of_three_arms(seed: int) -> Trial:
    return _split(seed, {"a": 0.5, "b": 0.3, "c": 0.2})


def grown_in_mid_run(seed: int) -> Trial:
    """More of its layer from the second week on: a phase of the same shares, and of others."""
    found = patients(seed)
    for each in found:
        if each.at_ms >= START_MS + 7 * DAY_MS:
            each.exposed = {"manifest_version": 5}
    return Trial(found, {"phases": (Phase(1, 0, 5, EVEN), Phase(2, 5, ANY_VERSION, EVEN))})


def of_regulars(seed: int) -> Trial:
    """They come each day, are shown the same again, and buy as they always did."""
    draw, found = _chance(seed), patients(seed, 1_500)
    for each in found:
        each.also = [(each.variant, each.at_ms + day * DAY_MS) for day in (1, 2, 3)]
        if draw.random() < 0.3:
            offset = draw.randrange(8 * HOUR_MS)
            each.bought_at_ms = [each.at_ms + offset + hour * HOUR_MS for hour in range(-96, 96, 8)]
    return Trial(found)


def before_a_holiday(seed: int) -> Trial:
    """All buy three times as often in the second week; the lift stays."""
    draw, found = _chance(seed), patients(seed, 3_000, (0.0, 0.0))
    for each in found:
        rate = 0.1 if each.at_ms < START_MS + 7 * DAY_MS else 0.3
        if draw.random() < rate * (1.15 if each.variant == "b" else 1.0):
            each.bought_at_ms = [each.at_ms + draw.randrange(MINUTE_MS, 2 * DAY_MS)]
    return Trial(found)


def _split(seed: int, shares: dict[str, float]) -> Trial:
    draw, found = _chance(seed), patients(seed)
    for each in found:
        (each.variant,) = draw.choices(list(shares), list(shares.values()))
    arms = tuple(Arm(key, key == "a", share) for key, share in shares.items())
    return Trial(found, {"phases": (Phase(1, 0, ANY_VERSION, arms),)})


def _chance(seed: int) -> random.Random:
    """Not that of `patients`."""
    return random.Random(f"healthy-{seed}")  # noqa: S311 - the same each time


HEALTHY: Final[tuple[Callable[[int], Trial], ...]] = (
    plain,
    in_mid_visit,
    at_the_checkout,
    on_a_landing_page,
    with_heavy_tails,
    split_unevenly,
    of_three_arms,
    grown_in_mid_run,
    of_regulars,
    before_a_holiday,
)
