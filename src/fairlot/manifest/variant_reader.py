"""The variants of an experiment."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from fairlot.engine import Variant
from fairlot.engine.checks import VARIANT_KEY
from fairlot.engine.model import BUCKETS, FULL_RATE_BP
from fairlot.manifest.fields import Fields, exact_decimal
from fairlot.manifest.nodes import shown_value

VARIANT_FIELDS: Final = (
    "key",
    "name",
    "isControl",
    "weight",
    "recipeSampleRate",
    "payload",
    "redirect",
    "js",
    "css",
    "domOps",
)
CONTROL_KEY: Final = "control"
MAX_REDIRECT_CHARS: Final = 2000

_UNSAFE_IN_REDIRECT: Final = re.compile(r"[\x00-\x20\x7f\\]")


def read_variants(top: Fields) -> tuple[Variant, ...]:
    """The variants of the experiment whose fields are `top`, its control among them."""
    readers = list(top.item_fields("variants", VARIANT_FIELDS))
    variants = [_read_variant(fields) for fields in readers]
    marked = [index for index, variant in enumerate(variants) if variant.is_control]
    for index in marked[1:]:
        first = variants[marked[0]].key
        readers[index].refuse("isControl", f"{first!r} is the control already; mark one variant")
    _check_sum(top, [variant.weight for variant in variants])
    return _with_control(variants)


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
    """The control is the marked variant, else the one keyed `control`, else the first."""
    if any(variant.is_control for variant in variants):
        return tuple(variants)
    keys = [variant.key for variant in variants]
    control = keys.index(CONTROL_KEY) if CONTROL_KEY in keys else 0
    return tuple(
        replace(variant, is_control=index == control) for index, variant in enumerate(variants)
    )


def _read_variant(fields: Fields) -> Variant:
    fields.require("key", "name")
    if fields.has("payload") and fields.has("redirect"):
        fields.refuse("redirect", "a variant has a payload or a redirect, not both; remove one")
    rate_bp = fields.rate_bp("recipeSampleRate")
    key = fields.matching("key", VARIANT_KEY, "use 1 to 32 of a-z 0-9 _ -")
    return Variant(
        key=key or "",
        name=fields.text("name") or "",
        is_control=fields.flag("isControl") or False,
        weight=_read_weight(fields),
        recipe_sample_rate_bp=FULL_RATE_BP if rate_bp is None else rate_bp,
        payload=fields.json("payload"),
        redirect=_read_redirect(fields),
        js=fields.text("js"),
        css=fields.text("css"),
        dom_ops=_read_dom_ops(fields),
    )


def _read_weight(fields: Fields) -> int | None:
    fix = f"a weight is a whole number from 0 to {BUCKETS}, and all sum to {BUCKETS}"
    node = fields.node("weight")
    number = None if node is None else exact_decimal(node)
    if number is not None and number.denominator != 1 and 0 <= number <= 100:
        is_share = number < 1
        as_weight = number * (BUCKETS if is_share else 100)
        if as_weight.denominator == 1:
            fix += f"; {float(number)}{' of all' if is_share else ' %'} is {as_weight}"
    return fields.whole("weight", 0, BUCKETS, fix=fix)


def _read_redirect(fields: Fields) -> str | None:
    target = fields.text("redirect", most=MAX_REDIRECT_CHARS)
    if target is None:
        return None
    if _UNSAFE_IN_REDIRECT.search(target):
        fields.refuse("redirect", "no spaces, control characters or backslashes; percent-encode")
    elif target.lower().startswith("https://"):
        reason = "this server cannot yet allow hosts to redirect to"
        fields.refuse("redirect", f"{reason}; write a path of the same site, as in /new-page")
    elif not target.startswith("/") or target.startswith("//"):
        fields.refuse("redirect", "write a path of the same site with one leading /, as in /new")
    else:
        return target
    return None


def _read_dom_ops(fields: Fields) -> tuple[Any, ...]:
    operations = list(fields.item_fields("domOps"))
    return tuple(fields.json("domOps") or ()) if operations else ()
