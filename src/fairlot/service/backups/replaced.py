"""What is read from a database before it is replaced by that of a backup."""

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from fairlot.store.sqlite import DATABASE_FILE

_NEWEST: Final = "SELECT project_id, max(version) FROM manifests GROUP BY project_id"
_REVOKED: Final = (
    "SELECT project_id, version, revoked_at_ms, revoke_reason FROM manifests"
    " WHERE revoked_at_ms IS NOT NULL"
)
_REVOKED_UNSTORED: Final = (
    "SELECT project_id, version, revoked_at_ms, revoke_reason FROM revocations"
)
_REVOKED_PREVIEWS: Final = (
    "SELECT organization_id, jti, expires_at_ms, revoked_at_ms FROM revoked_previews"
)


@dataclass(frozen=True, slots=True)
class RevokedVersion:
    """`reason` None is not known."""

    project_id: str
    version: int
    revoked_at_ms: int
    reason: str | None


@dataclass(frozen=True, slots=True)
class RevokedPreview:
    organization_id: str
    jti: str
    expires_at_ms: int
    revoked_at_ms: int


@dataclass(frozen=True, slots=True)
class Replaced:
    """The newest versions by project id, and what clients were told to refuse."""

    newest: Mapping[str, int] = field(default_factory=dict)
    versions: tuple[RevokedVersion, ...] = ()
    previews: tuple[RevokedPreview, ...] = ()


def read_replaced(data_dir: Path) -> Replaced:
    """Of the database in a data directory, as far as it can be read. It is neither migrated nor
    unsealed: it may be damaged, of another secret, or of an earlier version that knows less."""
    uri = f"{(data_dir / DATABASE_FILE).absolute().as_uri()}?mode=ro"
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            revoked = _rows(connection, _REVOKED) + _rows(connection, _REVOKED_UNSTORED)
            return Replaced(
                newest=dict(_rows(connection, _NEWEST)),
                versions=tuple(RevokedVersion(*row) for row in revoked),
                previews=tuple(
                    RevokedPreview(*row) for row in _rows(connection, _REVOKED_PREVIEWS)
                ),
            )
    except sqlite3.Error:
        return Replaced()


def _rows(connection: sqlite3.Connection, query: str) -> list[Any]:
    """None where there is no such table."""
    try:
        return connection.execute(query).fetchall()
    except sqlite3.Error:
        return []
