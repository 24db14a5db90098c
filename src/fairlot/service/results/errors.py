"""Why there is no result."""

from collections.abc import Iterable
from typing import Final

from fairlot.engine.errors import FairlotError
from fairlot.manifest.problems import suggestion

MOST_SEGMENTS: Final = 200


class ResultFailed(FairlotError):
    """What holds the events did not answer."""

    code = "query_failed"


class UnusableMetric(FairlotError):
    """A metric, or a segment, that no query can be made of."""

    code = "unusable_question"


class TooManySegments(FairlotError):
    """A segment by a property that has a value for nearly everybody."""

    code = "too_many_segments"

    def __init__(self, segment: str, values: int) -> None:
        self.segment = segment
        super().__init__(
            f"segment: {segment!r}: has {values:,} values; at most {MOST_SEGMENTS} are compared, so"
            " choose a property with fewer, or record a coarser one"
        )


class UnknownMetric(FairlotError):
    """`key` is None where the first one was meant, and there is none."""

    code = "unknown_metric"

    def __init__(self, experiment: str, key: str | None, known: Iterable[str]) -> None:
        self.key = key
        found = sorted(known)
        which = "no metric" if key is None else f"no metric {key!r}"
        hint = suggestion(key or "", found) if found else "it has none; add one to the experiment"
        super().__init__(f"{experiment}: {which}; {hint}")
