"""Preview links: which variant a request may see ahead of its experiment, and who says so."""

from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from threading import RLock
from typing import Any, Final

from fairlot.engine import (
    BrokenExperiment,
    CompiledManifest,
    FairlotError,
    Manifest,
    compile_manifest,
)
from fairlot.manifest import (
    DocumentType,
    ManifestRefused,
    PreviewClaims,
    PreviewRefusal,
    PreviewRefused,
    RefusalReason,
    verify_manifest,
)
from fairlot.manifest.previews import PreviewLink, check_preview, read_link, read_preview
from fairlot.sdk.clock import Clock
from fairlot.sdk.documents import Documents
from fairlot.sdk.drafts import Drafts
from fairlot.sdk.endpoints import Endpoints, shown_url
from fairlot.sdk.errors import ManifestUnavailable
from fairlot.sdk.transport import Transport

_MOST_TOKENS: Final = 1_000
_KIND: Final = "preview"


@dataclass(frozen=True, slots=True)
class PreviewVerdict:
    """`variant_key` None: there is no valid preview, decide as usual. Otherwise decide with
    `Overrides(preview={experiment_key: variant_key})`, over `draft` if there is one, else over the
    manifest that was given."""

    variant_key: str | None
    draft: CompiledManifest | None = None


NO_PREVIEW: Final = PreviewVerdict(None)


class Previews:
    """Verifies the preview link of a request's URL; never raises for what stands in a URL.

    `keys` and `revoked` are asked at every check, `fetch_keys_soon` is called for a token of an
    unknown key, `report` gets the kind `preview` and what is wrong, which never holds the token.

    `of` waits for the network only for a valid token of an experiment or a variant that the
    manifest does not hold, for `timeout_s` at most. After a fork call `start_afresh` in the child.
    """

    def __init__(
        self,
        endpoints: Endpoints,
        *,
        keys: Callable[[], Mapping[str, Any]],
        revoked: Callable[[], Collection[str]],
        fetch_keys_soon: Callable[[], None],
        transport: Transport,
        clock: Clock,
        timeout_s: float,
        report: Callable[[str, BaseException], object],
    ) -> None:
        self._endpoints = endpoints
        self._keys = keys
        self._revoked = revoked
        self._fetch_keys_soon = fetch_keys_soon
        self._clock = clock
        self._report = report
        self._documents = Documents(endpoints, transport, clock, timeout_s=timeout_s, api_key=None)
        self._drafts = Drafts(self._fetch_draft, clock, timeout_s)
        self._read: OrderedDict[str, PreviewClaims] = OrderedDict()
        self._lock = RLock()  # a signal handler may preview too

    def start_afresh(self) -> None:
        self._lock = RLock()  # a signal handler may preview too
        self._drafts.start_afresh()

    def of(
        self, experiment_key: str, url: str | None, manifest: CompiledManifest | None
    ) -> PreviewVerdict:
        """What the URL's link says about an experiment; `NO_PREVIEW` when it says nothing, is about
        another experiment, or is refused (which is reported)."""
        link = None if url is None else read_link(url)
        if link is None or link.experiment_key != experiment_key:
            return NO_PREVIEW
        try:
            self._check(link, None if manifest is None else manifest.manifest)
            if manifest is not None and _has_variant(manifest.manifest, link):
                return PreviewVerdict(link.variant_key)
            return PreviewVerdict(link.variant_key, self._drafts.of(link.token))
        except (PreviewRefused, ManifestRefused) as refused:
            if refused.reason in (PreviewRefusal.UNKNOWN_KEY, RefusalReason.UNKNOWN_KEY):
                self._fetch_keys_soon()
            self._report(_KIND, refused)
        except FairlotError as fault:
            self._report(_KIND, fault)
        return NO_PREVIEW

    def _check(self, link: PreviewLink, manifest: Manifest | None) -> None:
        """Raises PreviewRefused; ManifestUnavailable when nothing says whose tokens to believe."""
        endpoints = self._endpoints
        org = endpoints.org if manifest is None else manifest.org
        project = endpoints.project if manifest is None else manifest.project
        if org is None or project is None:
            problem = "it is not here yet, and only it says whose previews are to be believed"
            raise ManifestUnavailable(shown_url(endpoints.manifest), problem)
        check_preview(
            self._claims_of(link.token),
            org=org,
            project=project,
            experiment_key=link.experiment_key,
            variant_key=link.variant_key,
            now_s=self._clock.now_ms() / 1000,
            revoked=self._revoked(),
        )

    def _claims_of(self, token: str) -> PreviewClaims:
        """Its signature is checked once, as long as its key is believed."""
        keys = self._keys()
        with self._lock:
            known = self._read.get(token)
            if known is not None:
                self._read.move_to_end(token)
        if known is not None and any(key.get("kid") == known.kid for key in keys["keys"]):
            return known
        claims = read_preview(token, keys)
        with self._lock:
            self._read[token] = claims
            if len(self._read) > _MOST_TOKENS:
                self._read.popitem(last=False)
        return claims

    def _fetch_draft(self, token: str) -> CompiledManifest:
        """Raises DraftUnavailable or ManifestRefused."""
        document = self._documents.draft(token)
        manifest = verify_manifest(document, self._keys(), document_type=DocumentType.DRAFT)
        claims = self._claims_of(token)
        if (manifest.org, manifest.project) != (claims.org, claims.project):
            detail = (
                f"it is of {manifest.org}/{manifest.project}, not {claims.org}/{claims.project}"
            )
            raise ManifestRefused(RefusalReason.OTHER_PROJECT, detail)
        return compile_manifest(manifest)


def _has_variant(manifest: Manifest, link: PreviewLink) -> bool:
    """Also for an experiment that is broken: its draft would be no better."""
    return any(
        isinstance(each, BrokenExperiment) or each.variant(link.variant_key) is not None
        for each in manifest.experiments
        if each.key == link.experiment_key
    )
