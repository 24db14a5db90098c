"""A transport that is a server: it signs manifests, has keys and revocations, and can fail."""

import hashlib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from fairlot.engine import Experiment, Manifest, Variant
from fairlot.manifest import SigningKey, jwks_json, manifest_to_json, sign_manifest
from fairlot.sdk.endpoints import Endpoints
from fairlot.sdk.transport import HttpRequest, HttpResponse

MANIFEST_URL = "https://m.example/v1/acme/shop/manifest.json"
STATIC_URL = "https://cdn.example/fx/manifest.json"
KEY = SigningKey.from_private_bytes(bytes(range(32)))
NEXT_KEY = SigningKey.from_private_bytes(bytes(range(1, 33)))
STRANGE_KEY = SigningKey.from_private_bytes(bytes(32))


def a_manifest(version: int, **fields: Any) -> Manifest:
    """Of project acme/shop, with one experiment `hero`."""
    variants = (Variant("control", is_control=True), Variant("bold"))
    plain: dict[str, Any] = {
        "org": "acme",
        "project": "shop",
        "published_at": "2026-11-23T06:00:00.000Z",
        "experiments": (Experiment("hero", "hero", variants),),
    }
    return Manifest(**plain | fields, version=version)


def signed(version: int, key: SigningKey = KEY, **fields: Any) -> bytes:
    return sign_manifest(manifest_to_json(a_manifest(version, **fields)), key)


class ManifestHost:
    """Answers for the three documents of `endpoints`, with ETags; every request is kept.

    `failure` is what happens instead, while it is there: an exception, or an answer. `before` runs
    at the beginning of each request.
    """

    def __init__(self, manifest_url: str = MANIFEST_URL) -> None:
        self.endpoints = Endpoints.of(manifest_url)
        self.documents: dict[str, bytes] = {}
        self.requests: list[HttpRequest] = []
        self.failure: BaseException | HttpResponse | None = None
        self.failures: dict[str, BaseException | HttpResponse] = {}
        self.before: Callable[[HttpRequest], None] = lambda _request: None
        self.serve_keys(KEY)
        self.revoke()

    def publish(self, version: int, key: SigningKey = KEY, **fields: Any) -> None:
        self.documents[self.endpoints.manifest] = signed(version, key, **fields)

    def serve(self, document: bytes) -> None:
        """Any bytes in the place of the manifest."""
        self.documents[self.endpoints.manifest] = document

    def serve_keys(self, *keys: SigningKey) -> None:
        self.documents[self.endpoints.jwks] = jwks_json(key.public_jwk() for key in keys)

    def revoke(self, *versions: int, project: str = "shop", previews: tuple[str, ...] = ()) -> None:
        revocations = {"revoked": {project: versions}, "previews": previews}
        self.documents[self.endpoints.revocations] = msgspec.json.encode(revocations)

    def fetched(self, url: str | None = None) -> int:
        """How often the document was asked for; the manifest, unless another is named."""
        wanted = url or self.endpoints.manifest
        return sum(request.url == wanted for request in self.requests)

    def __call__(self, request: HttpRequest, /) -> HttpResponse:
        self.requests.append(request)
        self.before(request)
        failure = self.failures.get(request.url, self.failure)
        if isinstance(failure, BaseException):
            raise failure
        if failure is not None:
            return failure
        document = self.documents.get(request.url)
        if document is None:
            return answer(404)
        tag = f'"{hashlib.sha256(document).hexdigest()[:16]}"'
        if request.headers.get("if-none-match") == tag:
            return answer(304, etag=tag)
        return answer(200, document, etag=tag)


def answer(status: int, body: bytes = b"", **headers: str) -> HttpResponse:
    """Underscores in header names stand for hyphens."""
    fields: Mapping[str, str] = {name.replace("_", "-"): text for name, text in headers.items()}
    return HttpResponse(status, fields, body)
