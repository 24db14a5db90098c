"""Why there is no result."""

from typing import Final

from fairlot.engine.errors import FairlotError

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
    code = "unknown_metric"

    def __init__(self, metric: str, meant: str) -> None:
        self.metric = metric
        super().__init__(f"{metric}: no metric of this experiment; {meant}")
