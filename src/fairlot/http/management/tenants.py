"""The organization and the project that a call concerns, as far as its caller reaches."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from fairlot.http.management.call import Call
from fairlot.http.management.callers import Caller
from fairlot.http.services import Services
from fairlot.service.access import UnknownTenant
from fairlot.service.bootstrap import DEFAULT
from fairlot.service.uses import FailedUse
from fairlot.store.tenants import OrganizationRow, ProjectRow, find_organization, find_project


def tenant_of(
    services: Services, connection: Connection, caller: Caller, path: Mapping[str, str]
) -> tuple[OrganizationRow, ProjectRow | None]:
    """Raises UnknownTenant, also for a project out of reach."""
    organization = find_organization(connection, path["org"])
    if organization is None:
        raise UnknownTenant(path["org"])
    if "project" not in path:
        return organization, None
    return organization, _reached(services, connection, caller, organization, path["project"])


def named_project(call: Call[Any], key: str | None) -> ProjectRow:
    """For a path that names none: of the body, else of the header `X-Fairlot-Project`, else
    `default`. Raises UnknownTenant."""
    asked = key or call.project_header or DEFAULT
    return _reached(call.services, call.connection, call.caller, call.organization, asked)


def _reached(
    services: Services,
    connection: Connection,
    caller: Caller,
    organization: OrganizationRow,
    key: str,
) -> ProjectRow:
    project = find_project(connection, organization.key, key)
    if project is not None and caller.reaches(project.id):
        return project
    if project is not None and caller.key is not None:
        services.uses.note_failed(caller.key.org, caller.key.id, FailedUse.OUT_OF_REACH)
    raise UnknownTenant(organization.key, key)
