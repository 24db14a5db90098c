"""How a name is written in each kind, so that two ways of writing one are the same."""

import re
from collections.abc import Callable, Mapping
from typing import Final

from fairlot.profiles.records import Identifier, IdentifierKind

_PHONE_MARKS: Final = re.compile(r"[\s().\-/]")


def _phone(text: str) -> str:
    return _PHONE_MARKS.sub("", text)


_WRITTEN: Final[Mapping[IdentifierKind, Callable[[str], str]]] = {
    IdentifierKind.SUBJECT: str,
    IdentifierKind.EXTERNAL: str.strip,
    IdentifierKind.EMAIL: lambda text: text.strip().lower(),
    IdentifierKind.PHONE: _phone,
}


def written_identifier(kind: IdentifierKind, text: str) -> Identifier:
    """Of every kind but SOURCE, which takes more than a text."""
    return Identifier(kind, _WRITTEN[kind](text))


def identifiers_written(text: str) -> tuple[Identifier, ...]:
    """All that a text alone may be, a subject first."""
    return tuple(written_identifier(kind, text) for kind in _WRITTEN)
