"""The documents that a client fetches: manifest, keys, revocations, drafts; each with bounds."""

from collections.abc import Mapping
from dataclasses import dataclass
from heapq import nlargest
from typing import Any, Final

import msgspec

from fairlot.manifest import ManifestRefused, RefusalReason
from fairlot.manifest.previews import TOKEN_ID
from fairlot.manifest.signing import MAX_DOCUMENT_BYTES
from fairlot.sdk.backoff import retry_after_s
from fairlot.sdk.clock import Clock
from fairlot.sdk.endpoints import Endpoints, shown_url
from fairlot.sdk.errors import (
    DocumentUnavailable,
    DraftUnavailable,
    KeysUnavailable,
    ManifestUnavailable,
    RevocationsUnavailable,
)
from fairlot.sdk.transport import HttpRequest, HttpResponse, ResponseTooLarge, Transport

MAX_KEYS_BYTES: Final = 256 * 1024
MAX_REVOCATIONS_BYTES: Final = 1024 * 1024
_MAX_ETAG_LENGTH: Final = 256
# The list of a server has all that it ever revoked, so these are those of the last moments: a list
# that lags behind has yet to name them.
UNLISTED_AT_MOST: Final = 100
# What stores of static files answer for a file that is not there; some say 403.
_ABSENT: Final = frozenset({403, 404, 410})
_HINTS: Final = {
    401: "api_key is not accepted",
    403: "api_key may not read it",
    404: "nothing is published there, or it is private and api_key may not read it (scope read)",
}


@dataclass(frozen=True, slots=True)
class Fetched:
    body: bytes
    etag: str | None


class Revocations(msgspec.Struct, frozen=True):
    """Revoked manifest versions by project, and the `jti` of revoked preview tokens."""

    revoked: dict[str, tuple[int, ...]] = {}
    previews: tuple[str, ...] = ()

    def of(self, project: str) -> "Revocations":
        """Without the versions of other projects."""
        return Revocations({project: self.revoked.get(project, ())}, self.previews)

    def with_unlisted_of(self, known: "Revocations") -> "Revocations":
        """And those of `known` that are not listed here: of versions and of tokens the highest
        UNLISTED_AT_MOST, which are the newest."""
        versions = nlargest(UNLISTED_AT_MOST, _versions(known) - _versions(self))
        tokens = filter(TOKEN_ID.fullmatch, {*known.previews} - {*self.previews})
        revoked = dict(self.revoked)
        for version, project in reversed(versions):
            revoked[project] = (*revoked.get(project, ()), version)
        previews = sorted(nlargest(UNLISTED_AT_MOST, tokens))
        return Revocations(revoked, (*self.previews, *previews))


def _versions(revocations: Revocations) -> set[tuple[int, str]]:
    return {
        (version, project)
        for project, versions in revocations.revoked.items()
        for version in versions
    }


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


_revocations_decoder: Final = msgspec.json.Decoder(Revocations)
_keys_decoder: Final = msgspec.json.Decoder(_KeySet)
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError, ResponseTooLarge)


