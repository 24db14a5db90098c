"""What is measured of a subject, and how."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

import msgspec

DEFAULT_WINDOW_MS: Final = 7 * 86_400_000
DEFAULT_CAP_QUANTILE: Final = 0.999
CAP_DAYS: Final = 7
"""A cap at a quantile is that of the first so many exposure days."""


class MetricKind(StrEnum):
    """`MEAN` is the average value of an event, a ratio of its sum and its count."""

    CONVERSION = "conversion"
    COUNT = "count"
    SUM = "sum"
    MEAN = "mean"
    RATIO = "ratio"
    QUANTILE = "quantile"

    @property
    def is_ratio(self) -> bool:
        return self in {MetricKind.MEAN, MetricKind.RATIO}


class Aggregate(StrEnum):
    """What becomes of a subject's events: whether there is one (1 or 0), how many, their sum."""

    ANY = "any"
    COUNT = "count"
    SUM = "sum"


class Role(StrEnum):
    PRIMARY = "primary"
    SECONDARY = "secondary"
    GUARDRAIL = "guardrail"


class Direction(StrEnum):
    """Which way is better."""

    INCREASE = "increase"
    DECREASE = "decrease"


@dataclass(frozen=True, slots=True)
class EventTotal:
    """A number of a subject: `aggregate` of its events of that name whose properties satisfy
    `where`. A subject without such events has 0."""

    event_name: str
    aggregate: Aggregate
    where: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Winsorisation:
    """Totals above the cap count as the cap, in all arms alike: `cap`, or else the `quantile` of
    the first seven matured days. Neither: nothing is capped."""

    cap: float | None = None
    quantile: float | None = None


NOT_WINSORISED: Final = Winsorisation()


@dataclass(frozen=True, slots=True)
class Metric:
    """`denominator` is set for ratios (and means), `quantile` (0 to 1) for quantiles.

    Events count from the exposure until `window_ms` after it. `minimum_effect` and `margin` are
    absolute differences, in the unit of the metric, both positive: the smallest that matters, and
    the largest worsening that a guardrail tolerates.
    """

    key: str
    name: str
    kind: MetricKind
    numerator: EventTotal
    denominator: EventTotal | None = None
    quantile: float | None = None
    role: Role = Role.SECONDARY
    direction: Direction = Direction.INCREASE
    window_ms: int = DEFAULT_WINDOW_MS
    winsorisation: Winsorisation = NOT_WINSORISED
    minimum_effect: float | None = None
    margin: float | None = None
    counts_public: bool = False
    """Whether events that anyone could have sent (`trust: public`) count."""

    @property
    def digest(self) -> str:
        """Of what changes its numbers, or which way is better: not of name, role and limits."""
        measured = (
            self.kind,
            self.numerator,
            self.denominator,
            self.quantile,
            self.direction,
            self.window_ms,
            self.winsorisation,
            self.counts_public,
        )
        return sha256(msgspec.json.encode(measured, order="deterministic")).hexdigest()[:32]

    @property
    def responses(self) -> int:
        """How many per-subject columns are measured: two of a ratio."""
        return 2 if self.kind.is_ratio else 1
