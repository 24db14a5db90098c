"""Why there is no result."""

from fairlot.engine.errors import FairlotError


class ResultFailed(FairlotError):
    """What holds the events did not answer."""

    code = "query_failed"


class UnusableMetric(FairlotError):
    """A metric, or a segment, that no query can be made of."""

    code = "unusable_question"


class UnknownMetric(FairlotError):
    code = "unknown_metric"

    def __init__(self, metric: str, meant: str) -> None:
        self.metric = metric
        super().__init__(f"{metric}: no metric of this experiment; {meant}")
