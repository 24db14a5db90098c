"""JSON, and what senders take for it: NaN, half surrogate pairs, bytes that are not UTF-8."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

_LONGEST_INTEGER: Final = 400
_KEPT_LEVELS: Final = 100
# strings are taken whole, also one that never ends
_TOKEN: Final = re.compile(r'"(?:[^"\\]++|\\.?)*+"?|[\[\]{}]', re.DOTALL)


def read_loosely(body: bytes) -> Any:
    """So that what is wrong in one row is a matter of that row alone. Raises ValueError.

    In a body that is nested too deeply to be read, null stands for its deepest parts.
    """
    text = body.decode("utf-8", "surrogateescape")
    try:
        return _from_json(text)
    except RecursionError:
        return _from_json("".join(_cut_deep_parts(text)))


def _from_json(text: str) -> Any:
    return json.loads(text, parse_int=_integer)


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _LONGEST_INTEGER else float(digits)


def _cut_deep_parts(text: str) -> Iterator[str]:
    """The text without what is nested deeper than any row may be, so that it can be read."""
    depth = kept_to = 0
    for token in _TOKEN.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth == _KEPT_LEVELS + 1:
                yield text[kept_to : token.start()]
        elif token[0] in "]}":
            if depth == _KEPT_LEVELS + 1:
                kept_to = token.end()
                yield "null"
            depth -= 1
    yield text[kept_to:] if depth <= _KEPT_LEVELS else ""
