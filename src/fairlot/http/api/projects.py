"""The projects of an organization."""

from dataclasses import replace
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import UNSET, UnsetType

from fairlot.http.management import Call, Outcome, Page, Paging, page_of_all, read, write
from fairlot.http.management.instants import written
from fairlot.http.misfits import ALLOWED
from fairlot.http.registry import Answer
from fairlot.service.actors import Scope
from fairlot.service.projects import create_project, update_project
from fairlot.store.tenants import ProjectRow, projects_of

_PATH: Final = "/api/v1/orgs/{org}/projects"
_OF_ONE: Final = _PATH + "/{project}"


class Tier(StrEnum):
    """How often who holds a token or key of a project may ask; see operations."""

    FREE = "free"
    STANDARD = "standard"
    UNLIMITED = "unlimited"


_TimeZone = Annotated[
    str,
    msgspec.Meta(
        min_length=1,
        max_length=64,
        description="An IANA name, as in `Europe/Berlin`: days of results are its days.",
    ),
]


class CreateProject(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """`tier` null leaves it to the server's settings."""

    key: Annotated[
        str,
        msgspec.Meta(
            pattern="^[a-z][a-z0-9_-]{0,63}$",
            extra={
                ALLOWED: "of 1 to 64 of the characters a to z, 0 to 9, `_` and `-` that begins with"
                " a letter"
            },
        ),
    ]
    private: bool = False
    review_required: bool = False
    honours_gpc: bool = True
    time_zone: _TimeZone = "UTC"
    tier: Tier | None = None


class UpdateProject(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """What is absent stays."""

    private: bool | UnsetType = UNSET
    review_required: bool | UnsetType = UNSET
    honours_gpc: bool | UnsetType = UNSET
    time_zone: _TimeZone | UnsetType = UNSET
    tier: Tier | UnsetType | None = UNSET


class Project(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`private`: the manifest needs a credential. `reviewRequired`: nothing starts before somebody
    other than its author has approved it. `honoursGpc`: what comes with `Sec-GPC: 1` is recorded
    without details, and no attributes are stored. `timeZone`: results are by its days."""

    key: str
    private: bool
    review_required: bool
    honours_gpc: bool
    time_zone: str
    tier: str | None
    created_at: str


class CreatedProject(Project, frozen=True, kw_only=True, rename="camel"):
    token: Annotated[str, msgspec.Meta(description="The first experiment token of the project.")]


def list_projects(call: Call[Paging]) -> Outcome:
    rows = projects_of(call.connection, call.organization.id)
    reached = [row for row in rows if call.caller.reaches(row.id)]
    return page_of_all(call, reached, lambda row: (row.key,), _document)


def show(call: Call[None]) -> Outcome:
    return Outcome(_document(call.tenant))


def create(call: Call[CreateProject]) -> Outcome:
    asked = call.asked
    row, token = create_project(
        call.connection,
        call.organization,
        asked.key,
        private=asked.private,
        tier=asked.tier,
        review_required=asked.review_required,
        honours_gpc=asked.honours_gpc,
        time_zone=asked.time_zone,
        actor=call.actor,
        now_ms=call.now_ms,
    )
    document = msgspec.structs.asdict(_document(row))
    return Outcome(CreatedProject(**document, token=token.token), 201)


def update(call: Call[UpdateProject]) -> Outcome:
    given = {
        name: value
        for name, value in msgspec.structs.asdict(call.asked).items()
        if value is not UNSET
    }
    row = replace(call.tenant, **given)
    update_project(call.connection, call.tenant, row, actor=call.actor, now_ms=call.now_ms)
    return Outcome(_document(row))


def _document(row: ProjectRow) -> Project:
    return Project(
        key=row.key,
        private=row.private,
        review_required=row.review_required,
        honours_gpc=row.honours_gpc,
        time_zone=row.time_zone,
        tier=row.tier,
        created_at=written(row.created_at_ms),
    )


_PROJECT: Final = {200: Answer("The project.", (Project,))}
ROUTES: Final = (
    read(
        _PATH,
        "List the projects that the key reaches, by their keys",
        Scope.READ,
        list_projects,
        {200: Answer("One page.", (Page[Project],))},
        query=Paging,
        whole=False,
    ),
    write(
        "POST",
        _PATH,
        "Create a project, with a token and an empty manifest",
        Scope.ADMIN,
        create,
        {201: Answer("The project and its first token.", (CreatedProject,))},
        request=CreateProject,
        errors=(409,),
    ),
    read(_OF_ONE, "Show a project", Scope.READ, show, _PROJECT),
    write(
        "PATCH",
        _OF_ONE,
        "Change the settings of a project",
        Scope.ADMIN,
        update,
        _PROJECT,
        request=UpdateProject,
    ),
)
