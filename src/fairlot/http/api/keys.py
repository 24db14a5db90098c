"""The API keys of an organization."""

from collections.abc import Callable
from typing import Annotated, Any, Final

import msgspec

from fairlot.http.management import Call, Outcome, Page, Paging, page_of_all, read, write
from fairlot.http.management.instants import Expire, Instant, milliseconds, written
from fairlot.http.registry import Answer
from fairlot.service.actors import Scope
from fairlot.service.api_keys import create_api_key, expire_api_key, revoke_api_key
from fairlot.store.credentials import ApiKeyRow, read_api_keys
from fairlot.store.tenants import projects_of

_PATH: Final = "/api/v1/orgs/{org}/keys"
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=128)]


class CreateKey(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """`projects` absent is every project of the organization, also those to come."""

    scopes: Annotated[tuple[Scope, ...], msgspec.Meta(min_length=1)]
    name: _Name | None = None
    projects: Annotated[tuple[_Name, ...], msgspec.Meta(min_length=1)] | None = None
    expires_at: Instant | None = None


class ApiKey(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`projects` null is the whole organization. `lastUsedAt` lags by a minute or so."""

    id: str
    name: str | None
    scopes: tuple[str, ...]
    projects: tuple[str, ...] | None
    created_at: str
    created_by: str | None
    expires_at: str | None
    last_used_at: str | None
    revoked: bool
    revoked_at: str | None


class CreatedApiKey(ApiKey, frozen=True, kw_only=True, rename="camel"):
    """`key` is shown this once."""

    key: str


def list_keys(call: Call[Paging]) -> Outcome:
    rows = read_api_keys(call.connection, call.organization.id)
    return page_of_all(call, rows, _position, _documents(call))


def create(call: Call[CreateKey]) -> Outcome:
    asked = call.asked
    created = create_api_key(
        call.connection,
        call.organization,
        scopes=asked.scopes,
        projects=asked.projects,
        name=asked.name,
        expires_at_ms=None if asked.expires_at is None else milliseconds(asked.expires_at),
        actor=call.actor,
        now_ms=call.now_ms,
    )
    document = _documents(call)(created.row)
    return Outcome(CreatedApiKey(**msgspec.structs.asdict(document), key=created.text), 201)


def expire(call: Call[Expire]) -> Outcome:
    row = expire_api_key(
        call.connection,
        call.organization,
        call.path["id"],
        expires_at_ms=milliseconds(call.asked.expires_at),
        actor=call.actor,
        now_ms=call.now_ms,
    )
    return Outcome(_documents(call)(row))


def revoke(call: Call[None]) -> Outcome:
    row = revoke_api_key(
        call.connection, call.organization, call.path["id"], actor=call.actor, now_ms=call.now_ms
    )
    return Outcome(_documents(call)(row))


def _position(row: ApiKeyRow) -> tuple[int | str, ...]:
    return row.created_at_ms, row.id


def _documents(call: Call[Any]) -> Callable[[ApiKeyRow], ApiKey]:
    names = {each.id: each.key for each in projects_of(call.connection, call.organization.id)}

    def document(row: ApiKeyRow) -> ApiKey:
        limited = row.project_ids
        return ApiKey(
            id=row.id,
            name=row.name,
            scopes=tuple(sorted(row.scopes)),
            projects=None if limited is None else tuple(sorted(names[each] for each in limited)),
            created_at=written(row.created_at_ms),
            created_by=row.created_by,
            expires_at=written(row.expires_at_ms),
            last_used_at=written(row.last_used_at_ms),
            revoked=row.revoked_at_ms is not None,
            revoked_at=written(row.revoked_at_ms),
        )

    return document


_KEY: Final = {200: Answer("The key, as it is now.", (ApiKey,))}
ROUTES: Final = (
    read(
        _PATH,
        "List the API keys of an organization, revoked ones too, oldest first",
        Scope.ADMIN,
        list_keys,
        {200: Answer("One page.", (Page[ApiKey],))},
        query=Paging,
    ),
    write(
        "POST",
        _PATH,
        "Create an API key",
        Scope.ADMIN,
        create,
        {201: Answer("The key. Its text is not shown again.", (CreatedApiKey,))},
        request=CreateKey,
    ),
    write(
        "POST",
        _PATH + "/{id}/expire",
        "Let an API key end earlier",
        Scope.ADMIN,
        expire,
        _KEY,
        request=Expire,
        errors=(409,),
    ),
    write("POST", _PATH + "/{id}/revoke", "Revoke an API key, for good", Scope.ADMIN, revoke, _KEY),
)
