"""From a stored experiment to its result."""

from fairlot.service.results.questions import InvalidSegment, NotStarted, question_of, study_of

__all__ = ["InvalidSegment", "NotStarted", "question_of", "study_of"]
