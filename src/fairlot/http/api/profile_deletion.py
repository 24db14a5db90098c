"""Deleting a subject. It is begun in a transaction and finished after it: files take time."""

from functools import partial
from typing import Final

import msgspec
from sqlalchemy import Connection

from fairlot.engine.errors import FairlotError
from fairlot.http.asgi import JSON, NO_STORE, Handler, Receive, Reply, Scope
from fairlot.http.management.callers import Caller, admit, caller_in, demand, demand_still_live
from fairlot.http.management.tenants import tenant_of
from fairlot.http.registry import Answer, Auth, Route
from fairlot.http.services import Services
from fairlot.http.statuses import refused
from fairlot.service.actors import Scope as AccessScope
from fairlot.service.privacy.deleting import Begun
from fairlot.service.privacy.log_files import Why
from fairlot.store.tenants import ProjectRow

_PATH: Final = "/api/v1/orgs/{org}/projects/{project}/profiles/{subject}"


class LeftOver(msgspec.Struct, frozen=True):
    """A file that may still hold something. `why` is `not_erased` or `wal_not_emptied`: the server
    finishes it by itself; or `set_aside`: it was damaged once, or
    `unreadable`: it is a damaged Parquet file; only you can delete those."""

    file: str
    why: Why


class DeletedProfile(msgspec.Struct, frozen=True):
    """`found`: there was a profile, and `profiles` says how many are deleted: none or one.
    `others` are the subject ids of those who have what is this subject's id as another name; they
    stay. `complete`: nothing of the subject is left in any file. `id` is that of the record in the
    audit log."""

    id: str
    found: bool
    profiles: int
    others: tuple[str, ...]
    complete: bool
    left: tuple[LeftOver, ...]


def delete_profile(services: Services) -> Handler:
    """DELETE /api/v1/orgs/{org}/projects/{project}/profiles/{subject}"""

    async def answer(scope: Scope, _receive: Receive) -> Reply:
        names = scope["path_params"]
        caller = caller_in(services, scope, names["org"])
        demand(services, caller, AccessScope.ADMIN, whole=False)
        admit(services, caller, names["org"], names["project"])
        try:
            found = await services.in_control_thread(partial(_delete, services, caller, names))
        except FairlotError as error:
            raise refused(error) from error
        return Reply(200, msgspec.json.encode(found), (JSON, NO_STORE))

    return answer


def _delete(services: Services, caller: Caller, names: dict[str, str]) -> DeletedProfile:
    begun = _begin(services, caller, names)
    left = services.deletions.finish(begun.id)
    return DeletedProfile(
        begun.id,
        begun.profiles > 0,
        begun.profiles,
        begun.others,
        not left,
        tuple(LeftOver(each.file, each.why) for each in left),
    )


def _begin(services: Services, caller: Caller, names: dict[str, str]) -> Begun:
    with services.store.reading() as connection:
        project = _project_of(services, connection, caller, names)
    asked = services.deletions.look_up(project.id, names["subject"])
    with services.store.writing() as connection:
        project = _project_of(services, connection, caller, names)
        demand_still_live(connection, caller, services.clock_ms())
        return services.deletions.begin(connection, project, asked, caller.actor)


def _project_of(
    services: Services, connection: Connection, caller: Caller, names: dict[str, str]
) -> ProjectRow:
    _, project = tenant_of(services, connection, caller, names)
    if project is None:
        raise LookupError("the path of this route names a project")
    return project


ROUTES: Final = (
    Route(
        "DELETE",
        _PATH,
        "Delete a subject by id, or by a name of nobody else: profile, events, assignments",
        delete_profile,
        {
            200: Answer(
                "It is deleted, or there was nothing of it.",
                (DeletedProfile,),
                headers=("Cache-Control",),
            )
        },
        auth=Auth.API_KEY,
        scope=AccessScope.ADMIN,
        errors=(401, 403, 404, 409, 429, 503),
    ),
)
