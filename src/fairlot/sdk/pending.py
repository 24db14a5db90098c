"""Exposures of experiments with manual exposure, until `expose` says that they happened."""

from contextlib import suppress
from typing import Final

from fairlot.events.sent import SentExposure
from fairlot.sdk.clock import Clock

MOST_PENDING: Final = 10_000
KEPT_S: Final = 3600.0


class PendingExposures:
    """The last 10,000, each for an hour. There is no lock, so a forked child may use it too; when
    threads meet, one more or less may be kept."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._kept: dict[tuple[str, str], tuple[float, SentExposure]] = {}

    def keep(self, exposure: SentExposure) -> None:
        key = (exposure.experiment_key, exposure.subject_id)
        self._kept.pop(key, None)  # so that it becomes the newest
        self._kept[key] = (self._clock.monotonic_s() + KEPT_S, exposure)
        while len(self._kept) > MOST_PENDING:
            with suppress(RuntimeError, StopIteration):
                self._kept.pop(next(iter(self._kept)), None)

    def take(self, experiment_key: str, subject_id: str) -> SentExposure | None:
        """The pending exposure, which is then pending no more."""
        until_s, exposure = self._kept.pop((experiment_key, subject_id), (0.0, None))
        return exposure if self._clock.monotonic_s() < until_s else None

    def __len__(self) -> int:
        return len(self._kept)
