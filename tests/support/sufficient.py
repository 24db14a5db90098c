"""Sufficient statistics of experiments, written by hand."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from fairlot.stats.analysis import Fixed, primaries_of
from fairlot.stats.metrics import Aggregate, EventTotal, Metric, MetricKind, Role
from fairlot.stats.moments import Moments
from fairlot.stats.plans import AnalysisPlan
from fairlot.stats.sufficient import (
    ANY_VERSION,
    Arm,
    ArmDay,
    MetricDay,
    Phase,
    Question,
    Sufficient,
)

DAY_MS = 86_400_000
START = date(2026, 3, 2)
START_MS = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp() * 1000)
BOUGHT = Metric(
    "bought", "Bought", MetricKind.CONVERSION, EventTotal("order", Aggregate.ANY), role=Role.PRIMARY
)
HALVES = (Arm("control", True, 0.5), Arm("b", False, 0.5))


def phase(*arms: Arm, number: int = 1) -> Phase:
    return Phase(number, 0, ANY_VERSION, arms or HALVES)


def question(*metrics: Metric, **fields: Any) -> Question:
    """As of 60 days after the start: everybody has matured."""
    given: dict[str, Any] = {
        "project_id": "p",
        "experiment_id": "e",
        "experiment_key": "hero",
        "phases": (phase(),),
        "metrics": metrics or (BOUGHT,),
        "started_at_ms": START_MS,
        "as_of_ms": START_MS + 60 * DAY_MS,
    }
    return Question(**given | fields)


def converted(n: int, count: int) -> MetricDay:
    """`count` of `n` subjects converted."""
    rate = count / n if n else 0.0
    square = n * rate * (1 - rate)
    return MetricDay(Moments(n, (rate,), (square,), (square * (1 - 2 * rate),)), count, 0)


def arm_day(
    variant: str,
    day: int,
    metrics: Mapping[str, MetricDay],
    *,
    phase: int = 1,
    segment: str | None = None,
) -> ArmDay:
    """`day` counts from the start."""
    exposed = max((each.moments.n for each in metrics.values()), default=0)
    return ArmDay(phase, variant, segment, START + timedelta(days=day), exposed, metrics, {})


def conversions(variant: str, *days: tuple[int, int], **fields: Any) -> list[ArmDay]:
    """Of `bought`: subjects and converted ones, day by day from the start."""
    return [
        arm_day(variant, number, {"bought": converted(*each)}, **fields)
        for number, each in enumerate(days)
    ]


def sufficient(rows: Iterable[ArmDay], asked: Question | None = None, **fields: Any) -> Sufficient:
    empty = Sufficient(asked or question(), tuple(rows), (), {}, 0, 0, "")
    return replace(empty, **fields)


def fixed(asked: Question, plan: AnalysisPlan | None = None, **fields: Any) -> Fixed:
    primaries = primaries_of(asked.metrics)
    variants = sum(not arm.is_control for arm in asked.phases[-1].arms)
    given: dict[str, Any] = {
        "plan": plan or AnalysisPlan(),
        "primaries": primaries,
        "comparisons": len(primaries) * variants,
        "settled": [each.key for each in asked.metrics],
        "looks": {},
    }
    return Fixed(**given | fields)
