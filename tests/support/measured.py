"""What is measured of subjects, from their raw columns."""

from collections.abc import Sequence

import numpy as np

from fairlot.stats.moments import Moments, moments_of
from fairlot.stats.sufficient import MetricDay


def moments(*columns: Sequence[float] | np.ndarray, responses: int = 1) -> Moments:
    return moments_of([np.asarray(column, dtype=np.float64) for column in columns], responses)


def measured(*columns: Sequence[float] | np.ndarray, responses: int = 1) -> MetricDay:
    return MetricDay(
        moments=moments(*columns, responses=responses),
        converted=int(np.count_nonzero(columns[0])),
        capped=0,
    )
