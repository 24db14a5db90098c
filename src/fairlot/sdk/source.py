"""Where a client's manifest comes from: fetched, verified, remembered, never waited for."""

import math
import random
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from fairlot.engine import CompiledManifest, Manifest, compile_manifest
from fairlot.manifest import ManifestRefused, RefusalReason
from fairlot.sdk.background import Background
from fairlot.sdk.backoff import Backoff
from fairlot.sdk.clock import Clock
from fairlot.sdk.documents import Documents, Fetched
from fairlot.sdk.endpoints import Endpoints
from fairlot.sdk.errors import (
    DocumentUnavailable,
    KeysUnavailable,
    ManifestCacheFault,
    RefreshFault,
    RevocationsUnavailable,
)
from fairlot.sdk.lineage import NO_DOCUMENT, NO_KEYS, Lineage
from fairlot.sdk.manifest_cache import ManifestCache
from fairlot.sdk.single_flight import SingleFlight
from fairlot.sdk.transport import Transport
from fairlot.sdk.trust import JwkSet, Trust

# A refresh comes up to this share of the interval early, so that a fleet that was started at one
# moment does not ask at one moment for ever.
_EARLY_SHARE = 0.1
_NO_THREAD_PAUSE_S = 10.0
# Each may have 16 MiB, and several times that when compiled; docs/decisions/0021 says why so many.
EARLIER_AT_MOST: Final = 3


@dataclass(frozen=True, slots=True)
class _Held:
    compiled: CompiledManifest
    document: bytes

    @property
    def version(self) -> int:
        return self.compiled.version


@dataclass(frozen=True, slots=True)
class _State:
    """Swapped as a whole: whoever looks, a forked child too, finds the old or the new one.

    `earlier` were held before, the newest first: what to go back to.
    """

    lineage: Lineage
    held: _Held | None = None
    earlier: tuple[_Held, ...] = ()
    etag: str | None = None
    revocations_etag: str | None = None
    preview_jwks: JwkSet = field(default_factory=lambda: NO_KEYS)

    @property
    def is_revoked(self) -> bool:
        """That what is held may not be used any more."""
        return self.held is not None and self.lineage.is_revoked(self.held.version)

    @property
    def good(self) -> tuple[_Held, ...]:
        """What is held and was held that is not revoked, the newest first."""
        held = () if self.held is None else (self.held,)
        return tuple(
            each for each in (*held, *self.earlier) if not self.lineage.is_revoked(each.version)
        )


