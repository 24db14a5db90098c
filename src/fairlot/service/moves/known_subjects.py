"""The known subjects: those whom the event log has seen of late."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fairlot.service.moves.questions import Counts, Question
from fairlot.service.plan_document import WINDOW_DAYS

_DAY_MS: Final = 86_400_000


@dataclass(frozen=True, slots=True)
class KnownSubjects:
    """Whoever the log in `directory` has seen in exposures of the project since `since_ms`, except
    in previews, bots and staff.

    `processes` is how many share a large log; None is one for each processor, four at most.
    """

    directory: Path
    project_id: str
    since_ms: int
    processes: int | None = None

    @classmethod
    def of_last_days(cls, directory: Path, project_id: str, now_ms: int) -> "KnownSubjects":
        """Those of the days that a plan looks back."""
        return cls(directory, project_id, now_ms - WINDOW_DAYS * _DAY_MS)

    def count(self, questions: Sequence[Question]) -> Counts:
        """The answers to all questions, by one reading of the log. Blocks, a second for about
        250,000 exposures and processor. Raises UnusableLogFile for a file that cannot be read."""
        # Only who counts pays for numpy: 100 ms and 20 MB.
        from fairlot.service.moves.counting import count_known

        return count_known(self, questions)
