"""How an experiment is analysed: `analysis` of its document."""

from collections.abc import Mapping
from typing import Any, Final

from fairlot.manifest.fields import Field, Fields, JsonSchema, Shape, Table
from fairlot.manifest.nodes import Node
from fairlot.manifest.shapes import Choice, Flag, Part, Whole, exact_decimal
from fairlot.stats.plans import DEFAULT_ALPHA, DEFAULT_PLANNED_SIZE, MAX_LOOKS
from fairlot.stats.results import Method

MAX_PLANNED_SIZE: Final = 10**10
MAX_ALPHA: Final = 0.5


class _Alpha(Shape[float]):
    """A number over 0, and 0.5 at most."""

    def read(self, fields: Fields, name: str, node: Node) -> float | None:
        alpha = exact_decimal(node)
        if alpha is not None and 0 < alpha <= MAX_ALPHA:
            return float(alpha)
        fields.refuse(name, f"write a number over 0 and {MAX_ALPHA} at most, as in 0.05")
        return None

    def schema(self) -> JsonSchema:
        return {"type": "number", "exclusiveMinimum": 0, "maximum": MAX_ALPHA}


_METHOD: Final = Field(
    "method",
    Choice(Method),
    "Whether its result may be looked at every day (sequential), at a few planned sizes"
    " (group_sequential), or once at the planned size (fixed).",
    default=Method.SEQUENTIAL.value,
)
_ALPHA: Final = Field(
    "alpha",
    _Alpha(),
    "How often a difference may be found where there is none.",
    default=DEFAULT_ALPHA,
)
_PLANNED_SIZE: Final = Field(
    "plannedSize",
    Whole(2, MAX_PLANNED_SIZE),
    "How many subjects the two arms of a comparison shall have together.",
    default=DEFAULT_PLANNED_SIZE,
)
_LOOKS: Final = Field(
    "looks", Whole(1, MAX_LOOKS), "Of group_sequential: how many looks are planned.", default=5
)
_CUPED: Final = Field(
    "cuped",
    Flag(),
    "Whether what subjects did in the 14 days before is used to make intervals narrower.",
    default=True,
)
_TABLE: Final = Table((_METHOD, _ALPHA, _PLANNED_SIZE, _LOOKS, _CUPED))
ANALYSIS: Final = Field(
    "analysis",
    Part(_TABLE),
    "How it is analysed; fixed when a result of it is first asked for after its start.",
)


def read_analysis(top: Fields) -> Mapping[str, Any] | None:
    """What is written, by the names of the fields; None of nothing."""
    part = top.read(ANALYSIS)
    if part is None:
        return None
    method = part.read(_METHOD)
    if part.has(_LOOKS.name) and method is not Method.GROUP_SEQUENTIAL:
        part.refuse(_LOOKS.name, "of `method: group_sequential` only; remove it")
    written: dict[str, Any] = {
        _METHOD.name: None if method is None else method.value,
        _ALPHA.name: part.read(_ALPHA),
        _PLANNED_SIZE.name: part.read(_PLANNED_SIZE),
        _LOOKS.name: part.read(_LOOKS),
        _CUPED.name: part.read(_CUPED),
    }
    return {name: value for name, value in written.items() if value is not None} or None