class ManifestSource:
    """Keeps one project's manifest fresh, and hands each new one to `accept`.

    `accept` gets None when the manifest in use was revoked and no earlier one is left. `report`
    gets every fault, as often as it happens, and `refreshed` what each refresh came to. All are
    called by whichever thread refreshes, one at a time. Nothing here runs by itself: whoever
    decides compares the time with `due_at_s` and calls `refresh_soon`. `timeout_s` is for each of
    the two to four exchanges of a refresh.
    """

    due_at_s: float
    """When the next refresh is due, on the clock's monotonic scale; infinite during one."""

    def __init__(
        self,
        endpoints: Endpoints,
        *,
        transport: Transport,
        clock: Clock,
        refresh_interval_s: float,
        timeout_s: float,
        accept: Callable[[CompiledManifest | None], None],
        report: Callable[[Exception], None],
        trusted_keys: Collection[str] | None = None,
        cache: Path | None = None,
        api_key: str | None = None,
        draw: Callable[[], float] = random.random,
        refreshed: Callable[[bool], object] | None = None,
    ) -> None:
        """Raises InvalidOption for `trusted_keys` that are none."""
        self._endpoints = endpoints
        self._documents = Documents(
            endpoints, transport, clock, timeout_s=timeout_s, api_key=api_key
        )
        self._clock = clock
        self._interval_s = refresh_interval_s
        self._accept = accept
        self._report = report
        self._refreshed = refreshed
        self._draw = draw
        self._cache = None if cache is None else ManifestCache(cache)
        self._cache_is_read = False
        self._state = _State(Lineage(endpoints.org, endpoints.project, Trust.of(trusted_keys)))
        self._saved = self._state
        self._backoff = Backoff(draw=draw)
        self._refresh_once = SingleFlight(self._refresh_and_tell)
        self._background = Background("fairlot-manifest", self._refresh_in_background, clock)
        self._closed = False
        self._has_preview_jwks = endpoints.preview_jwks != endpoints.jwks
        self._keys_wanted = self._has_preview_jwks
        self._keys_due_at_s = -math.inf
        self._jwks_fetched_at_s = -math.inf
        self.due_at_s = -math.inf

    @property
    def keys(self) -> Mapping[str, Any]:
        """The JWKS by which previews are verified; `{"keys": []}` before the first fetch."""
        state = self._state
        if self._has_preview_jwks:
            return state.preview_jwks
        return state.lineage.trust.only_trusted(state.lineage.jwks)

    @property
    def revoked_previews(self) -> frozenset[str]:
        """The `jti` of the preview tokens that are revoked."""
        return frozenset(self._state.lineage.revocations.previews)

    def init(self) -> bool:
        """Start from the saved manifest, then fetch; whether there is one to decide by."""
        self.refresh()
        return self._state.held is not None

    def refresh(self) -> bool:
        """Fetch now and wait for it; whether what is held was confirmed or replaced.

        Whoever calls while a refresh is under way gets its outcome; inside `accept` and `report`
        that is False.
        """
        return not self._closed and self._refresh_once()

    def refresh_soon(self) -> None:
        """Refresh in the background; never waits."""
        if self._closed:
            return
        self.due_at_s = math.inf
        if not self._background.wake():
            self.due_at_s = self._clock.monotonic_s() + _NO_THREAD_PAUSE_S

    def fetch_keys_soon(self) -> None:
        """Refresh in the background, the keys too, once an interval at most: a token names a key
        that is not there."""
        now_s = self._clock.monotonic_s()
        if now_s < self._keys_due_at_s or self._closed:
            return
        self._keys_due_at_s = now_s + self._interval_s
        self._keys_wanted = True
        self._background.wake()

    def close(self, within_s: float) -> bool:
        """Refresh no more; whether the background has ended in time."""
        self._closed = True
        self.due_at_s = math.inf
        return self._background.stop(within_s)

    def start_afresh(self) -> None:
        """In a forked child, where no other thread lives on."""
        self._refresh_once.start_afresh()
        self._background.start_afresh()
        if not self._closed and self.due_at_s == math.inf:
            self.due_at_s = -math.inf

    def _refresh_in_background(self) -> None:
        self.refresh()

    def _refresh_and_tell(self) -> bool:
        is_current = self._refresh()
        if self._refreshed is not None:
            self._refreshed(is_current)
        return is_current

    def _refresh(self) -> bool:
        self.due_at_s = math.inf
        pause_s = 0.0
        try:
            if not self._cache_is_read:
                self._cache_is_read = True
                self._start_from_cache()
            is_current = self._update()
            if self._state.held is None:
                pause_s = self._backoff.failed()
            else:
                self._backoff.succeeded()
                pause_s = self._interval_s * (1 - _EARLY_SHARE * self._draw())
        except (DocumentUnavailable, ManifestRefused) as error:
            asked_s = error.retry_after_s if isinstance(error, DocumentUnavailable) else None
            pause_s = self._backoff.failed(asked_s)
            self._report(error)
            return False
        except Exception as fault:  # noqa: BLE001 - the SDK fails open: what is held stays in use
            pause_s = self._backoff.failed()
            self._report(RefreshFault(fault))
            return False
        else:
            return is_current
        finally:
            self.due_at_s = math.inf if self._closed else self._clock.monotonic_s() + pause_s

    def _update(self) -> bool:
        """Raises DocumentUnavailable, ManifestRefused; False when what was held is revoked."""
        fetched = self._documents.manifest(self._state.etag)
        self._update_revocations()
        if self._keys_wanted:
            self._update_preview_keys()
        try:
            if fetched is not None:
                self._take(fetched)
            self._replace_revoked()
        finally:
            was_revoked = self._drop_revoked()
            self._save()
        return not was_revoked

    def _take(self, fetched: Fetched) -> None:
        state = self._state
        if state.held is not None and fetched.body == state.held.document:
            if fetched.etag != state.etag:
                self._state = replace(state, etag=fetched.etag)
            return
        if state.is_revoked and any(fetched.body == each.document for each in state.good):
            return  # the server has gone back, and _drop_revoked is about to
        manifest = self._verified(fetched.body)
        self._hold(manifest, fetched.body, fetched.etag)

    def _hold(self, manifest: Manifest, document: bytes, etag: str | None) -> None:
        compiled = compile_manifest(manifest)
        earlier = tuple(each for each in self._state.good if each.version < manifest.version)
        # First handed over, then remembered: a child that is forked in between fetches once more,
        # the other way round it would be told for ever that it holds the newest.
        self._accept(compiled)
        self._state = replace(
            self._state,
            lineage=self._state.lineage.after(manifest, document),
            held=_Held(compiled, document),
            earlier=earlier[:EARLIER_AT_MOST],
            etag=etag,
        )

    def _verified(self, document: bytes) -> Manifest:
        """Fetches the keys when the signer's is not among them, once an interval at most."""
        try:
            return self._state.lineage.verified(document)
        except ManifestRefused as refusal:
            if refusal.reason is not RefusalReason.UNKNOWN_KEY or not self._keys_are_old():
                raise
        self._learn_keys(self._documents.keys(self._endpoints.jwks))
        return self._state.lineage.verified(document)

    def _keys_are_old(self) -> bool:
        age_s = self._clock.monotonic_s() - self._jwks_fetched_at_s
        return age_s >= self._interval_s * (1 - _EARLY_SHARE)

    def _learn_keys(self, jwks: JwkSet) -> None:
        self._jwks_fetched_at_s = self._clock.monotonic_s()
        lineage = self._state.lineage
        if jwks != lineage.jwks:
            self._state = replace(self._state, lineage=replace(lineage, jwks=jwks))

    def _update_preview_keys(self) -> None:
        self._keys_wanted = False  # a wish that comes from here on is for another fetch
        jwks: JwkSet | None = None
        try:
            jwks = self._documents.keys(self._endpoints.preview_jwks)
        except KeysUnavailable as error:
            self._report(error)
        finally:
            self._keys_wanted |= jwks is None
        if jwks is None:
            return
        if self._has_preview_jwks:
            self._state = replace(self._state, preview_jwks=jwks)
        else:
            self._learn_keys(jwks)

    def _update_revocations(self) -> None:
        state = self._state
        try:
            found = self._documents.revocations(state.revocations_etag)
        except RevocationsUnavailable as error:
            self._report(error)  # the manifest is of use all the same
            return
        if found is None:
            return
        revocations, etag = found
        lineage = state.lineage.knowing(revocations)
        if (lineage, etag) != (state.lineage, state.revocations_etag):
            self._state = replace(state, lineage=lineage, revocations_etag=etag)

    def _replace_revoked(self) -> None:
        """Fetch again when the manifest in use was revoked: whoever does that publishes another at
        once, and what was fetched before the revocations were may be from before both."""
        if not self._state.is_revoked:
            return
        fetched = self._documents.manifest(None, past_caches=True)
        if fetched is not None:
            self._take(fetched)

    def _drop_revoked(self) -> bool:
        """Whether the manifest in use was revoked; then the newest good one before it is used."""
        state = self._state
        if state.held is None or not state.is_revoked:
            return False
        good = state.good
        back = good[0] if good else None
        self._accept(None if back is None else back.compiled)
        lineage = state.lineage if back is None else state.lineage.gone_back_to(back.document)
        self._state = replace(state, lineage=lineage, held=back, earlier=good[1:], etag=None)
        then = "no earlier one is held" if back is None else f"using {back.version} again"
        detail = f"version {state.held.version}, which was in use, has been revoked; {then}"
        self._report(ManifestRefused(RefusalReason.REVOKED, detail))
        return True

    def _start_from_cache(self) -> None:
        if self._cache is None:
            return
        try:
            saved = self._cache.read()
        except ManifestCacheFault as fault:
            self._report(fault)
            return
        if saved is None:
            return
        if not self._state.lineage.is_of(saved):
            self._report(self._cache.fault_of_owner(saved))
            return
        lineage = self._state.lineage.restored(saved)
        self._state = self._saved = replace(self._state, lineage=lineage)
        document = bytes(saved.document)
        if document == NO_DOCUMENT:
            return
        try:
            manifest = lineage.verified_again(document)
        except ManifestRefused as refusal:
            detail = f"{refusal.detail} (the manifest saved in {self._cache.path}; it is ignored)"
            self._report(ManifestRefused(refusal.reason, detail))
            return
        self._hold(manifest, document, saved.etag)
        self._saved = self._state

    def _save(self) -> None:
        state = self._state
        if self._cache is None or state is self._saved:
            return
        document = None if state.held is None else state.held.document
        saved = state.lineage.saved_with(document, state.etag)
        try:
            if saved is None or self._cache.write(saved):
                self._saved = state
        except ManifestCacheFault as fault:
            self._report(fault)
