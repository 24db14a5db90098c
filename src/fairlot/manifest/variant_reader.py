"""The variants of an experiment."""

import re
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any, Final

from fairlot.engine import Variant
from fairlot.engine.checks import MAX_VARIANTS, VARIANT_KEY
from fairlot.engine.model import BUCKETS, FULL_RATE_BP
from fairlot.manifest.binding_reader import check_bindings
from fairlot.manifest.fields import Field, Fields, JsonSchema, Shape, Table
from fairlot.manifest.nodes import Node, shown, shown_value
from fairlot.manifest.shapes import (
    MAX_CODE_CHARS,
    MAX_NAME_CHARS,
    Flag,
    Json,
    Matching,
    Parts,
    Rate,
    Text,
    Whole,
    exact_decimal,
)

CONTROL_KEY: Final = "control"
MAX_REDIRECT_CHARS: Final = 2000
MAX_DOM_OPS: Final = 200

_UNSAFE_IN_REDIRECT: Final = re.compile(r"[\x00-\x20\x7f\\]")
_THIRDS: Final = re.compile(r"0?\.33+|33\.3+")
NO_EFFECT: Final = "Carried in the manifest; no effect yet."


class _Weight(Whole):
    def fix_of(self, node: Node) -> str:
        fix = f"a weight is a whole number from 0 to {BUCKETS}, and all sum to {BUCKETS}"
        number = exact_decimal(node)
        if number is None or number.denominator == 1 or not 0 <= number <= 100:
            return fix
        if _THIRDS.fullmatch(shown(node)):
            return f"{fix}; for a third each write 3333, 3333 and 3334"
        is_share = number < 1
        as_weight = number * (BUCKETS if is_share else 100)
        if as_weight.denominator != 1:
            return fix
        return f"{fix}; {float(number)}{' of all' if is_share else ' %'} is {as_weight}"


class _Redirect(Text):
    def read(self, fields: Fields, name: str, node: Node) -> str | None:
        target = super().read(fields, name, node)
        if target is None:
            return None
        if _UNSAFE_IN_REDIRECT.search(target):
            fields.refuse(name, "no spaces, control characters or backslashes; percent-encode")
        elif target.lower().startswith("https://"):
            reason = "this server cannot yet allow hosts to redirect to"
            fields.refuse(name, f"{reason}; write a path of the same site, as in /new-page")
        elif not target.startswith("/") or target.startswith("//"):
            fields.refuse(name, "write a path of the same site with one leading /, as in /new")
        else:
            return target
        return None

    def schema(self) -> JsonSchema:
        return super().schema() | {"pattern": r"^/(?![/\\])[^\x00-\x20\x7f\\]*$"}


class _DomOps(Shape[tuple[Any, ...]]):
    """A list of mappings, up to 64 KiB as JSON."""

    items: Final = Parts(Table((), is_open=True), MAX_DOM_OPS)

    def read(self, fields: Fields, name: str, node: Node) -> tuple[Any, ...]:
        operations = self.items.read(fields, name, node)
        return tuple(Json().read(fields, name, node) or ()) if operations else ()

    def schema(self) -> JsonSchema:
        return self.items.schema()


