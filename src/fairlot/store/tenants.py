"""Organizations and projects, and the number that tells that something served has changed."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Select, func, select, update

from fairlot.store.tables import organizations, projects, serving

GENERATION_CHANNEL: Final = "fairlot_generation"
"""What PostgreSQL notifies; a notification says only that it is worth looking."""


@dataclass(frozen=True, slots=True)
class ProjectRow:
    """`tier` None leaves the throttle tier to the server's settings. `review_required`: nothing
    starts before somebody other than its author has approved it. `honours_gpc`: what comes with
    `Sec-GPC: 1` is recorded without details. `time_zone` is an IANA name: results are by its days.
    """

    id: str
    key: str
    organization_id: str
    organization_key: str
    private: bool = False
    tier: str | None = None
    review_required: bool = False
    created_at_ms: int = 0
    honours_gpc: bool = True
    time_zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class OrganizationRow:
    id: str
    key: str


def has_organizations(connection: Connection) -> bool:
    return connection.execute(select(organizations.c.id).limit(1)).first() is not None


def organization_id(connection: Connection, key: str) -> str | None:
    return connection.execute(
        select(organizations.c.id).where(organizations.c.key == key)
    ).scalar_one_or_none()


def find_organization(connection: Connection, key: str) -> OrganizationRow | None:
    found = organization_id(connection, key)
    return None if found is None else OrganizationRow(found, key)


def organization_keys(connection: Connection) -> dict[str, str]:
    """The key of each organization, by its id."""
    rows = connection.execute(select(organizations.c.id, organizations.c.key))
    return {row.id: row.key for row in rows}


def add_organization(connection: Connection, new_id: str, key: str, now_ms: int) -> None:
    connection.execute(
        organizations.insert().values(id=new_id, key=key, created_at_ms=now_ms),
    )


def add_project(connection: Connection, project: ProjectRow, now_ms: int) -> None:
    connection.execute(
        projects.insert().values(
            id=project.id,
            key=project.key,
            organization_id=project.organization_id,
            private=project.private,
            tier=project.tier,
            review_required=project.review_required,
            honours_gpc=project.honours_gpc,
            time_zone=project.time_zone,
            created_at_ms=now_ms,
        )
    )


def replace_project(connection: Connection, project: ProjectRow) -> None:
    """Its settings; its keys stay what they are."""
    connection.execute(
        update(projects)
        .where(projects.c.id == project.id)
        .values(
            private=project.private,
            tier=project.tier,
            review_required=project.review_required,
            honours_gpc=project.honours_gpc,
            time_zone=project.time_zone,
        )
    )


def find_project(connection: Connection, org: str, project: str) -> ProjectRow | None:
    row = connection.execute(
        _project_rows().where(organizations.c.key == org, projects.c.key == project)
    ).one_or_none()
    return None if row is None else ProjectRow(*row)


def all_projects(connection: Connection) -> list[ProjectRow]:
    return [ProjectRow(*row) for row in connection.execute(_project_rows())]


def projects_of(connection: Connection, organization_id: str) -> list[ProjectRow]:
    query = _project_rows().where(projects.c.organization_id == organization_id)
    return [ProjectRow(*row) for row in connection.execute(query)]


def raise_generation(connection: Connection) -> None:
    """Every transaction that changes what is served calls this. Who follows the store hears of it
    when the transaction is committed."""
    connection.execute(update(serving).values(generation=serving.c.generation + 1))
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_notify(GENERATION_CHANNEL, "")))


def read_generation(connection: Connection) -> int:
    return int(connection.execute(select(serving.c.generation)).scalar_one())


def _project_rows() -> Select[str, str, str, str, bool, str | None, bool, int, bool, str]:
    return (
        select(
            projects.c.id,
            projects.c.key,
            projects.c.organization_id,
            organizations.c.key,
            projects.c.private,
            projects.c.tier,
            projects.c.review_required,
            projects.c.created_at_ms,
            projects.c.honours_gpc,
            projects.c.time_zone,
        )
        .join(organizations)
        .order_by(organizations.c.key, projects.c.key)
    )
