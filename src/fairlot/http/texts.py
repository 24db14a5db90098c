"""Texts on the wire. No NUL in any that is stored: PostgreSQL stores none."""

from typing import Annotated, Final, TypeAlias

import msgspec

from fairlot.http.misfits import ALLOWED

NO_NUL: Final = msgspec.Meta(pattern="^[^\\u0000]*$", extra={ALLOWED: "without U+0000"})

Sentence: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=1000), NO_NUL]
"""A reason or a note, for people."""
Name: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, max_length=256), NO_NUL]
"""What names something that may not exist."""
