"""The subjects of an experiment, one by one, with one of its metrics."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

from fairlot.engine.errors import FairlotError
from fairlot.service.results.errors import UnknownMetric
from fairlot.service.results.questions import Study
from fairlot.stats.metrics import Metric, MetricKind, Role
from fairlot.warehouse.lake import Lake

if TYPE_CHECKING:
    from numpy import bool_, float64, int64
    from numpy.typing import NDArray

LOG_DAYS: Final = 28
_DAY_MS: Final = 86_400_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC).toordinal()


class UnsuitedMetric(FairlotError):
    """A quantile is no mean of subjects."""

    code = "unsuited_metric"

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"{key}: a quantile cannot be planned for or simulated; name another one")


class NothingRecorded(FairlotError):
    code = "nothing_recorded"

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"{what}: no subject whose window is over is recorded yet; try later")


@dataclass(frozen=True, slots=True)
class Observed:
    """Of the subjects whose window is over: `days` since the epoch, `columns` of `Moments`, and who
    was in the control. `arrivals`: new subjects of all arms on each whole day from the first."""

    metric: Metric
    days: "NDArray[int64]"
    in_control: "NDArray[bool_]"
    columns: "NDArray[float64]"
    arrivals: tuple[int, ...]


def observe(lake: Lake, study: Study, metric_key: str | None) -> Observed:
    """Of one metric, by default the first primary one. Raises UnknownMetric, UnsuitedMetric,
    NothingRecorded and what the warehouse raises."""
    import numpy as np

    from fairlot.warehouse.queries import DuckDbEngine, per_subject

    question = study.question
    metric = _metric_of(study, metric_key)
    asked = replace(question, metrics=(metric,))
    rows = per_subject(DuckDbEngine(lake.connection), asked)
    taken = rows.taken[metric.key]
    if not taken.any():
        raise NothingRecorded(question.experiment_key)
    today = _day_number(question.as_of_ms, question.time_zone)
    controls = {arm.variant_key for arm in question.phases[-1].arms if arm.is_control}
    numbers = [at for at, key in enumerate(rows.variant_keys) if key in controls]
    return Observed(
        metric=metric,
        days=rows.day[taken],
        in_control=np.isin(rows.variant[taken], numbers),
        columns=rows.columns[metric.key][taken],
        arrivals=_by_day((int(day) for day in rows.day), today),
    )


def arrivals_of_log(lake: Lake, time_zone: str, now_ms: int) -> tuple[int, ...]:
    """New subjects on each of the last 28 whole days: those exposed to anything, counted on the
    first of these days on which they were. Raises NothingRecorded."""
    today = _day_number(now_ms, time_zone)
    counts = _first_days(lake, time_zone, today)
    if not counts:
        raise NothingRecorded("this project")
    return _by_day(Counter(counts).elements(), today)


def _first_days(lake: Lake, time_zone: str, today: int) -> dict[int, int]:
    first = datetime.fromordinal(_EPOCH + today - LOG_DAYS).replace(tzinfo=ZoneInfo(time_zone))
    last = datetime.fromordinal(_EPOCH + today).replace(tzinfo=ZoneInfo(time_zone))
    found = lake.connection.execute(
        "SELECT day, count(*) FROM (SELECT subject_id, "
        "date_diff('day', DATE '1970-01-01', min(occurred_at AT TIME ZONE ?)::DATE) AS day "
        "FROM exposures WHERE occurred_at >= ? AND occurred_at < ? GROUP BY subject_id) "
        "GROUP BY day",
        [time_zone, first, last],
    ).fetchall()
    return {int(day): int(count) for day, count in found}


def _by_day(days: Iterable[int], today: int) -> tuple[int, ...]:
    """From the first day on which somebody came to the last one, but for today, which is not over.
    If all came today, that counts as a day."""
    counts = Counter(days)
    first, last = min(counts), max(counts)
    return tuple(counts[day] for day in range(first, max(min(today, last + 1), first + 1)))


def _metric_of(study: Study, key: str | None) -> Metric:
    metrics = {metric.key: metric for metric in study.question.metrics}
    if key is None:
        primary = [each for each in metrics.values() if each.role is Role.PRIMARY]
        found = next(iter(primary or metrics.values()), None)
    else:
        found = metrics.get(key)
    if found is None:
        raise UnknownMetric(study.question.experiment_key, key, metrics)
    if found.kind is MetricKind.QUANTILE:
        raise UnsuitedMetric(found.key)
    return found


def _day_number(instant_ms: int, time_zone: str) -> int:
    at = datetime.fromtimestamp(instant_ms / 1000, ZoneInfo(time_zone))
    return at.date().toordinal() - _EPOCH
