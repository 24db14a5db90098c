"""What has to be measured per subject for the metrics of a question, each thing once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import msgspec

from fairlot.engine.conditions import paths_read
from fairlot.stats.metrics import EventTotal, Metric, MetricKind
from fairlot.stats.sufficient import Question

COVARIATE_WINDOW_MS: Final = 14 * 86_400_000
"""Before the exposure."""


@dataclass(frozen=True, slots=True)
class Cap:
    """Of one total: a value, or else the quantile that is to be computed."""

    value: float | None
    quantile: float | None


@dataclass(frozen=True)
class Response:
    """A per-subject number: one total in one window, capped or not.

    Hashed and compared by `identity`, as `where` is no hashable thing.
    """

    total: EventTotal
    window_ms: int
    counts_public: bool
    cap: Cap | None

    @cached_property
    def uncapped(self) -> str:
        total = self.total
        what = (total.event_name, total.aggregate, total.where, self.window_ms, self.counts_public)
        return msgspec.json.encode(what, order="deterministic").decode()

    @cached_property
    def identity(self) -> str:
        return f"{self.uncapped} {self.cap}"


@dataclass(frozen=True)
class Measures:
    """All responses of a question, numbered; `of` gives the numbers of a metric's."""

    responses: tuple[Response, ...]
    of: Mapping[str, tuple[int, ...]]
    with_covariates: frozenset[str]

    @property
    def windows(self) -> tuple[int, ...]:
        return tuple(sorted({each.window_ms for each in self.responses}))

    @property
    def longest_window_ms(self) -> int:
        return max(self.windows, default=0)

    @property
    def totals(self) -> dict[str, Response]:
        """One response of each kind of total, whatever its cap."""
        return {each.uncapped: each for each in self.responses}

    @cached_property
    def property_paths(self) -> dict[str, int]:
        """The dotted paths of the events' properties that conditions read, each with a number: a
        path is anybody's text, which no engine takes for the name of a column."""
        read = (path for each in self.responses for path in paths_read(each.total.where))
        return {path: number for number, path in enumerate(dict.fromkeys(read))}


def measures_of(question: Question) -> Measures:
    numbers: dict[str, int] = {}
    responses: list[Response] = []
    of: dict[str, tuple[int, ...]] = {}
    for metric in question.metrics:
        mine = []
        for response in _responses_of(metric, question.caps or {}):
            if response.identity not in numbers:
                numbers[response.identity] = len(responses)
                responses.append(response)
            mine.append(numbers[response.identity])
        of[metric.key] = tuple(mine)
    return Measures(tuple(responses), of, frozenset(_with_covariates(question.metrics)))


def _responses_of(metric: Metric, caps: Mapping[str, float]) -> Iterable[Response]:
    yield Response(metric.numerator, metric.window_ms, metric.counts_public, _cap(metric, caps))
    if metric.denominator is not None:
        yield Response(metric.denominator, metric.window_ms, metric.counts_public, None)


def _cap(metric: Metric, caps: Mapping[str, float]) -> Cap | None:
    value = metric.winsorisation.cap
    if value is None:
        value = caps.get(metric.key)
    if value is not None:
        return Cap(value, None)
    quantile = metric.winsorisation.quantile
    return None if quantile is None else Cap(None, quantile)


def _with_covariates(metrics: Iterable[Metric]) -> Iterable[str]:
    """Quantiles have none."""
    return (each.key for each in metrics if each.kind is not MetricKind.QUANTILE)
