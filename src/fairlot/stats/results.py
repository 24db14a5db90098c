"""What an experiment did: the shape of a result, as the API answers it and the reports draw it."""

from collections.abc import Mapping
from datetime import date
from enum import StrEnum
from typing import Final

import msgspec

from fairlot.stats.effects import NoEffect
from fairlot.stats.findings import Finding
from fairlot.stats.metrics import Direction, MetricKind, Role
from fairlot.stats.sufficient import View


class VerdictKind(StrEnum):
    WINNER = "winner"
    LOSER = "loser"
    NO_DIFFERENCE = "no_difference_yet"
    BLOCKED = "blocked"
    PRELIMINARY = "preliminary"
    BY_SEGMENT = "by_segment"


class Method(StrEnum):
    """How the intervals of the verdict are made."""

    SEQUENTIAL = "sequential"
    GROUP_SEQUENTIAL = "group_sequential"
    FIXED = "fixed"


METHOD_NAMES: Final[Mapping[Method, str]] = {
    Method.SEQUENTIAL: "confidence sequence",
    Method.GROUP_SEQUENTIAL: "Lan-DeMets boundaries",
    Method.FIXED: "fixed horizon",
}
"""As comparisons name them."""


class _Part(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A part of a result."""


class Interval(_Part, frozen=True, kw_only=True):
    low: float
    high: float


class Lift(_Part, frozen=True, kw_only=True):
    """Relative to the control, by Fieller. Without an interval `hidden_because` says why."""

    estimate: float | None = None
    interval: Interval | None = None
    hidden_because: str | None = None


class Look(_Part, frozen=True, kw_only=True):
    """What the daily close of `day` saw; `running` is the intersection of all looks so far, and
    is absent when that is empty.

    `interval` and `p` are at `alpha`, from the estimate, its `standard_error` and its
    `degrees_of_freedom`, so that they can be told at another level. Looks that older versions have
    stored lack these, and are told as they were.
    """

    day: date
    n: int
    estimate: float
    interval: Interval
    p: float
    alpha: float | None = None
    standard_error: float | None = None
    degrees_of_freedom: float | None = None
    running: Interval | None = None


class GuardrailState(StrEnum):
    SAFE = "safe"
    HARMFUL = "harmful"
    INCONCLUSIVE = "inconclusive"


class Bayesian(_Part, frozen=True, kw_only=True):
    """No guarantee under peeking."""

    probability_better: float
    expected_loss: float
    interval: Interval


class Estimate(_Part, frozen=True, kw_only=True):
    """A difference, treatment minus control, by one method."""

    estimate: float
    standard_error: float | None
    interval: Interval
    p: float


class Side(_Part, frozen=True, kw_only=True):
    """An arm as it is in a comparison. `variance` is of what is compared of a subject: winsorised,
    of a ratio made linear, by CUPED what is left of it; over `n` it is the arm's part of the square
    of the standard error. `skewness`, which the gate rests on, is without CUPED."""

    n: int
    value: float
    variance: float
    skewness: float | None


class ValuesAre(StrEnum):
    """Why the values of a comparison are not those of its arms."""

    ADJUSTED = "adjusted"
    """By CUPED."""
    OF_SHARED_PHASES = "of_shared_phases"
    """Only the phases count in which both were, weighted by the subjects of both."""
    OF_LAST_LOOK = "of_last_look"


class Comparison(_Part, frozen=True, kw_only=True):
    """A variant against the control in one metric (and, if asked for, one segment value).

    `estimate`, `interval` and `p` are what the verdict rests on, by `method` at `alpha`, which is
    after the correction for `comparisons` of them. `unadjusted` is without CUPED, `fixed` the
    fixed-horizon one at the same alpha. `p` is the smallest so far, of all looks: under alpha just
    when one of them left out 0. `no_cuped` says why there is no CUPED. `is_gated`: too few subjects
    or conversions for `method`; then there is no conclusion. `p_holm` and `p_bh` are p after these
    corrections. `running` is what all `looks` and `interval` have in common: absent without looks,
    and when that is nothing. `estimate` is the value of the `treatment` minus that of the
    `control`; both are null where the look that decides would be another today. Where these values
    are not those of the metric's `arms`, `values_are` says why. `standard_error` is of `estimate`;
    `theta` of CUPED by covariate, one for each phase that is adjusted.
    """

    metric: str
    variant: str
    segment: str | None = None
    method: str
    alpha: float
    n_control: int
    n_variant: int
    control: Side | None = None
    treatment: Side | None = None
    values_are: tuple[ValuesAre, ...] = ()
    estimate: float
    standard_error: float | None = None
    interval: Interval
    p: float
    p_holm: float | None = None
    p_bh: float | None = None
    is_significant: bool = False
    is_gated: bool = False
    gate: str | None = None
    variance_reduction: float | None = None
    no_cuped: str | None = None
    theta: tuple[dict[str, float], ...] = ()
    unadjusted: Estimate | None = None
    fixed: Estimate | None = None
    running: Interval | None = None
    lift: Lift | None = None
    bayesian: Bayesian | None = None
    guardrail: GuardrailState | None = None
    looks: tuple[Look, ...] = ()

    @property
    def planned_look(self) -> Look | None:
        """The one that `estimate` and `interval` are of: none by the sequence, of which each moment
        is a look."""
        is_daily = self.method == METHOD_NAMES[Method.SEQUENTIAL]
        return None if is_daily or not self.looks else self.looks[-1]

    @property
    def disagrees(self) -> bool:
        """Whether looks and this moment exclude each other, or leave out 0 on the side where the
        estimate is not."""
        if not self.looks:
            return False
        if self.running is None:
            return True
        low, high = self.running.low, self.running.high
        is_contrary = (low > 0 and self.estimate < 0) or (high < 0 and self.estimate > 0)
        return is_contrary and not self.is_gated


class Uncompared(_Part, frozen=True, kw_only=True):
    """A variant that cannot be compared with the control in a metric (and, if asked for, in one
    segment value): there is no comparison of it. `sentence` says the reason in words."""

    variant: str
    segment: str | None = None
    reason: NoEffect
    sentence: str


class ArmValue(_Part, frozen=True, kw_only=True):
    """Of one arm, in one metric: `value` is the mean, the rate, the ratio or the quantile; `total`
    what its subjects did in all, where that is what is measured. `variance` and `skewness` are of
    what is measured of a subject (winsorised, of a ratio made linear): the root of `variance` over
    `n` is the standard error of `value`. Null of fewer than two subjects. By the Bayesian view,
    which is no guarantee under peeking, `probability_best` is that this arm is the best of all, and
    `expected_loss` what choosing it loses on average against the best other one, where that is
    better. Null by segment, of more than 12 arms, and where not all arms were in the same phases.
    """

    variant: str
    segment: str | None = None
    n: int
    value: float | None
    variance: float | None = None
    skewness: float | None = None
    total: float | None = None
    converted: int
    capped: int
    probability_best: float | None = None
    expected_loss: float | None = None


class MetricResult(_Part, frozen=True, kw_only=True):
    """`minimum_effect` and `margin` as in the metric: absolute, in its unit."""

    key: str
    name: str
    kind: MetricKind
    role: Role
    direction: Direction
    window_ms: int
    cap: float | None
    minimum_effect: float | None = None
    margin: float | None = None
    arms: tuple[ArmValue, ...]
    comparisons: tuple[Comparison, ...]
    uncompared: tuple[Uncompared, ...] = ()


class ArmSummary(_Part, frozen=True, kw_only=True):
    """`exposed` are analysed, `excluded` are not, by reason, and whoever saw several variants
    counts in each; `share` is what was to be expected.
    `daily`: how many were first exposed on each day."""

    variant: str
    name: str
    is_control: bool
    share: float
    exposed: int
    excluded: dict[str, int]
    daily: dict[date, int]


class SrmResult(_Part, frozen=True, kw_only=True):
    """Whether the arms have the sizes that they should: `p` is valid at every look. `chi_square` is
    null, and both p are 0, where subjects are in an arm that has no share: no number is so large.
    """

    p: float
    chi_square: float | None
    chi_square_p: float
    p_before_exclusions: float


class Verdict(_Part, frozen=True, kw_only=True):
    """`sentence` says all in plain words; `reasons` are the codes of what blocks it."""

    kind: VerdictKind
    sentence: str
    variant: str | None = None
    metric: str | None = None
    reasons: tuple[str, ...] = ()


class ExperimentResult(_Part, frozen=True, kw_only=True):
    """Instants are milliseconds since the epoch. `planned_size` is N* of the confidence sequence,
    over both arms of a comparison. `excluded`: by reason, who of all arms is not analysed, each
    subject once. `query_sha256` and `engine` say what answered."""

    project: str
    experiment: str
    experiment_name: str
    as_of_ms: int
    started_at_ms: int | None
    view: View
    method: Method
    alpha: float
    planned_size: int
    time_zone: str
    verdict: Verdict
    arms: tuple[ArmSummary, ...]
    excluded: dict[str, int]
    srm: SrmResult | None
    metrics: tuple[MetricResult, ...]
    findings: tuple[Finding, ...]
    phases: int
    segment_by: str | None = None
    engine: str = "duckdb"
    query_sha256: str = ""
