"""What a data directory says beside the events."""

from pathlib import Path

from fairlot.service.doctor.case import Circumstances
from fairlot.stats.sufficient import Question
from fairlot.warehouse.assigned import assigned_units
from fairlot.warehouse.senders import read_senders


def circumstances_of(events_dir: Path, question: Question) -> Circumstances:
    """Raises UnusableLogFile."""
    from_ms, before_ms = question.started_at_ms, until_ms(question)
    return Circumstances(
        senders=tuple(
            each
            for each in read_senders(events_dir, project_id=question.project_id)
            if each.last_seen_ms >= from_ms
        ),
        assigned=assigned_units(events_dir, question.experiment_id, from_ms, before_ms),
    )


def until_ms(question: Question) -> int:
    """Exposures from then on do not count."""
    ended_ms = question.ended_at_ms
    return question.as_of_ms if ended_ms is None else min(question.as_of_ms, ended_ms)
