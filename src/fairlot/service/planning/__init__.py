"""Planning by what the log holds: who comes, what they do, and what a method makes of them."""

from fairlot.service.planning.observed import (
    NothingRecorded,
    Observed,
    UnsuitedMetric,
    arrivals_of_log,
    observe,
)
from fairlot.service.planning.outlook import (
    Baseline,
    Need,
    Prospect,
    Traffic,
    baseline_of,
    better_size,
    design_of,
    needs_of,
    prospects_of,
    traffic_of,
)

__all__ = [
    "Baseline",
    "Need",
    "NothingRecorded",
    "Observed",
    "Prospect",
    "Traffic",
    "UnsuitedMetric",
    "arrivals_of_log",
    "baseline_of",
    "better_size",
    "design_of",
    "needs_of",
    "observe",
    "prospects_of",
    "traffic_of",
]
