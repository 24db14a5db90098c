"""Texts on the wire. No NUL in any: PostgreSQL stores none."""

from typing import Annotated, TypeAlias

import msgspec

_NO_NUL = "^[^\\u0000]*$"

Sentence: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=1000, pattern=_NO_NUL)]
"""A reason or a note, for people."""
Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=256, pattern=_NO_NUL)]
"""What names something that may not exist."""
