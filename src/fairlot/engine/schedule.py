"""Whether an experiment is open at an instant."""

from fairlot.engine.model import Experiment, Hours, Reason, Schedule, Status

_MINUTE_MS = 60_000
_DAY_MINUTES = 1440
_EPOCH_WEEKDAY = 4  # 1970-01-01 was a Thursday


def state_at(experiment: Experiment, now_ms: int) -> Reason | None:
    """`scheduled`, `ended` or `paused`; None while open. Not for a rolled-out experiment."""
    schedule = experiment.schedule or Schedule()
    if schedule.start_ms is not None and now_ms < schedule.start_ms:
        return Reason.SCHEDULED
    is_past = schedule.end_ms is not None and now_ms >= schedule.end_ms
    if is_past or experiment.status is Status.COMPLETED:
        return Reason.ENDED
    is_closed = schedule.hours is not None and not is_open(schedule.hours, now_ms)
    return Reason.PAUSED if is_closed or experiment.status is Status.PAUSED else None


def is_open(hours: Hours, now_ms: int) -> bool:
    """Whether the UTC minute of `now_ms` lies in `hours`."""
    day, minute = divmod(now_ms // _MINUTE_MS, _DAY_MINUTES)
    weekday = (day + _EPOCH_WEEKDAY - 1) % 7 + 1
    if hours.start < hours.end:
        return hours.start <= minute < hours.end and weekday in hours.days
    day_before = (weekday - 2) % 7 + 1
    return (minute >= hours.start and weekday in hours.days) or (
        minute < hours.end and day_before in hours.days
    )
