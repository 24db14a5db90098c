"""How a metric measures: what metrics of the project share with those written in place."""

from collections.abc import Mapping
from typing import Any, Final

from fairlot.manifest.definitions import EventTotalDefinition, WinsoriseDefinition
from fairlot.manifest.durations import UNITS_MS, Duration
from fairlot.manifest.engine_check import EngineCheck
from fairlot.manifest.fields import Field, Fields, JsonSchema, Shape, Table
from fairlot.manifest.names import Names
from fairlot.manifest.nodes import MapNode, Node, Scalar
from fairlot.manifest.rule_reader import Rule, RuleCheck
from fairlot.manifest.shapes import MAX_NAME_CHARS, Choice, Flag, Part, Text, exact_decimal
from fairlot.manifest.where_check import check_where
from fairlot.stats.metrics import DEFAULT_CAP_QUANTILE, Aggregate, Direction, MetricKind

MAX_WINDOW_MS: Final = 400 * UNITS_MS["d"]
MAX_AMOUNT: Final = 10**15


class Amount(Shape[float]):
    """A number over 0."""

    def read(self, fields: Fields, name: str, node: Node) -> float | None:
        amount = exact_decimal(node)
        if amount is not None and 0 < amount <= MAX_AMOUNT:
            return float(amount)
        fields.refuse(name, "write a number over 0, in the unit of the metric")
        return None

    def schema(self) -> JsonSchema:
        return {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_AMOUNT}


class _Fraction(Shape[float]):
    """A number over 0, and under 1 or, if that `is_included`, 1 at most."""

    def __init__(self, *, is_included: bool) -> None:
        self.is_included = is_included

    def read(self, fields: Fields, name: str, node: Node) -> float | None:
        part = exact_decimal(node)
        if part is not None and 0 < part <= 1 and (part < 1 or self.is_included):
            return float(part)
        fields.refuse(name, f"write a number over 0 and {self._most}, as in 0.95")
        return None

    @property
    def _most(self) -> str:
        return "1 at most" if self.is_included else "under 1"

    def schema(self) -> JsonSchema:
        most = "maximum" if self.is_included else "exclusiveMaximum"
        return {"type": "number", "exclusiveMinimum": 0, most: 1}


class _Winsorise(Part):
    """For which people like to write false."""

    def read(self, fields: Fields, name: str, node: Node) -> Fields | None:
        if isinstance(node, Scalar) and node.value is False:
            fields.refuse(name, "write {quantile: 1}, and nothing is capped")
            return None
        return super().read(fields, name, node)


METRIC_KIND_SAYS: Final = (
    "Of a subject's events: whether there is one, how many, the sum of their values, their mean"
    " value, a ratio of two totals, or a quantile of the subjects' sums."
)
EVENT_NAME: Final = Field(
    "eventName", Text(MAX_NAME_CHARS), "The name of the events that count; not of a ratio."
)
_OF_TOTAL: Final = Field(
    "eventName", Text(MAX_NAME_CHARS), "The name of the events that count.", is_required=True
)
WHERE: Final = Field(
    "where",
    Rule(),
    "What the properties of the event must be, `value` its value: values to be equal to, $eq $ne"
    " $lt $lte $gt $gte $in $nin $exists, and $and $or $not.",
)
_AGGREGATE: Final = Field(
    "aggregate",
    Choice(Aggregate),
    "Whether there is an event (1 or 0), how many there are, or the sum of their values.",
    is_required=True,
)
_TOTAL: Final = Part(Table((_OF_TOTAL, _AGGREGATE, WHERE), "A total of a subject's events."))
_NUMERATOR: Final = Field("numerator", _TOTAL, "Of a ratio: what is divided.")
_DENOMINATOR: Final = Field("denominator", _TOTAL, "Of a ratio: what it is divided by.")
_QUANTILE: Final = Field(
    "quantile", _Fraction(is_included=False), "Of a quantile: which, as in 0.5 for the median."
)
_WINDOW: Final = Field(
    "window",
    Duration(MAX_WINDOW_MS),
    "How long after the exposure events count, as in 12h or 7d.",
    default="7d",
)
_CAP: Final = Field("cap", Amount(), "What lies above counts as this.")
_CAP_QUANTILE: Final = Field(
    "quantile",
    _Fraction(is_included=True),
    "What lies above this quantile of the first seven matured days counts as it; 1 caps nothing.",
)
_WINSORISE: Final = Field(
    "winsorise",
    _Winsorise(Table((_CAP, _CAP_QUANTILE))),
    f"Where totals are capped, in all arms alike; of sums {{quantile: {DEFAULT_CAP_QUANTILE}}}"
    " without it, of others nowhere.",
)
_DIRECTION: Final = Field(
    "direction", Choice(Direction), "Which way is better.", default=Direction.INCREASE.value
)
MINIMUM_EFFECT: Final = Field(
    "minimumEffect", Amount(), "The smallest difference that matters, in the unit of the metric."
)
MARGIN: Final = Field(
    "margin", Amount(), "Of a guardrail: the largest worsening that is tolerated, in its unit."
)
_COUNTS_PUBLIC: Final = Field(
    "countsPublic",
    Flag(),
    "Whether events count that were sent with a publishable token, so by anyone.",
    default=False,
)
MEASURE_FIELDS: Final = (
    EVENT_NAME,
    WHERE,
    _NUMERATOR,
    _DENOMINATOR,
    _QUANTILE,
    _WINDOW,
    _WINSORISE,
    _DIRECTION,
    MINIMUM_EFFECT,
    MARGIN,
    _COUNTS_PUBLIC,
)
_NOT_OF_RATIOS: Final = (EVENT_NAME.name, WHERE.name)
_OF_RATIOS: Final = (_NUMERATOR.name, _DENOMINATOR.name)
_ABSENT: Final[JsonSchema] = {"type": "null"}


