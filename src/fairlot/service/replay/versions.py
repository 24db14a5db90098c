"""The stored versions of a manifest, read when an exposure names them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from hashlib import sha256

import msgspec

from fairlot.engine import Experiment, Holdout, compile_manifest
from fairlot.manifest import InvalidManifest, manifest_from_json
from fairlot.manifest.base64url import from_base64url
from fairlot.manifest.jws import SignedParts
from fairlot.service.replay.draws import ExperimentDraws, draws_of
from fairlot.service.replay.report import Cause, NotChecked
from fairlot.store.experiments import ManifestRow

ReadVersion = Callable[[int], ManifestRow | None]


@dataclass(frozen=True, slots=True)
class ReadDraws:
    """Of one version: `draws`, or for a holdout `holdout`; without either `verdict` says why."""

    version: int
    draws: ExperimentDraws | None = None
    holdout: Holdout | None = None
    verdict: Cause | NotChecked | None = None
    problem: str | None = None
    is_altered: bool = False
    revoked_at_ms: int | None = None


@dataclass(slots=True)
class StoredVersions:
    """`newest` is the highest version that was ever published, -1 before any."""

    experiment_key: str
    newest: int
    read: ReadVersion
    server_sum: Callable[[int], str | None] = lambda _version: None
    """SHA-256 of what the server decides by, as the audit log has it."""
    _known: dict[int, ReadDraws] = field(default_factory=dict)

    def of(self, version: int) -> ReadDraws:
        known = self._known.get(version)
        if known is None:
            known = self._known[version] = self._read(version)
        return known

    def up_to(self, version: int) -> Iterator[ExperimentDraws]:
        """What these versions draw, the newest first, those that draw alike once."""
        seen: set[str] = set()
        for number in range(min(version, self.newest), -1, -1):
            draws = self.of(number).draws
            if draws is not None and draws.is_running and draws.key not in seen:
                seen.add(draws.key)
                yield draws

    def _read(self, version: int) -> ReadDraws:
        if version > self.newest:  # it may be more than the store has a column for
            return ReadDraws(version, verdict=Cause.VERSION_NEVER_PUBLISHED)
        row = self.read(version)
        if row is None:
            return ReadDraws(version, verdict=NotChecked.VERSION_NOT_STORED)
        found = _read_row(row, self.experiment_key)
        return replace(
            found,
            is_altered=_is_altered(row, self.server_sum(version)),
            revoked_at_ms=row.revoked_at_ms,
        )


def _read_row(row: ManifestRow, key: str) -> ReadDraws:
    version = row.version
    try:
        manifest = manifest_from_json(row.decided_by)
    except InvalidManifest as error:
        return ReadDraws(version, verdict=NotChecked.VERSION_UNREADABLE, problem=str(error))
    holdout = manifest.holdout
    if holdout is not None and key == f"holdout.{holdout.key}":
        return ReadDraws(version, holdout=holdout)
    only = tuple(each for each in manifest.experiments if each.key == key)
    if not only:
        return ReadDraws(version, verdict=Cause.NOT_IN_VERSION)
    manifest = replace(manifest, experiments=only)
    broken = compile_manifest(manifest).broken.get(key)
    if broken is not None:
        return ReadDraws(version, verdict=Cause.BROKEN_IN_VERSION, problem=broken)
    if any(isinstance(each, Experiment) and each.server_only for each in only):
        problem = "it lists the experiment without what decides it"
        return ReadDraws(version, verdict=NotChecked.VERSION_UNREADABLE, problem=problem)
    return ReadDraws(version, draws=draws_of(manifest, key))


def _is_altered(row: ManifestRow, server_sum: str | None) -> bool:
    """Whether a stored payload is another than the one that was signed, or summed in the audit
    log."""
    try:
        parts = msgspec.json.decode(row.signed, type=SignedParts)
        if from_base64url(parts.payload) != row.payload:
            return True
    except (msgspec.DecodeError, ValueError):
        return True
    return server_sum is not None and server_sum != _sum_of(row.server_payload)


def _sum_of(payload: bytes | None) -> str | None:
    return None if payload is None else sha256(payload).hexdigest()
