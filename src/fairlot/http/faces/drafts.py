"""Draft documents: one experiment as if it were running, for who holds a preview token of it."""

import msgspec

from fairlot.http.admission import admit_address
from fairlot.http.asgi import Handler, Receive, Reply, Scope
from fairlot.http.auth import bearer_of
from fairlot.http.faces.manifest import JOSE, PRIVATE, Revocations
from fairlot.http.problems import Problem, ProblemCode, Refused, not_found, store_unavailable
from fairlot.http.services import Services
from fairlot.manifest import PreviewClaims, PreviewRefused
from fairlot.manifest.previews import check_preview, read_preview
from fairlot.service.access import UnknownTenant
from fairlot.service.bootstrap import DEFAULT
from fairlot.service.previews import NotPreviewable, draft_document
from fairlot.store import StoreFailed

_HEADERS = ((b"content-type", JOSE.encode()), (b"cache-control", PRIVATE.encode()))
_NO_KEYS = b'{"keys":[]}'
_NOTHING_REVOKED = b'{"revoked":{},"previews":[]}'


def draft(services: Services) -> Handler:
    """GET /v1/{org}/preview.json and /v1/{org}/{project}/preview.json"""

    async def answer(scope: Scope, _receive: Receive) -> Reply:
        admit_address(services, scope)
        names = scope["path_params"]
        token = bearer_of(scope)
        if token is None:
            raise _unauthorized("send the preview token as Authorization: Bearer")
        project = names.get("project", DEFAULT)
        # The first check of a process imports joserfc: not on the loop.
        document = await services.in_control_thread(_draft, services, names["org"], project, token)
        return Reply(200, document, _HEADERS)

    return answer


def _draft(services: Services, org: str, project: str, token: str) -> bytes:
    try:
        claims = _believed(services, org, project, token)
        experiment_key, _, variant_key = claims.subject.partition(":")
        return draft_document(services.store, org, project, experiment_key, variant_key)
    except PreviewRefused as refused:
        raise _unauthorized(f"the preview token is not accepted: {refused}") from None
    except (NotPreviewable, UnknownTenant):
        # What else there is, is nothing that the holder of a link may know.
        raise not_found("the experiment or the variant of this link does not exist") from None
    except StoreFailed as error:
        raise store_unavailable(error) from None


def _believed(services: Services, org: str, project: str, token: str) -> PreviewClaims:
    """A token of another organization, or for one that does not exist, is one that no key of this
    organization has signed: the answer tells nothing of what there is."""
    snapshot = services.decisions.snapshot
    claims = read_preview(token, msgspec.json.decode(snapshot.jwks.get(org, _NO_KEYS)))
    revoked = msgspec.json.decode(
        snapshot.revocations.get(org, _NOTHING_REVOKED), type=Revocations
    ).previews
    experiment_key, _, variant_key = claims.subject.partition(":")
    check_preview(
        claims,
        org=org,
        project=project,
        experiment_key=experiment_key,
        variant_key=variant_key,
        now_s=services.clock_ms() / 1000,
        revoked=revoked,
    )
    return claims


def _unauthorized(detail: str) -> Refused:
    challenge = ((b"www-authenticate", b"Bearer"),)
    return Refused(Problem(401, ProblemCode.UNAUTHORIZED, detail, headers=challenge))
