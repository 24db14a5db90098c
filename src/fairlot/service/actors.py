"""Who does something: a person at the command line, an API key, or the server itself."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Scope(StrEnum):
    """What an actor may do."""

    DECIDE = "decide"
    INGEST = "ingest"
    READ = "read"
    WRITE = "write"
    APPROVE = "approve"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Actor:
    """`name` is `key:<8 characters>`, `local:<user>` or `system`; it stands in every record."""

    name: str
    scopes: frozenset[Scope]


SYSTEM: Final = Actor("system", frozenset())
"""The server itself. It asks nobody for leave."""