_KEY: Final = Field(
    "key",
    Matching(VARIANT_KEY, "use 1 to 32 of a-z 0-9 _ -"),
    "The name in answers; it stays with its subjects for ever.",
    is_required=True,
)
_NAME: Final = Field("name", Text(MAX_NAME_CHARS), "For people; in every answer.", is_required=True)
_IS_CONTROL: Final = Field(
    "isControl",
    Flag(),
    "The arm to compare with; without a mark it is the one keyed control, else the first.",
)
_WEIGHT: Final = Field(
    "weight",
    _Weight(0, BUCKETS),
    f"Its part of the subjects. All variants have a weight and they sum to {BUCKETS}, or none has.",
)
_RECIPE_SAMPLE_RATE: Final = Field(
    "recipeSampleRate",
    Rate(),
    "The part of its subjects that is served, from 0 to 1; the others see the default. May only"
    " rise.",
    default=1,
)
_PAYLOAD: Final = Field("payload", Json(), "Any JSON, up to 64 KiB, sent with the answer.")
_REDIRECT: Final = Field(
    "redirect",
    _Redirect(MAX_REDIRECT_CHARS),
    "A path of the same site, sent with the answer; not beside a payload.",
)
_JS: Final = Field("js", Text(MAX_CODE_CHARS), NO_EFFECT)
_CSS: Final = Field("css", Text(MAX_CODE_CHARS), NO_EFFECT)
_DOM_OPS: Final = Field("domOps", _DomOps(), NO_EFFECT)
_VARIANT_TABLE: Final = Table(
    (
        _KEY,
        _NAME,
        _IS_CONTROL,
        _WEIGHT,
        _RECIPE_SAMPLE_RATE,
        _PAYLOAD,
        _REDIRECT,
        _JS,
        _CSS,
        _DOM_OPS,
    ),
    "One of the arms that are compared.",
)
VARIANTS: Final = Field(
    "variants",
    Parts(_VARIANT_TABLE, MAX_VARIANTS, is_counted_here=False),
    "What is compared: 2 to 200 arms.",
    is_required=True,
)


def read_variants(top: Fields, feeds: Collection[str], *, has_control: bool) -> tuple[Variant, ...]:
    """The variants of the experiment whose fields are `top`, of which one is its control. Their
    payloads may bind `feeds`."""
    readers = top.read(VARIANTS) or ()
    for fields in readers:
        check_bindings(fields, _PAYLOAD.name, feeds)
    variants = [_read_variant(fields) for fields in readers]
    marked = [index for index, variant in enumerate(variants) if variant.is_control]
    for index in marked[1:]:
        first = variants[marked[0]].key
        readers[index].refuse("isControl", f"{first!r} is the control already; mark one variant")
    _check_sum(top, [variant.weight for variant in variants])
    if has_control:
        return _with_control(variants)
    for index in marked:
        fix = "with `when` the control is the control share; remove it"
        readers[index].refuse("isControl", fix)
    return tuple(variants)


def _check_sum(top: Fields, written: Sequence[int | None]) -> None:
    """The sum of weights that are all there; that some lack is the engine's to say."""
    weights = [weight for weight in written if weight is not None]
    if not weights or len(weights) < len(written) or sum(weights) == BUCKETS:
        return
    message = f"weights must sum to {BUCKETS}; these sum to {sum(weights)}"
    if sum(weights) == 100:
        message += f". In percent? Write {', '.join(str(weight * 100) for weight in weights)}"
    top.problems.add(top.map.key_lines["variants"], "variants", shown_value(weights), message)


def _with_control(variants: list[Variant]) -> tuple[Variant, ...]:
    """The control is the marked variant, else the one keyed `control`, else the first; a single
    variant is compared with nothing, and so no control unless it is marked."""
    if len(variants) == 1 or any(variant.is_control for variant in variants):
        return tuple(variants)
    keys = [variant.key for variant in variants]
    control = keys.index(CONTROL_KEY) if CONTROL_KEY in keys else 0
    return tuple(
        replace(variant, is_control=index == control) for index, variant in enumerate(variants)
    )


def _read_variant(fields: Fields) -> Variant:
    if fields.has("payload") and fields.has("redirect"):
        fields.refuse("redirect", "a variant has a payload or a redirect, not both; remove one")
    rate_bp = fields.read(_RECIPE_SAMPLE_RATE)
    return Variant(
        key=fields.read(_KEY) or "",
        name=fields.read(_NAME) or "",
        is_control=fields.read(_IS_CONTROL) or False,
        weight=fields.read(_WEIGHT),
        recipe_sample_rate_bp=FULL_RATE_BP if rate_bp is None else rate_bp,
        payload=fields.read(_PAYLOAD),
        redirect=fields.read(_REDIRECT),
        js=fields.read(_JS),
        css=fields.read(_CSS),
        dom_ops=fields.read(_DOM_OPS) or (),
    )
