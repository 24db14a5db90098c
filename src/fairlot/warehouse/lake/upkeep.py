"""What is done in the background for the lake, by whichever process comes first."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fairlot.logs import get_logger
from fairlot.warehouse.lake.compacting import compact, is_due
from fairlot.warehouse.lake.joining import delete_old_files, join_files
from fairlot.warehouse.lake.worker_rows import what_waits

UPKEEP_EVERY_S: Final = 30.0
_JOINED_EVERY_MS: Final = 3_600_000
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Bounds:
    """Events move into Parquet when so many wait, or one is so old. Files of days longer ago than
    `retention_days` are deleted; 0 keeps all."""

    rows: int
    age_ms: int
    retention_days: int


@dataclass(slots=True)
class UpkeepFigures:
    """`waiting` are events that were not moved yet."""

    waiting: int = 0
    moved: int = 0
    repeated: int = 0
    deleted_files: int = 0
    failures: int = 0


class Upkeep:
    """Of one process. Blocks while it works, and never at the same time as another's."""

    def __init__(self, directory: Path, bounds: Bounds) -> None:
        self.figures = UpkeepFigures()
        self._directory = directory
        self._bounds = bounds
        self._joined_at_ms = 0
        self._reported: set[Path] = set()

    def run(self, now_ms: int, is_stopping: Callable[[], bool] = lambda: False) -> None:
        """Do what is due. Raises OSError and UnusableLogFile; what failed is tried
        again the next time."""
        try:
            self._run(now_ms, is_stopping)
        except Exception:
            self.figures.failures += 1
            raise
        finally:
            self.figures.waiting = what_waits(self._directory).rows

    def _report(self, unusable: Mapping[Path, str]) -> None:
        """Each once."""
        for path, problem in unusable.items():
            if path not in self._reported:
                self._reported.add(path)
                _log.error("lake.worker_file_unusable", file=str(path), problem=problem)

    def _run(self, now_ms: int, is_stopping: Callable[[], bool]) -> None:
        bounds, figures = self._bounds, self.figures
        if is_due(self._directory, now_ms=now_ms, rows=bounds.rows, age_ms=bounds.age_ms):
            done = compact(self._directory, is_stopping=is_stopping)
            if done is not None:
                figures.moved += done.events
                figures.repeated += done.repeated
                self._report(done.unusable)
        if now_ms - self._joined_at_ms >= _JOINED_EVERY_MS and not is_stopping():
            self._joined_at_ms = now_ms
            join_files(self._directory, now_ms=now_ms)
        if bounds.retention_days:
            figures.deleted_files += delete_old_files(
                self._directory, now_ms=now_ms, days=bounds.retention_days
            )