def measure_also(kind_name: str) -> list[JsonSchema]:
    """What JSON Schema says of several of the fields, where `kind_name` says the kind."""
    return [
        {
            "if": _is_kind(kind_name, MetricKind.RATIO),
            "then": _needs(_OF_RATIOS, without=_NOT_OF_RATIOS),
            "else": _needs((EVENT_NAME.name,), without=_OF_RATIOS),
        },
        {
            "if": _is_kind(kind_name, MetricKind.QUANTILE),
            "then": _needs((_QUANTILE.name,), without=()),
            "else": _needs((), without=(_QUANTILE.name,)),
        },
    ]


def _is_kind(kind_name: str, kind: MetricKind) -> JsonSchema:
    return {"required": [kind_name], "properties": {kind_name: {"const": kind.value}}}


def _needs(names: tuple[str, ...], *, without: tuple[str, ...]) -> JsonSchema:
    needed: JsonSchema = {"required": [*names]} if names else {}
    return needed | {"properties": dict.fromkeys(without, _ABSENT)}


def read_measure(top: Fields, names: Names, kind: MetricKind) -> Mapping[str, Any]:
    """The fields of a MetricDefinition but for its names and its kind; only worth using if nothing
    was added to the problems."""
    _check_kind(top, kind)
    winsorise = top.read(_WINSORISE)
    return {
        "event_name": top.read(EVENT_NAME) or "",
        "where": _read_where(top, names),
        "numerator": _read_total(top.read(_NUMERATOR), names),
        "denominator": _read_total(top.read(_DENOMINATOR), names),
        "quantile": top.read(_QUANTILE),
        "window_ms": top.read(_WINDOW),
        "winsorise": None if winsorise is None else _read_winsorise(winsorise),
        "direction": top.read(_DIRECTION) or Direction.INCREASE,
        "minimum_effect": top.read(MINIMUM_EFFECT),
        "margin": top.read(MARGIN),
        "counts_public": top.read(_COUNTS_PUBLIC) or False,
    }


def _check_kind(top: Fields, kind: MetricKind) -> None:
    is_ratio, is_quantile = kind is MetricKind.RATIO, kind is MetricKind.QUANTILE
    needed = _OF_RATIOS if is_ratio else (EVENT_NAME.name,)
    for name in (*needed, *((_QUANTILE.name,) if is_quantile else ())):
        if not top.has(name):
            top.refuse(name, "missing; it is required")
    for name in _NOT_OF_RATIOS if is_ratio else _OF_RATIOS:
        if top.has(name):
            fix = "of a numerator or a denominator here" if is_ratio else "of a ratio only"
            top.refuse(name, f"{fix}; remove it")
    if top.has(_QUANTILE.name) and not is_quantile:
        top.refuse(_QUANTILE.name, "of a quantile only; remove it")


def _read_total(part: Fields | None, names: Names) -> EventTotalDefinition | None:
    if part is None:
        return None
    return EventTotalDefinition(
        event_name=part.read(_OF_TOTAL) or "",
        aggregate=part.read(_AGGREGATE) or Aggregate.ANY,
        where=_read_where(part, names),
    )


def _read_winsorise(part: Fields) -> WinsoriseDefinition:
    cap, quantile = part.read(_CAP), part.read(_CAP_QUANTILE)
    if part.has(_CAP.name) == part.has(_CAP_QUANTILE.name):
        name = _CAP_QUANTILE.name if part.has(_CAP.name) else _CAP.name
        part.refuse(name, "write one of cap and quantile")
    return WinsoriseDefinition(cap=cap, quantile=quantile)


def _read_where(part: Fields, names: Names) -> Mapping[str, Any]:
    node, path = part.node(WHERE.name), part.at(WHERE.name)
    before = len(part.problems)
    if node is not None:
        RuleCheck(part.problems, names).check(node, path)
    where = part.read(WHERE) or {}
    if isinstance(node, MapNode) and len(part.problems) == before:
        check_where(node, path, part.problems)
    if isinstance(node, MapNode) and len(part.problems) == before:
        whole = MapNode(part.map.line, {path: node}, {path: part.map.key_lines[WHERE.name]})
        EngineCheck(whole, part.problems, {}).check_condition(path, where)
    return where
