"""Experiment files, applied as texts."""

from sqlalchemy import Connection

from fairlot.manifest.source_files import SourceFile
from fairlot.service.actors import Actor, Scope
from fairlot.service.changes.applying import Applied, Asked, apply_files
from fairlot.store import Store
from fairlot.store.tables import projects
from fairlot.store.tenants import ProjectRow, find_project

ANNA = Actor("local:anna", frozenset(Scope))
BEN = Actor("local:ben", frozenset(Scope))
CARL = Actor("local:carl", frozenset(Scope))


def source_files(*texts: str) -> tuple[SourceFile, ...]:
    return tuple(SourceFile(f"file{number}.yaml", text) for number, text in enumerate(texts))


def apply_texts(
    store: Store,
    *texts: str,
    now_ms: int,
    project: str = "default",
    actor: Actor = ANNA,
    allow_deletes: bool = False,
    base: str | None = None,
    reason: str | None = None,
) -> Applied:
    """Of organization `default`; one file a text."""
    asked = Asked(source_files(*texts), allow_deletes, base, reason)
    with store.writing() as connection:
        tenant = tenant_of(connection, project)
        return apply_files(connection, tenant, asked, actor=actor, now_ms=now_ms)


def tenant_of(connection: Connection, project: str = "default") -> ProjectRow:
    found = find_project(connection, "default", project)
    assert found is not None
    return found


def require_review(store: Store) -> None:
    """Of every project."""
    with store.writing() as connection:
        connection.execute(projects.update().values(review_required=True))