class Documents:
    """Each method raises its DocumentUnavailable; `etag` is of the copy that is held, and None is
    returned when that is still the newest."""

    def __init__(
        self,
        endpoints: Endpoints,
        transport: Transport,
        clock: Clock,
        *,
        timeout_s: float,
        api_key: str | None,
    ) -> None:
        self._endpoints = endpoints
        self._transport = transport
        self._clock = clock
        self._timeout_s = timeout_s
        self._credentials = (
            {} if api_key is None or endpoints.is_static else {"authorization": f"Bearer {api_key}"}
        )

    def manifest(self, etag: str | None, *, past_caches: bool = False) -> Fetched | None:
        """`past_caches` asks those on the way not to answer by themselves. Raises ManifestRefused
        too, for one that is too large."""
        url = self._endpoints.manifest
        headers = {**self._credentials, **({"cache-control": "no-cache"} if past_caches else {})}
        try:
            return self._get_newer(url, ManifestUnavailable, MAX_DOCUMENT_BYTES, etag, headers)
        except ResponseTooLarge as error:
            raise ManifestRefused(RefusalReason.TOO_LARGE, str(error)) from None

    def keys(self, url: str) -> dict[str, Any]:
        try:
            response = self._get(url, KeysUnavailable, MAX_KEYS_BYTES, {})
            return {"keys": _keys_decoder.decode(response.body).keys}
        except _UNREADABLE as error:
            raise KeysUnavailable(shown_url(url), f"not a JWK set: {error}") from None

    def revocations(self, etag: str | None) -> tuple[Revocations, str | None] | None:
        """With the ETag of what was found. A static manifest need not have any."""
        url = self._endpoints.revocations
        try:
            fetched = self._get_newer(url, RevocationsUnavailable, MAX_REVOCATIONS_BYTES, etag, {})
            if fetched is None:
                return None
            return _revocations_decoder.decode(fetched.body), fetched.etag
        except _UNREADABLE as error:
            problem = f"not a list of revocations: {error}"
            raise RevocationsUnavailable(shown_url(url), problem) from None
        except RevocationsUnavailable as error:
            if self._endpoints.is_static and error.status in _ABSENT:
                return Revocations(), None
            raise

    def draft(self, token: str) -> bytes:
        """The signed document that a preview token opens; not verified."""
        url = self._endpoints.draft
        if url is None:
            problem = "only a server has drafts, and this manifest is a file"
            raise DraftUnavailable(shown_url(self._endpoints.manifest), problem)
        try:
            credentials = {"authorization": f"Bearer {token}"}
            return self._get(url, DraftUnavailable, MAX_DOCUMENT_BYTES, credentials).body
        except ResponseTooLarge as error:
            raise DraftUnavailable(shown_url(url), str(error)) from None

    def _get_newer(
        self,
        url: str,
        unavailable: type[DocumentUnavailable],
        max_bytes: int,
        etag: str | None,
        headers: Mapping[str, str],
    ) -> Fetched | None:
        if etag is not None:
            headers = {**headers, "if-none-match": etag}
        response = self._get(url, unavailable, max_bytes, headers)
        if response.status == 304:
            return None
        tag = response.headers.get("etag")
        return Fetched(response.body, tag if tag and len(tag) <= _MAX_ETAG_LENGTH else None)

    def _get(
        self,
        url: str,
        unavailable: type[DocumentUnavailable],
        max_bytes: int,
        headers: Mapping[str, str],
    ) -> HttpResponse:
        """Of status 200, or 304 if that was asked for. Raises ResponseTooLarge too."""
        request = HttpRequest("GET", url, headers, timeout_s=self._timeout_s, max_bytes=max_bytes)
        try:
            response = self._transport(request)
        except ResponseTooLarge:
            raise
        except Exception as error:  # a transport of the user's own raises what it likes
            problem = f"no answer: {type(error).__name__}: {error}"
            raise unavailable(shown_url(url), problem) from error
        if response.status == 304 and "if-none-match" in headers:
            return response
        if response.status != 200:
            raise self._refused(url, unavailable, response)
        if len(response.body) > max_bytes:
            raise ResponseTooLarge(max_bytes)
        return response

    def _refused(
        self, url: str, unavailable: type[DocumentUnavailable], response: HttpResponse
    ) -> DocumentUnavailable:
        status = response.status
        hints = _HINTS if unavailable is ManifestUnavailable else {}
        hint = hints.get(status, "the server may say more in its log")
        location = response.headers.get("location")
        if 300 <= status < 400 and location:
            hint = f"it redirects to {shown_url(location)}; give that URL itself, none is followed"
        return unavailable(
            shown_url(url),
            f"status {status}: {hint}",
            status=status,
            retry_after_s=retry_after_s(response.headers, self._clock.now_ms()),
        )
