"""What an unquoted YAML scalar means: the core schema of YAML 1.2.

`on`, `yes`, `12:30` and dates are text. `.nan` and `.inf` are refused, because JSON has no such
numbers, and so are whole numbers that JavaScript would round.
"""

import re
from typing import Final

from fairlot.manifest.nodes import Atom

MAX_WHOLE_NUMBER: Final = 2**53 - 1
MAX_NUMBER_CHARS: Final = 400

_WORDS: Final[dict[str, Atom]] = {
    "": None,
    "~": None,
    "null": None,
    "Null": None,
    "NULL": None,
    "true": True,
    "True": True,
    "TRUE": True,
    "false": False,
    "False": False,
    "FALSE": False,
}
_FIRST_OF_NUMBERS: Final = frozenset("+-.0123456789")
_INTEGER: Final = re.compile(r"[-+]?[0-9]+")
_OCTAL: Final = re.compile(r"0o[0-7]+")
_HEX: Final = re.compile(r"0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_NO_NUMBER: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


def core_value(text: str) -> Atom:
    """Raises ValueError, its text naming the fix, for a number that JSON cannot carry."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in _FIRST_OF_NUMBERS:
        return text
    if _NO_NUMBER.fullmatch(text):
        raise ValueError("JSON has no such number; leave it out, or quote it if it is a text")
    if not _FLOAT.fullmatch(text) and not _OCTAL.fullmatch(text) and not _HEX.fullmatch(text):
        return text
    if len(text) > MAX_NUMBER_CHARS:
        raise ValueError(f"a number has at most {MAX_NUMBER_CHARS} characters; quote it as a text")
    if _INTEGER.fullmatch(text):
        return _whole(int(text))
    if text[:2] in ("0o", "0x"):
        return _whole(int(text, 0))
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("too large for a number; quote it if it is a text")
    return number


def _whole(number: int) -> int:
    if abs(number) > MAX_WHOLE_NUMBER:
        raise ValueError(f"beyond {MAX_WHOLE_NUMBER} browsers round it; quote it as a text")
    return number
