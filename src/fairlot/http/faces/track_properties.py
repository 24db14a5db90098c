"""What the properties of a tracked event may hold, and what becomes of the rest: the limits are
Ours Privacy's."""

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from fairlot.events.properties import RESERVED
from fairlot.events.rows import is_sound
from fairlot.http.faces.track_wire import MAX_REFERRER, MAX_TEXT, MAX_URL

MAX_KEYS: Final = 200
MAX_OBJECT_LEVELS: Final = 5
MAX_ITEMS: Final = 250
MAX_JSON_UNITS: Final = 1_048_576
MAX_SAFE_INTEGER: Final = (1 << 53) - 1
_MAX_LEVELS: Final = 32  # lists in lists, of which there is no other limit
_encode: Final = msgspec.json.Encoder().encode


class Unfit(ValueError):
    """Says what is wrong with the properties, and what to do."""


class Limits(NamedTuple):
    """`keys` and `text` None set none; `longer` are the texts that may be longer than `text`, by
    their names."""

    keys: int | None = None
    text: int | None = None
    longer: Mapping[str, int] = {}


OF_EVENTS: Final = Limits(keys=MAX_KEYS)
OF_USERS: Final = Limits(text=MAX_TEXT)
OF_PAGES: Final = Limits(text=MAX_TEXT, longer={"current_url": MAX_URL, "referrer": MAX_REFERRER})


def kept_properties(given: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    """Without empty names, with lists cut to MAX_ITEMS, and with the top-level numbers that
    JavaScript cannot hold exactly as texts. Raises Unfit."""
    named = {name: value for name, value in given.items() if name.strip()}
    if limits.keys is not None and len(named) > limits.keys:
        raise Unfit(f"{len(named)} names; send at most {limits.keys}")
    kept = {}
    for name, value in named.items():
        if _check_text(name).startswith(RESERVED):
            raise Unfit(f"{name[:80]!r}: names that begin with {RESERVED} are the server's")
        most = limits.longer.get(name, limits.text)
        kept[name] = _exact(_kept(value, most, 1, 1))
    _check_size(kept)
    return kept


def _check_size(value: Mapping[str, Any]) -> None:
    """Raises Unfit for MAX_JSON_UNITS of UTF-16 or more, as JavaScript counts the length of its
    JSON."""
    encoded = _encode(value)
    if len(encoded) >= MAX_JSON_UNITS:
        units = len(encoded.decode().encode("utf-16-le")) // 2
        if units >= MAX_JSON_UNITS:
            raise Unfit(f"{units} characters as JSON; send less than {MAX_JSON_UNITS}")


def _kept(value: Any, most: int | None, objects: int, levels: int) -> Any:
    """`most` is how long a text may be; `objects` and `levels` count what is around the value."""
    if isinstance(value, str):
        return _check_text(value, most)
    if isinstance(value, float) and not math.isfinite(value):
        raise Unfit("NaN or an infinite number; send null, or leave it out")
    if not isinstance(value, (dict, list)):
        return value
    if levels == _MAX_LEVELS:
        raise Unfit(f"nested deeper than {_MAX_LEVELS} levels; flatten them")
    if isinstance(value, list):
        return [_kept(each, most, objects, levels + 1) for each in value[:MAX_ITEMS]]
    if objects == MAX_OBJECT_LEVELS:
        raise Unfit(f"objects in each other deeper than {MAX_OBJECT_LEVELS} levels; flatten them")
    return {
        _check_text(name): _kept(each, most, objects + 1, levels + 1)
        for name, each in value.items()
        if name.strip()
    }


def _check_text(text: str, most: int | None = None) -> str:
    if most is not None and len(text) > most:
        raise Unfit(f"a text of {len(text)} characters; send at most {most}")
    if not is_sound(text):
        raise Unfit("a text holds U+0000 or half a surrogate pair; send whole characters")
    return text


def _exact(value: Any) -> Any:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and abs(value) > MAX_SAFE_INTEGER:
        return str(value) if isinstance(value, int) else _encode(value).decode()
    return value
