"""The manifest face: signed manifests, the keys they are signed with, and revoked versions."""

from hashlib import sha256

import msgspec

from fairlot.http.asgi import Handler, Receive, Reply, Scope, header
from fairlot.http.auth import bearer_of, live_key, may, project_of_token
from fairlot.http.etags import is_known
from fairlot.http.problems import not_found
from fairlot.http.services import Services
from fairlot.service.actors import Scope as AccessScope
from fairlot.service.bootstrap import DEFAULT
from fairlot.service.snapshot import ProjectServing

JOSE = "application/jose+json"
JWK_SET = "application/jwk-set+json"
PUBLIC = "public, max-age=30, stale-while-revalidate=60, stale-if-error=86400"
PRIVATE = "private, no-store"
_READING_SCOPES = (AccessScope.READ, AccessScope.DECIDE)


class SignedManifest(msgspec.Struct, frozen=True):
    """A flattened JSON JWS (RFC 7515 section 7.2.2) over a manifest."""

    payload: str
    protected: str
    signature: str


class JwkSet(msgspec.Struct, frozen=True):
    """RFC 7517."""

    keys: list[dict[str, str]]


class Revocations(msgspec.Struct, frozen=True):
    """What a client must refuse: manifest versions, by project, and preview tokens by `jti`."""

    revoked: dict[str, list[int]]
    previews: list[str]


def manifest(services: Services) -> Handler:
    """GET /v1/{org}/manifest.json and /v1/{org}/{project}/manifest.json"""

    async def answer(scope: Scope, _receive: Receive) -> Reply:
        names = scope["path_params"]
        snapshot = services.decisions.snapshot
        project = snapshot.projects.get((names["org"], names.get("project", DEFAULT)))
        if project is None or (project.private and not _may_read(services, scope, project)):
            raise not_found(
                "no manifest is published here, or it is private and the request carries no "
                "Authorization: Bearer with the project's token or key"
            )
        control = PRIVATE if project.private else PUBLIC
        return _cached(scope, project.signed, project.etag, JOSE, control)

    return answer


def jwks(services: Services) -> Handler:
    """GET /.well-known/jwks/{org}"""

    async def answer(scope: Scope, _receive: Receive) -> Reply:
        document = services.decisions.snapshot.jwks.get(scope["path_params"]["org"])
        if document is None:
            raise not_found("no such organization")
        return _cached(scope, document, _etag_of(document), JWK_SET, PUBLIC)

    return answer


def revocations(services: Services) -> Handler:
    """GET /.well-known/revocations/{org}"""

    async def answer(scope: Scope, _receive: Receive) -> Reply:
        document = services.decisions.snapshot.revocations.get(scope["path_params"]["org"])
        if document is None:
            raise not_found("no such organization")
        return _cached(scope, document, _etag_of(document), "application/json", PUBLIC)

    return answer


def _may_read(services: Services, scope: Scope, project: ProjectServing) -> bool:
    token = bearer_of(scope)
    if token is not None:
        owner = project_of_token(services, token)
        if owner is not None:
            return owner.project_id == project.project_id
    record = live_key(services, scope)
    return any(may(record, name, project) for name in _READING_SCOPES)


def _cached(scope: Scope, document: bytes, etag: str, media: str, control: str) -> Reply:
    """The document, or 304 when the client has it."""
    tag = etag if etag.startswith('"') else f'"{etag}"'
    headers = ((b"etag", tag.encode()), (b"cache-control", control.encode()))
    if is_known(header(scope, b"if-none-match"), tag):
        return Reply(304, b"", headers)
    return Reply(200, document, ((b"content-type", media.encode()), *headers))


def _etag_of(document: bytes) -> str:
    return sha256(document).hexdigest()[:32]
