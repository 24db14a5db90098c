"""What a data directory says beside the events."""

from pathlib import Path

from fairlot.service.doctor.case import Circumstances
from fairlot.stats.sufficient import Question
from fairlot.warehouse.assigned import assigned_units
from fairlot.warehouse.lake.gone import GoneExposures, gone_exposures
from fairlot.warehouse.senders import read_senders


def circumstances_of(
    events_dir: Path, question: Question, *, is_past: bool = False
) -> Circumstances:
    """What senders say is of their whole life up to now, so of a past moment it is left out.
    Raises UnusableLogFile."""
    from_ms, before_ms = question.started_at_ms, until_ms(question)
    senders = () if is_past else read_senders(events_dir, project_id=question.project_id)
    return Circumstances(
        senders=tuple(each for each in senders if each.last_seen_ms >= from_ms),
        assigned=assigned_units(events_dir, question.experiment_id, from_ms, before_ms),
        gone=tuple(
            each
            for each in gone_exposures(events_dir, question.project_id)
            if _is_of(question, each)
        ),
    )


def _is_of(question: Question, gone: GoneExposures) -> bool:
    """Exposures by a manifest without ids are told by the key."""
    if gone.experiment_id:
        return gone.experiment_id == question.experiment_id
    return gone.experiment_key == question.experiment_key


def until_ms(question: Question) -> int:
    """Exposures from then on do not count."""
    ended_ms = question.ended_at_ms
    return question.as_of_ms if ended_ms is None else min(question.as_of_ms, ended_ms)
