"""Who may: experiment tokens out of the body, API keys out of the four places they travel in."""

import base64
import binascii
from collections.abc import Mapping
from hashlib import sha256
from typing import TypeVar
from urllib.parse import parse_qsl

from fairlot.http.asgi import Scope, header
from fairlot.http.problems import Problem, ProblemCode, Refused, not_found
from fairlot.http.services import Services
from fairlot.service.access import judge_key
from fairlot.service.ends import has_expired
from fairlot.service.snapshot import ApiKeyRecord, ProjectServing, SourceToken, Tenant
from fairlot.service.uses import FailedUse

Owner = TypeVar("Owner", ProjectServing, SourceToken)
_NO_KEY = (
    "the API key is missing, wrong, expired or revoked; send it as `Authorization: Bearer`"
    " or X-API-Key"
)


def project_of_token(services: Services, token: str) -> ProjectServing | None:
    """The project whose live experiment token this is. Only digests are compared, by dictionary:
    how long that takes says nothing about the token."""
    return _live(services, token, services.decisions.snapshot.tokens)


def source_of_token(services: Services, token: str) -> SourceToken | None:
    """The live source token that this is, compared as in `project_of_token`."""
    return _live(services, token, services.decisions.snapshot.source_tokens)


def _live(services: Services, token: str, known: Mapping[bytes, Owner]) -> Owner | None:
    digest = sha256(token.encode("utf-8", "replace")).digest()
    owner = known.get(digest)
    if owner is None:
        return None
    ends = services.decisions.snapshot.token_ends
    if ends and has_expired(ends.get(digest), services.clock_ms()):
        return None
    services.uses.tokens.add(digest)
    return owner


def bearer_of(scope: Scope) -> str | None:
    """What stands after `Authorization: Bearer`."""
    kind, _, value = (header(scope, b"authorization") or b"").partition(b" ")
    return value.strip().decode("latin-1") if kind.lower() == b"bearer" else None


def api_key_of(scope: Scope) -> str | None:
    """The API key of a request as `fx_key_<id>.<secret>`: from `Authorization` (Bearer, or Basic
    with the key split at its first dot), `X-API-Key`, or `?apiKey=`, in this order."""
    authorization = header(scope, b"authorization")
    if authorization is not None:
        kind, _, value = authorization.partition(b" ")
        if kind.lower() == b"bearer":
            return value.strip().decode("latin-1")
        if kind.lower() == b"basic":
            return _from_basic(value.strip())
        return None
    named = header(scope, b"x-api-key")
    if named is not None:
        return named.decode("latin-1")
    query = scope.get("query_string", b"")
    if b"apiKey=" not in query:
        return None
    return dict(parse_qsl(query.decode("latin-1"))).get("apiKey")


def live_key(services: Services, scope: Scope) -> ApiKeyRecord | None:
    """The record of a request's API key; None when it is absent, wrong, expired or revoked."""
    text = api_key_of(scope)
    if text is None:
        return None
    now_ms = services.clock_ms()
    record, failed = judge_key(services.decisions.snapshot.api_keys, text, now_ms)
    if failed is None and record is not None:
        services.uses.keys[record.id] = now_ms
        return record
    if failed is not None and record is not None:
        services.uses.note_failed(record.org, record.id, failed)
    return None


def may(record: ApiKeyRecord | None, scope_name: str, project: ProjectServing | Tenant) -> bool:
    """Whether a key has a scope in a project."""
    return record is not None and scope_name in record.scopes and _reaches(record, project)


def authorized(services: Services, scope: Scope, scope_name: str) -> tuple[Tenant, ApiKeyRecord]:
    """The project that the path names, and the key that may do what `scope_name` says there.

    Raises Refused: 401 without a live key, 404 for a project that is not there for the key, so
    that it learns nothing of others, 403 for a key of the project that lacks the scope.
    """
    record = demand_key(services, scope)
    path = scope["path_params"]
    tenant = reached_project(services, record, path["org"], path["project"])
    demand_scope(services, record, scope_name)
    return tenant, record


def reached_project(services: Services, record: ApiKeyRecord, org: str, project: str) -> Tenant:
    """Refused (404) if the project is not there for the key."""
    tenant = services.decisions.snapshot.tenants.get((org, project))
    if tenant is None or not _reaches(record, tenant):
        services.uses.note_failed(record.org, record.id, FailedUse.OUT_OF_REACH)
        raise not_found("no such organization or project for this key; check their spelling")
    return tenant


def demand_key(services: Services, scope: Scope) -> ApiKeyRecord:
    """Refused (401) without a live key."""
    record = live_key(services, scope)
    if record is None:
        raise no_live_key()
    return record


def no_live_key() -> Refused:
    return Refused(Problem(401, ProblemCode.UNAUTHORIZED, _NO_KEY))


def demand_scope(services: Services, record: ApiKeyRecord, scope_name: str) -> None:
    """Refused (403) for a key without the scope."""
    if scope_name not in record.scopes:
        services.uses.note_failed(record.org, record.id, FailedUse.LACKS_SCOPE)
        detail = f"the API key lacks the scope {scope_name}; make one that has it with"
        fix = f"`fairlot keys create --scope {scope_name}`"
        raise Refused(Problem(403, ProblemCode.FORBIDDEN, f"{detail} {fix}"))


def _reaches(record: ApiKeyRecord, project: ProjectServing | Tenant) -> bool:
    if record.org != project.org:
        return False
    return record.project_ids is None or project.project_id in record.project_ids


def _from_basic(encoded: bytes) -> str | None:
    try:
        text = base64.b64decode(encoded, validate=True).decode("latin-1")
    except (binascii.Error, ValueError):
        return None
    name, _, secret = text.partition(":")
    return f"{name}.{secret}"
