"""What stands beside a project's experiments: layers, segments, the holdout, metrics, feeds and
properties.

The JSON of these structs is what the database keeps and the API answers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import msgspec

from fairlot.engine import EventRule, FeedAlgorithm, Take
from fairlot.manifest.errors import UnreadableDefinition
from fairlot.manifest.nodes import MapNode
from fairlot.stats.metrics import Aggregate, Direction, MetricKind


class DocumentKind(StrEnum):
    """What a YAML document describes; all but the first are definitions."""

    EXPERIMENT = "experiment"
    LAYER = "layer"
    SEGMENT = "segment"
    HOLDOUT = "holdout"
    METRIC = "metric"
    FEED = "feed"
    PROPERTY = "property"

    @property
    def plural(self) -> str:
        return "properties" if self is DocumentKind.PROPERTY else f"{self.value}s"


DEFINITION_KINDS: Final = tuple(
    kind for kind in DocumentKind if kind is not DocumentKind.EXPERIMENT
)


class _Definition(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    omit_defaults=True,
    forbid_unknown_fields=True,
    tag_field="kind",
    tag=lambda name: name.removesuffix("Definition").lower(),
):
    """`name` and `description` are for people, and never published."""

    key: str
    name: str
    description: str | None = None

    @property
    def kind(self) -> DocumentKind:
        return DocumentKind(str(self.__struct_config__.tag))


class LayerDefinition(_Definition, frozen=True):
    """Buckets that experiments share out. Without a salt it is `layer.<key>`."""

    salt: str | None = None


class EventRuleDefinition(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """What a subject did: `event`, each time with properties that satisfy `where`, `count` times
    within the last `within_ms`, ever without."""

    event: str
    where: Mapping[str, Any] = {}
    count: int = 1
    within_ms: int | None = None

    def rule(self) -> EventRule:
        return EventRule(self.event, self.where, self.count, self.within_ms)


class HistoryConditionDefinition(EventRuleDefinition, frozen=True, kw_only=True):
    """What a subject did, or with `performed` false did not."""

    performed: bool = True


class SegmentDefinition(_Definition, frozen=True):
    """Subjects who satisfy `rule`, did all of `history` and are in all of `segments`, or who are
    listed in `values`.

    A list looks up the value at the path `attribute`, without one the subject id; its values are
    hashed in the manifest unless it `is_public`. Without a salt it is `segment.<key>`.
    """

    rule: Mapping[str, Any] | None = None
    history: tuple[HistoryConditionDefinition, ...] = ()
    segments: tuple[str, ...] = ()
    values: tuple[str | int | float, ...] | None = None
    attribute: str | None = None
    is_public: bool = msgspec.field(default=False, name="public")
    salt: str | None = None

    @property
    def is_list(self) -> bool:
        return self.values is not None


class HoldoutDefinition(_Definition, frozen=True):
    """Subjects kept out of every experiment. Without a salt it is `holdout.<project key>`."""

    rate_bp: int
    salt: str | None = None


class _Shared(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    omit_defaults=True,
    forbid_unknown_fields=True,
):
    """A part of a metric."""


class EventTotalDefinition(_Shared, frozen=True, kw_only=True):
    """`aggregate` of a subject's events of that name whose properties satisfy `where`."""

    event_name: str
    aggregate: Aggregate
    where: Mapping[str, Any] = {}


class WinsoriseDefinition(_Shared, frozen=True, kw_only=True):
    """One of the two."""

    cap: float | None = None
    quantile: float | None = None


class MetricDefinition(_Definition, frozen=True):
    """What is measured of a subject's events: those named `event_name` whose properties satisfy
    `where`; of a ratio two totals. Without a window or `winsorise` they are the defaults of
    `fairlot.stats.metrics`."""

    type: MetricKind
    event_name: str = ""
    where: Mapping[str, Any] = {}
    numerator: EventTotalDefinition | None = None
    denominator: EventTotalDefinition | None = None
    quantile: float | None = None
    window_ms: int | None = None
    winsorise: WinsoriseDefinition | None = None
    direction: Direction = Direction.INCREASE
    minimum_effect: float | None = None
    margin: float | None = None
    counts_public: bool = False


class FeedWeights(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What a view, an addition to a cart and an order of a product count."""

    view: float
    cart: float
    order: float


class FeedDefinition(_Definition, frozen=True):
    """A list of products. Without `weights` and a half-life they are those of the engine's model,
    as all defaults are."""

    algorithm: FeedAlgorithm
    weights: FeedWeights | None = None
    half_life_ms: int | None = None
    fill_up: tuple[str, ...] = ()
    only: Mapping[str, Any] | None = None
    exclude: Mapping[str, Any] | None = None
    pin: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    limit: int | None = None


class PropertyDefinition(_Definition, frozen=True):
    """A scalar of a subject: `take` of the values at the path `value` of the events that satisfy
    `when`."""

    when: EventRuleDefinition
    value: str | None = None
    take: Take = Take.LAST


Definition = (
    LayerDefinition
    | SegmentDefinition
    | HoldoutDefinition
    | MetricDefinition
    | FeedDefinition
    | PropertyDefinition
)

_encoder: Final = msgspec.json.Encoder()
_decoder: Final = msgspec.json.Decoder(Definition)


@dataclass(frozen=True, slots=True)
class KnownDefinitions:
    """What a project has already, so that files may name it without holding it."""

    definitions: tuple[Definition, ...] = ()


NOTHING_KNOWN: Final = KnownDefinitions()


@dataclass(frozen=True, slots=True)
class WrittenDefinition:
    """A definition as written: `source` is its YAML document, which starts at `line` of `file`, and
    `root` what was read of it."""

    definition: Definition
    source: str
    file: str
    line: int
    root: MapNode = field(compare=False, repr=False)


def definition_to_json(definition: Definition) -> bytes:
    return _encoder.encode(definition)


def definition_from_json(document: bytes) -> Definition:
    """Raises UnreadableDefinition."""
    try:
        definition: Definition = _decoder.decode(document)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UnreadableDefinition(str(error)) from None
    return definition
