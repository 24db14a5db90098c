"""Projects: made with a token and an empty manifest, so that everything of them is served."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Final
from zoneinfo import available_timezones

from sqlalchemy import Connection

from fairlot.engine.errors import FairlotError
from fairlot.events import new_ulid
from fairlot.manifest.problems import suggestion
from fairlot.service.actors import Actor
from fairlot.service.audit import Json, record
from fairlot.service.publishing import publish
from fairlot.service.tokens import create_token
from fairlot.store.tenants import (
    OrganizationRow,
    ProjectRow,
    add_project,
    find_project,
    raise_generation,
    replace_project,
)
from fairlot.store.tokens import TokenRow

# To read them takes as long as all else of a new project.
_time_zones: Final = cache(available_timezones)
_KEY: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}", re.ASCII)


class InvalidProjectKey(FairlotError):
    code = "invalid_project_key"

    def __init__(self, key: str) -> None:
        self.key = key
        super().__init__(f"key: {key!r}: use 1 to 64 of a-z, 0-9, - and _, beginning with a letter")


class ProjectExists(FairlotError):
    """A key is used once."""

    code = "project_exists"

    def __init__(self, org: str, key: str) -> None:
        self.key = key
        super().__init__(f"{org}/{key}: exists already; choose another key, or update that project")


class UnknownTimeZone(FairlotError):
    code = "unknown_time_zone"

    def __init__(self, time_zone: str, known: set[str]) -> None:
        self.time_zone = time_zone
        meant = suggestion(time_zone, known, "the IANA names")
        super().__init__(f"timeZone: {time_zone!r}: no such time zone; {meant}")


def create_project(
    connection: Connection,
    organization: OrganizationRow,
    key: str,
    *,
    private: bool = False,
    tier: str | None = None,
    review_required: bool = False,
    honours_gpc: bool = True,
    time_zone: str = "UTC",
    actor: Actor,
    now_ms: int,
) -> tuple[ProjectRow, TokenRow]:
    """With its first token. Raises InvalidProjectKey, UnknownTimeZone or ProjectExists."""
    if _KEY.fullmatch(key) is None:
        raise InvalidProjectKey(key)
    _check_time_zone(time_zone)
    if find_project(connection, organization.key, key) is not None:
        raise ProjectExists(organization.key, key)
    row = ProjectRow(
        id=f"prj_{new_ulid(now_ms)}",
        key=key,
        organization_id=organization.id,
        organization_key=organization.key,
        private=private,
        tier=tier,
        review_required=review_required,
        created_at_ms=now_ms,
        honours_gpc=honours_gpc,
        time_zone=time_zone,
    )
    add_project(connection, row, now_ms)
    _record(connection, row, actor, "project.create", now_ms, _settings_of(row))
    token = create_token(connection, row, actor=actor, now_ms=now_ms)
    publish(connection, row, actor, now_ms=now_ms, note="the project is created")
    return row, token


def update_project(
    connection: Connection, before: ProjectRow, after: ProjectRow, *, actor: Actor, now_ms: int
) -> None:
    """Its settings. What is the same already is not on record. Raises UnknownTimeZone."""
    if after.time_zone != before.time_zone:
        _check_time_zone(after.time_zone)
    old, new = _settings_of(before), _settings_of(after)
    if old == new:
        return
    replace_project(connection, after)
    raise_generation(connection)
    changed = {name: [old[name], value] for name, value in new.items() if old[name] != value}
    _record(connection, after, actor, "project.update", now_ms, changed)


def _settings_of(row: ProjectRow) -> dict[str, bool | str | None]:
    return {
        "private": row.private,
        "reviewRequired": row.review_required,
        "tier": row.tier,
        "honoursGpc": row.honours_gpc,
        "timeZone": row.time_zone,
    }


def _check_time_zone(time_zone: str) -> None:
    if time_zone not in _time_zones():
        raise UnknownTimeZone(time_zone, _time_zones())


def _record(
    connection: Connection,
    row: ProjectRow,
    actor: Actor,
    action: str,
    now_ms: int,
    details: Mapping[str, Json],
) -> None:
    record(
        connection,
        row.organization_id,
        actor,
        action,
        now_ms=now_ms,
        project=row.key,
        target=f"project:{row.key}",
        details=details,
    )
