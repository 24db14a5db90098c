"""What becomes of a client's manifest, as the events of an OpenFeature provider."""

from collections.abc import Callable
from typing import Any, Final

from openfeature.event import ProviderEvent, ProviderEventDetails
from openfeature.exception import ErrorCode
from openfeature.provider import ProviderStatus

from fairlot import Client
from fairlot.engine import Manifest
from fairlot.integrations.openfeature_details import NO_MANIFEST
from fairlot.manifest.contents import same_content

Emit = Callable[[ProviderEvent, ProviderEventDetails], None]
_STALE: Final = "the manifest could not be refreshed; the one that is held stays in use"


class ManifestEvents:
    """Emits what changed from one refresh of the client to the next, from `start` to `stop`."""

    def __init__(self, client: Client, emit: Emit) -> None:
        self._client = client
        self._emit = emit
        self._manifest: Manifest | None = None
        self._status = ProviderStatus.NOT_READY
        self._unsubscribe: Callable[[], None] | None = None

    def start(self) -> bool:
        """Whether there is a manifest; emits nothing about the one that is there."""
        self.stop()
        self._manifest = self._client.manifest()
        self._status = _status_of(self._manifest, refreshed=True)
        self._unsubscribe = self._client.on_refresh(self._refreshed)
        return self._manifest is not None

    def stop(self) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    def _refreshed(self, succeeded: bool) -> None:
        before, self._manifest = self._manifest, self._client.manifest()
        status, self._status = self._status, _status_of(self._manifest, refreshed=succeeded)
        if self._status is not status:
            self._emit(*_event_of(self._status))
        changed = _changed_keys(before, self._manifest)
        if changed:
            details = ProviderEventDetails(flags_changed=changed)
            self._emit(ProviderEvent.PROVIDER_CONFIGURATION_CHANGED, details)


def _status_of(manifest: Manifest | None, *, refreshed: bool) -> ProviderStatus:
    if manifest is None:
        return ProviderStatus.ERROR
    return ProviderStatus.READY if refreshed else ProviderStatus.STALE


def _event_of(status: ProviderStatus) -> tuple[ProviderEvent, ProviderEventDetails]:
    if status is ProviderStatus.READY:
        return ProviderEvent.PROVIDER_READY, ProviderEventDetails()
    if status is ProviderStatus.STALE:
        return ProviderEvent.PROVIDER_STALE, ProviderEventDetails(message=_STALE)
    code = ErrorCode.PROVIDER_NOT_READY
    return ProviderEvent.PROVIDER_ERROR, ProviderEventDetails(message=NO_MANIFEST, error_code=code)


def _changed_keys(before: Manifest | None, after: Manifest | None) -> list[str]:
    """The experiments that may decide otherwise than before; when either is missing none, for the
    status tells it."""
    if before is None or after is None or before is after:
        return []
    old = {experiment.key: experiment for experiment in before.experiments}
    new = {experiment.key: experiment for experiment in after.experiments}
    keys = sorted(old.keys() | new.keys())
    if not same_content(_shared_parts(before), _shared_parts(after)):
        return keys
    return [key for key in keys if not same_content(old.get(key), new.get(key))]


def _shared_parts(manifest: Manifest) -> tuple[Any, ...]:
    return manifest.holdout, manifest.layers, manifest.segments
