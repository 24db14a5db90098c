"""The seam between the warehouse and the statistics: what was asked, and the table that answers."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Final

from fairlot.stats.metrics import Metric
from fairlot.stats.moments import Moments

ANY_VERSION: Final = 2**62


class View(StrEnum):
    """Which subjects count: those whose window is over, or all so far."""

    MATURED = "matured"
    SO_FAR = "so_far"


@dataclass(frozen=True, slots=True)
class Arm:
    """`share` of all arms of a phase is 1: the weight times the rate of the variant, renormalised.
    `variant_key` of the control share of a triggered personalization is `control`."""

    variant_key: str
    is_control: bool
    share: float


@dataclass(frozen=True, slots=True)
class Phase:
    """Manifest versions from `first_version` up to but without `end_version` that drew alike."""

    number: int
    first_version: int
    end_version: int
    arms: tuple[Arm, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """Instants are milliseconds since the epoch. `time_zone` is an IANA name: days are its days.

    Exposures before `started_at_ms`, exposures at or after `ended_at_ms`, and everything at or
    after `as_of_ms`, do not count. `by_unit`: the units of the exposures (accounts) are what is
    analysed, and whoever was exposed belongs to the unit of the first exposure. `leaves_on_login`:
    who was exposed before becoming a user is left out. `received_before_ms`: of all events only
    those count that were received before it.
    `segment_by` splits by a column of the first exposure (`device`, `source`) or a property of it
    (`properties.<name>`). `caps` are by metric, those that are fixed already.
    """

    project_id: str
    experiment_id: str
    experiment_key: str
    phases: tuple[Phase, ...]
    metrics: tuple[Metric, ...]
    started_at_ms: int
    as_of_ms: int
    time_zone: str = "UTC"
    view: View = View.MATURED
    segment_by: str | None = None
    adapter_is_randomised: bool = False
    caps: Mapping[str, float] | None = None
    ended_at_ms: int | None = None
    by_unit: bool = False
    leaves_on_login: bool = False
    received_before_ms: int | None = None


class Exclusion(StrEnum):
    """Why a subject that was exposed is not analysed."""

    SEVERAL_VARIANTS = "several_variants"
    OTHER_REASON = "other_reason"
    SWITCHED = "switched"
    EXCLUDED_ON_LOGIN = "excluded_on_login"
    UNKNOWN_VARIANT = "unknown_variant"
    PUBLIC = "public"


@dataclass(frozen=True, slots=True)
class MetricDay:
    """`converted`: subjects whose response (of a ratio: numerator) is not 0. `capped`: subjects
    whose total was above the cap."""

    moments: Moments
    converted: int
    capped: int


@dataclass(frozen=True, slots=True)
class Grid:
    """How many subjects' totals lie in each cell of the fixed grid of quantiles: by the upper
    edge of the cell, ascending."""

    counts: Mapping[float, int]


@dataclass(frozen=True, slots=True)
class ArmDay:
    """The subjects first exposed on `day`, in one arm of one phase, with one segment value.

    `exposed` counts all that are analysed; the metrics those of them that `Question.view` takes.
    """

    phase: int
    variant_key: str
    segment: str | None
    day: date
    exposed: int
    metrics: Mapping[str, MetricDay]
    grids: Mapping[str, Grid]


@dataclass(frozen=True, slots=True)
class Excluded:
    """A subject seen in several variants counts in each of them."""

    phase: int
    variant_key: str
    exclusion: Exclusion
    subjects: int


@dataclass(frozen=True, slots=True)
class Sufficient:
    """`skewed`: conversions up to 5 s before the exposure that count as at it. `not_human`:
    subjects left out because only bots and staff acted. `query_sha256` is of the SQL. `left_out`
    are the subjects that are `excluded`, each counted once."""

    question: Question
    rows: tuple[ArmDay, ...]
    excluded: tuple[Excluded, ...]
    caps: Mapping[str, float]
    skewed: int
    not_human: int
    query_sha256: str
    left_out: Mapping[Exclusion, int] = field(default_factory=dict)
