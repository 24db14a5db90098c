"""Products as they come: any JSON object with an id."""

from typing import Any, Final, NamedTuple

import msgspec

from fairlot.profiles.products import MAX_PRODUCT_ID_CHARS, product_id_of
from fairlot.service.feeds.errors import InvalidProduct

MAX_PRODUCT_BYTES: Final = 64 * 1024
MAX_FIELDS: Final = 200
MAX_LEVELS: Final = 32
"""Of objects and lists in each other, the product's own among them."""
_TOO_DEEP: Final = f"nested deeper than {MAX_LEVELS} levels; flatten it"
_fields_of: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_any: Final = msgspec.json.Decoder().decode


class Incoming(NamedTuple):
    """`body` is the JSON text as it came; an `id` that it lacked is put first."""

    product_id: str
    body: bytes


def read_product(text: bytes, index: int = 0, product_id: str | None = None) -> Incoming:
    """The product of a JSON object, with or without an outer `{"product": ...}`. `product_id` is
    what it is called outside of it, by which it may go without an `id`. Raises InvalidProduct."""
    body = _unwrapped(bytes(text), index)
    fields = _checked_fields(body, index)
    own = fields.get("id")
    if own is None:
        if product_id is None:
            raise InvalidProduct(index, "id: missing; a product needs one")
        id_field = b'{"id":' + msgspec.json.encode(product_id)
        rest = body.lstrip()[1:]
        return Incoming(product_id, id_field + (b"," if fields else b"") + rest)
    found = product_id_of(_any(own))
    if found is None:
        fix = f"use a text of 1 to {MAX_PRODUCT_ID_CHARS} characters, or a whole number"
        raise InvalidProduct(index, f"id: {fix}")
    if product_id is not None and found != product_id:
        raise InvalidProduct(index, f"id: {found!r} is not {product_id!r}, which the path names")
    return Incoming(found, body)


def _unwrapped(text: bytes, index: int) -> bytes:
    fields = _decoded(text, index)
    inner = fields.get("product")
    if set(fields) == {"product"} and inner is not None:
        return bytes(inner).strip()
    return text.strip()


def _checked_fields(body: bytes, index: int) -> dict[str, msgspec.Raw]:
    if len(body) > MAX_PRODUCT_BYTES:
        raise InvalidProduct(index, f"{len(body):,} bytes; use at most {MAX_PRODUCT_BYTES:,}")
    fields = _decoded(body, index)
    if len(fields) > MAX_FIELDS:
        raise InvalidProduct(index, f"{len(fields)} fields; use at most {MAX_FIELDS}")
    if body.count(b"{") + body.count(b"[") > MAX_LEVELS and _is_deeper(_any(body), MAX_LEVELS):
        raise InvalidProduct(index, _TOO_DEEP)
    return fields


def _decoded(text: bytes, index: int) -> dict[str, Any]:
    """The fields; what is in them is looked at too, so that every stored product can be read."""
    try:
        _any(text)
        fields: dict[str, Any] = _fields_of(text)
    except RecursionError:
        raise InvalidProduct(index, _TOO_DEEP) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidProduct(index, "is no JSON object") from None
    return fields


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    parts = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in parts)
