"""From a stored experiment to its result."""

from fairlot.service.results.questions import (
    AsOfBeforeStart,
    InvalidSegment,
    NotStarted,
    question_of,
    study_of,
)

__all__ = ["AsOfBeforeStart", "InvalidSegment", "NotStarted", "question_of", "study_of"]
