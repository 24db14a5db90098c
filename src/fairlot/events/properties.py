"""What the properties of an event may hold."""

import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from fairlot.events.rows import is_sound
from fairlot.events.sent import MAX_PROPERTIES_BYTES

MAX_DEPTH: Final = 32
RESERVED: Final = "fairlot."
SWITCHED: Final = "fairlot.switched"
"""The property of exposures of who had another variant before; they are no part of an estimate."""
EXCLUDED: Final = "fairlot.excluded"
"""Of who left by logging in, where the experiment says so."""
MERGED: Final = "fairlot.merged"
"""Of identities: the subject became another for good, with all that it was, not merely a user."""
_encode = msgspec.json.Encoder().encode

_TOO_DEEP: Final = f"nested deeper than {MAX_DEPTH} levels; flatten them"
_UNSOUND: Final = "a text holds U+0000 or half a surrogate pair; send whole characters"
_NO_NUMBER: Final = "NaN or an infinite number; send null, or leave it out"


def properties_problem(properties: Mapping[str, Any]) -> str | None:
    """What is wrong with them and what to do, if anything."""
    for name in properties:
        if name.startswith(RESERVED):
            return f"{name[:80]!r}: names that begin with {RESERVED} are the server's; rename it"
    return content_problem(properties, MAX_PROPERTIES_BYTES)


def content_problem(members: Mapping[str, Any], max_bytes: int) -> str | None:
    """What is wrong with the members of an object that is kept as JSON, if anything.

    They are looked through only when their JSON says that there may be something to find.
    """
    try:
        encoded = _encode(members)
    except RecursionError:
        return _TOO_DEEP
    except UnicodeEncodeError:
        return _UNSOUND
    if len(encoded) > max_bytes:
        return f"over {max_bytes} bytes as JSON; send fewer of them"
    nested = encoded.count(b"{") + encoded.count(b"[") > MAX_DEPTH
    # the encoder writes NaN and infinity as null
    if nested or b"\\u0000" in encoded or b"null" in encoded:
        return _problem_in(members, MAX_DEPTH)
    return None


def _problem_in(value: Any, levels_left: int) -> str | None:
    if isinstance(value, str):
        return None if is_sound(value) else _UNSOUND
    if isinstance(value, float):
        return None if math.isfinite(value) else _NO_NUMBER
    if isinstance(value, Mapping):
        parts = [*value, *value.values()]
    elif isinstance(value, list):
        parts = value
    else:
        return None
    if levels_left == 0:
        return _TOO_DEEP
    found = (_problem_in(part, levels_left - 1) for part in parts)
    return next((problem for problem in found if problem is not None), None)
