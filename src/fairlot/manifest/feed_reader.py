"""What the document of a feed says of it."""

from typing import Any, Final

from fairlot.engine import Feed, FeedAlgorithm
from fairlot.manifest.definitions import FeedWeights
from fairlot.manifest.durations import UNITS_MS, Duration, write_duration
from fairlot.manifest.engine_check import EngineCheck
from fairlot.manifest.fields import Field, Fields, JsonSchema, Shape, Table
from fairlot.manifest.names import Names, unknown_name
from fairlot.manifest.nodes import Node, shown
from fairlot.manifest.parts import groups_named
from fairlot.manifest.rule_reader import Rule, RuleCheck
from fairlot.manifest.shapes import Choice, Part, Texts, Whole, exact_decimal

MAX_LIMIT: Final = 100
MAX_PINS: Final = 100
MAX_FIELDS: Final = 200
MAX_FILL_UPS: Final = 10
MAX_WEIGHT: Final = 1_000
_DAY_MS: Final = UNITS_MS["d"]
_PLAIN: Final = Feed("plain", FeedAlgorithm.MOST_POPULAR)


class _Weight(Shape[float]):
    """A number from 0 to 1000."""

    def read(self, fields: Fields, name: str, node: Node) -> float | None:
        weight = exact_decimal(node)
        if weight is not None and 0 <= weight <= MAX_WEIGHT:
            return float(weight)
        fields.refuse(name, f"write a number from 0 to {MAX_WEIGHT}")
        return None

    def schema(self) -> JsonSchema:
        return {"type": "number", "minimum": 0, "maximum": MAX_WEIGHT}


_VIEW: Final = Field("view", _Weight(), "What a view counts.", default=_PLAIN.view_weight)
_CART: Final = Field(
    "cart", _Weight(), "What an addition to a cart counts.", default=_PLAIN.cart_weight
)
_ORDER: Final = Field("order", _Weight(), "What an order counts.", default=_PLAIN.order_weight)

_ALGORITHM: Final = Field(
    "algorithm",
    Choice(FeedAlgorithm),
    "The order of the products: by what subjects do with them, the last to come first, or those"
    " that the subject itself viewed, the latest first.",
    is_required=True,
)
_WEIGHTS: Final = Field(
    "weights", Part(Table((_VIEW, _CART, _ORDER))), "For most_popular: what counts how much."
)
_HALF_LIFE: Final = Field(
    "halfLife",
    Duration(365 * _DAY_MS),
    "For most_popular: after this time something counts half; 1d at least.",
    default=write_duration(_PLAIN.half_life_ms),
)
_FILL_UP: Final = Field(
    "fillUp",
    Texts(MAX_FILL_UPS, 64),
    "Keys of the feeds that follow, in their order, when there are too few products.",
)
_ONLY: Final = Field("only", Rule(), "What the fields of a product must be.")
_EXCLUDE: Final = Field("exclude", Rule(), "Products whose fields are so are left out.")
_PIN: Final = Field("pin", Texts(MAX_PINS, 400), "Ids of products that come first.")
_FIELDS: Final = Field(
    "fields", Texts(MAX_FIELDS, 200), "The fields of a product that are served; all without it."
)
_LIMIT: Final = Field(
    "limit",
    Whole(1, MAX_LIMIT),
    "How many products there are where nobody asks for a number.",
    default=_PLAIN.limit,
)
FEED_FIELDS: Final = (
    _ALGORITHM,
    _WEIGHTS,
    _HALF_LIFE,
    _FILL_UP,
    _ONLY,
    _EXCLUDE,
    _PIN,
    _FIELDS,
    _LIMIT,
)


def read_feed_fields(top: Fields, names: Names, key: str) -> dict[str, Any]:
    """All of a definition but what every definition has."""
    algorithm = top.read(_ALGORITHM)
    if algorithm is not None and key in tuple(FeedAlgorithm) and key != algorithm:
        top.refuse(_ALGORITHM.name, f"the feed {key} is built in, and of this algorithm: {key}")
    if algorithm not in (None, FeedAlgorithm.MOST_POPULAR):
        for field in (_WEIGHTS, _HALF_LIFE):
            if top.has(field.name):
                top.refuse(field.name, "for the algorithm most_popular only; remove it")
    return {
        "algorithm": algorithm or FeedAlgorithm.MOST_POPULAR,
        "weights": _read_weights(top),
        "half_life_ms": _read_half_life(top),
        "fill_up": _read_fill_up(top, names),
        "only": _read_filter(top, _ONLY, names),
        "exclude": _read_filter(top, _EXCLUDE, names),
        "pin": _texts(top, _PIN),
        "fields": _texts(top, _FIELDS),
        "limit": top.read(_LIMIT),
    }


def _read_weights(top: Fields) -> FeedWeights | None:
    part = top.read(_WEIGHTS)
    if part is None:
        return None
    given = [part.read(each) for each in (_VIEW, _CART, _ORDER)]
    plain = (_PLAIN.view_weight, _PLAIN.cart_weight, _PLAIN.order_weight)
    view, cart, order = (
        default if weight is None else weight for weight, default in zip(given, plain, strict=True)
    )
    if not (view or cart or order):
        top.refuse(_WEIGHTS.name, "all are 0, so that nothing counts; make one of them more")
    return FeedWeights(view, cart, order)


def _read_half_life(top: Fields) -> int | None:
    half_life_ms = top.read(_HALF_LIFE)
    if half_life_ms is not None and half_life_ms < _DAY_MS:
        top.refuse(_HALF_LIFE.name, "write 1d at least, since products are counted by the day")
    return half_life_ms


def _read_fill_up(top: Fields, names: Names) -> tuple[str, ...]:
    named = top.read(_FILL_UP) or ()
    for path, node, name in named:
        if name not in names.feeds:
            top.problems.add(node.line, path, shown(node), unknown_name("feed", name, names.feeds))
    return tuple(name for _, _, name in named)


def _read_filter(top: Fields, field: Field[dict[str, Any]], names: Names) -> dict[str, Any] | None:
    node = top.node(field.name)
    if node is not None:
        RuleCheck(top.problems, names).check(node, top.at(field.name))
    rule = top.read(field)
    if rule is not None and any(groups_named(rule)):
        top.refuse(field.name, "lists are of subjects, not of products; write the values with $in")
    elif rule is not None:
        EngineCheck(top.map, top.problems, {}).check_rule(field.name, rule)
    return rule


def _texts(top: Fields, field: Field[Any]) -> tuple[str, ...]:
    return tuple(text for _, _, text in top.read(field) or ())
