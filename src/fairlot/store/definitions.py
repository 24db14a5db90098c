"""What is authored beside experiments (layers, segments, holdouts, metrics), as rows."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, bindparam, select

from fairlot.store.tables import definitions


@dataclass(frozen=True, slots=True)
class DefinitionRow:
    """`kind` is `layer`, `segment`, `holdout` or `metric`; `document` its JSON, `source` its text,
    which is empty for a layer that was made when an experiment first named it."""

    id: str
    project_id: str
    kind: str
    key: str
    salt: str | None
    document: bytes
    source: str
    created_at_ms: int
    updated_at_ms: int
    revision: int = 1
    deleted_at_ms: int | None = None


def definitions_of(connection: Connection, project_id: str) -> list[DefinitionRow]:
    """By kind and key, deleted ones too."""
    rows = connection.execute(
        select(definitions)
        .where(definitions.c.project_id == project_id)
        .order_by(definitions.c.kind, definitions.c.key)
    )
    return [DefinitionRow(**row) for row in rows.mappings()]


def find_definition(
    connection: Connection, project_id: str, kind: str, key: str
) -> DefinitionRow | None:
    """Also a deleted one."""
    found = connection.execute(
        select(definitions).where(
            definitions.c.project_id == project_id,
            definitions.c.kind == kind,
            definitions.c.key == key,
        )
    )
    row = found.mappings().one_or_none()
    return None if row is None else DefinitionRow(**row)


def live_definition_keys(connection: Connection, project_id: str, kind: str) -> list[str]:
    """Of those that are not deleted."""
    found = connection.execute(
        select(definitions.c.key).where(
            definitions.c.project_id == project_id,
            definitions.c.kind == kind,
            definitions.c.deleted_at_ms.is_(None),
        )
    )
    return list(found.scalars())


def add_definitions(connection: Connection, rows: Sequence[DefinitionRow]) -> None:
    if rows:
        connection.execute(definitions.insert(), [asdict(row) for row in rows])


def replace_definitions(connection: Connection, rows: Sequence[DefinitionRow]) -> None:
    if rows:
        statement = definitions.update().where(definitions.c.id == bindparam("own_id"))
        connection.execute(statement, [asdict(row) | {"own_id": row.id} for row in rows])


def layer_salts(connection: Connection, project_id: str) -> dict[str, str]:
    """The salt of each layer, by its key."""
    rows = connection.execute(
        select(definitions.c.key, definitions.c.salt)
        .where(definitions.c.project_id == project_id, definitions.c.kind == "layer")
        .order_by(definitions.c.key)
    )
    return {row.key: row.salt for row in rows}
