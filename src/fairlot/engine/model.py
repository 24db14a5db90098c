"""What the engine decides over: a manifest's parts, the context of a request, and the answer.

Every rate is an integer in basis points, 0 to 10000; every range is half-open over buckets
0..9999; every instant is an integer of milliseconds since the epoch, UTC.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import msgspec

FULL_RATE_BP = 10_000
BUCKETS = 10_000


class Reason(StrEnum):
    """Why a decision came out as it did: the closed right column of the decision table."""

    UNKNOWN = "unknown"
    INVALID = "invalid"
    SERVER_ONLY = "server_only"
    PREVIEW = "preview"
    EXCLUDED = "excluded"
    SCHEDULED = "scheduled"
    PAUSED = "paused"
    ENDED = "ended"
    NO_UNIT = "no_unit"
    AUDIENCE = "audience"
    HOLDOUT = "holdout"
    LAYER = "layer"
    DIVERT = "divert"
    STICKY = "sticky"
    SAMPLE = "sample"
    ADAPTER = "adapter"
    BUCKET = "bucket"
    RECIPE = "recipe"


NOT_EVALUATED: Final = frozenset(
    {
        Reason.UNKNOWN,
        Reason.INVALID,
        Reason.SERVER_ONLY,
        Reason.PREVIEW,
        Reason.EXCLUDED,
        Reason.SCHEDULED,
        Reason.PAUSED,
        Reason.ENDED,
        Reason.NO_UNIT,
    }
)
"""Answers without a subject having been evaluated for a running experiment."""


class Status(StrEnum):
    """The states of an experiment that a manifest can hold."""

    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"


class ExperimentType(StrEnum):
    AB = "ab"
    MULTIVARIATE = "multivariate"
    PERSONALIZATION = "personalization"


class Unit(StrEnum):
    """Whose id is hashed."""

    SUBJECT = "subject"
    ACCOUNT = "account"


class Device(StrEnum):
    ALL = "all"
    DESKTOP = "desktop"
    MOBILE = "mobile"


class VisitorStatus(StrEnum):
    ANY = "any"
    NEW = "new"
    RETURNING = "returning"


class QueryOperator(StrEnum):
    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    CONTAINS = "contains"
    EXISTS = "exists"
    NOT_EXISTS = "not_exists"
    REGEX = "regex"


@dataclass(frozen=True, slots=True)
class Variant:
    """One arm. `weight` is None in an even split; `payload` is any JSON value."""

    key: str
    id: str = ""
    name: str = ""
    is_control: bool = False
    weight: int | None = None
    recipe_sample_rate_bp: int = FULL_RATE_BP
    payload: Any = None
    redirect: str | None = None
    js: str | None = None
    css: str | None = None
    dom_ops: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class QueryParam:
    key: str
    operator: QueryOperator
    value: str = ""


@dataclass(frozen=True, slots=True)
class Audience:
    """Who is eligible; every part that is present must hold."""

    rule: Mapping[str, Any] = field(default_factory=dict)
    segments: tuple[str, ...] = ()
    url_patterns: tuple[str, ...] = ()
    query_params: tuple[QueryParam, ...] = ()
    device: Device = Device.ALL
    visitor_status: VisitorStatus = VisitorStatus.ANY
    sample_rate_bp: int = FULL_RATE_BP


@dataclass(frozen=True, slots=True)
class Hours:
    """When, in UTC, a schedule is open: minutes of the day, `end` exclusive.

    `start` after `end` crosses midnight and belongs to the day on which it began.
    `days` are ISO weekdays, Monday 1 to Sunday 7.
    """

    start: int
    end: int
    days: frozenset[int] = frozenset(range(1, 8))


@dataclass(frozen=True, slots=True)
class Schedule:
    start_ms: int | None = None
    end_ms: int | None = None
    hours: Hours | None = None


@dataclass(frozen=True, slots=True)
class LayerRange:
    """The buckets `[start, end)` of layer `key` that an experiment owns."""

    key: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class EventRule:
    """A subject did `event`, each time with properties that satisfy `where`, `count` times or more
    within the last `within_ms`; without it, ever."""

    event: str
    where: Mapping[str, Any] = field(default_factory=dict)
    count: int = 1
    within_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ActivationRule:
    """What activates a personalization for a subject: for `for_ms`, without it for good, and
    `limit` times at most. `control_share_bp` of the subjects are activated as control."""

    when: EventRule
    for_ms: int | None = None
    limit: int | None = None
    control_share_bp: int = 1000


@dataclass(frozen=True, slots=True)
class Experiment:
    """Something decided per subject. `salt` is always stored, never derived while deciding."""

    key: str
    salt: str
    variants: tuple[Variant, ...]
    id: str = ""
    name: str = ""
    type: ExperimentType = ExperimentType.AB
    status: Status = Status.RUNNING
    hash_version: int = 1
    unit: Unit = Unit.SUBJECT
    audience: Audience = Audience()
    layer: LayerRange | None = None
    schedule: Schedule | None = None
    divert_to: str | None = None
    rollout: str | None = None
    recheck_audience: bool = False
    adapter_is_randomised: bool = False
    server_only: bool = False
    manual_exposure: bool = False
    metadata: Mapping[str, Any] | None = None
    group: str | None = None
    priority: int = 0
    display: str = "always"
    on_login: str = "keep"
    trigger: Mapping[str, Any] | None = None
    shared_js: str | None = None
    shared_css: str | None = None
    activation: ActivationRule | None = None

    def variant(self, key: str) -> Variant | None:
        return next((variant for variant in self.variants if variant.key == key), None)


@dataclass(frozen=True, slots=True)
class Layer:
    key: str
    salt: str


@dataclass(frozen=True, slots=True)
class Holdout:
    key: str
    salt: str
    rate_bp: int


@dataclass(frozen=True, slots=True)
class RuleSegment:
    key: str
    rule: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ListSegment:
    """A list of members, plain or hashed.

    `attribute` is the path whose value is looked up when an audience names the segment; None is
    the subject id. A hashed member is the lower-case hex of SHA-256(salt + value), cut to 16 bytes.
    """

    key: str
    values: tuple[Any, ...] = ()
    attribute: str | None = None
    salt: str = ""
    hashes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ServerSegment:
    """A segment that only the server can decide; its rule is not in the manifest."""

    key: str


@dataclass(frozen=True, slots=True)
class HistoryCondition:
    """What a subject has done, or with `performed` false has not."""

    rule: EventRule
    performed: bool = True


@dataclass(frozen=True, slots=True)
class HistorySegment:
    """Subjects whose history satisfies all conditions, and whose attributes satisfy `rule`."""

    key: str
    conditions: tuple[HistoryCondition, ...]
    rule: Mapping[str, Any] = field(default_factory=dict)


Segment = RuleSegment | ListSegment | ServerSegment | HistorySegment


class Take(StrEnum):
    """Which of the values that events bring a property keeps."""

    LAST = "last"
    FIRST = "first"
    HIGHEST = "highest"
    LOWEST = "lowest"
    SUM = "sum"
    COUNT = "count"


@dataclass(frozen=True, slots=True)
class PropertyRule:
    """A scalar of a subject, taken from the value at the path `value` of an event's properties each
    time that the event satisfies `when`. COUNT needs no path."""

    key: str
    when: EventRule
    value: str | None = None
    take: Take = Take.LAST


class FeedAlgorithm(StrEnum):
    MOST_POPULAR = "most_popular"
    NEWEST = "newest"
    RECENTLY_VIEWED = "recently_viewed"


@dataclass(frozen=True, slots=True)
class Feed:
    """A list of products. A view, an addition to a cart and an order count their weight, halved
    every `half_life_ms`. `fill_up` are the keys of feeds that follow when it is too short. Products
    that satisfy `exclude`, or not `only`, are left out; `pin` are product ids that come first."""

    key: str
    algorithm: FeedAlgorithm
    view_weight: float = 1.0
    cart_weight: float = 3.0
    order_weight: float = 10.0
    half_life_ms: int = 7 * 86_400_000
    fill_up: tuple[str, ...] = ()
    only: Mapping[str, Any] = field(default_factory=dict)
    exclude: Mapping[str, Any] = field(default_factory=dict)
    pin: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    limit: int = 10


@dataclass(frozen=True, slots=True)
class BrokenExperiment:
    """An experiment that could not even be read; it decides nothing, reason `invalid`."""

    key: str
    problem: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """All that is needed to decide for one project.

    `keys` are the ids of the keys that may sign the next one; none says nothing about them.
    `properties` and `feeds` are the server's own, and never in what clients get.
    """

    org: str
    project: str
    version: int
    published_at: str
    experiments: tuple[Experiment | BrokenExperiment, ...]
    holdout: Holdout | None = None
    layers: tuple[Layer, ...] = ()
    segments: tuple[Segment, ...] = ()
    keys: tuple[str, ...] = ()
    properties: tuple[PropertyRule, ...] = ()
    feeds: tuple[Feed, ...] = ()


@dataclass(frozen=True, slots=True)
class AdapterCall:
    """What a decision adapter is asked about."""

    experiment_key: str
    subject_id: str
    context: "Context"


@dataclass(frozen=True, slots=True)
class Overrides:
    """What a caller may put before the draw. `preview` holds verified tokens only."""

    preview: Mapping[str, str] = field(default_factory=dict)
    excluded: bool = False
    adapter: Callable[[AdapterCall], str | None] | None = None


class Occurrence(msgspec.Struct, frozen=True, weakref=True):
    """One time that an event happened."""

    at_ms: int
    properties: Mapping[str, Any] = {}


History = Mapping[str, Sequence[Occurrence]]
"""What a subject did lately, by the name of the event, the latest first."""


class Context(msgspec.Struct):
    """What is known of one request; the engine reads it and never changes it.

    Absent means unknown: without a `url` no URL pattern is checked, without `url` and `search` no
    query parameter. `sticky` maps experiment keys to remembered variant keys, `activations` those
    of triggered personalizations to the variants that are active, None for the control share.
    `now_ms` matters only to experiments with a schedule, and to segments over `history`, which only
    the server knows. (A struct: one is made for each request, and a dataclass takes twice as long.)
    """

    attributes: Mapping[str, Any] = {}
    account_id: str | None = None
    account: Mapping[str, Any] = {}
    url: str | None = None
    search: str | None = None
    device: Device | None = None
    visitor_status: VisitorStatus | None = None
    now_ms: int = 0
    sticky: Mapping[str, str] | None = None
    overrides: Overrides | None = None
    history: History | None = None
    activations: Mapping[str, str | None] | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What came out: a variant or none, and why.

    `store` says that the caller should remember the variant for this unit. `experiment` is None
    when the key is unknown or the experiment could not be read.
    """

    experiment_key: str
    variant: Variant | None
    reason: Reason
    store: bool = False
    experiment: Experiment | None = None

    @property
    def in_experiment(self) -> bool:
        """True also for reason `recipe`: in the test, though nothing is served."""
        return self.variant is not None or self.reason is Reason.RECIPE


@dataclass(frozen=True, slots=True)
class TraceStep:
    """One row of an explanation: `verdict` is `passed`, `answered` or `skipped`."""

    name: str
    verdict: str
    note: str
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Explanation:
    decision: Decision
    steps: tuple[TraceStep, ...]
