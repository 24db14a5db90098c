"""What a client knows of the manifests of one project, and with it which of them it believes."""

from dataclasses import dataclass, field, replace

import msgspec

from fairlot.engine import Manifest
from fairlot.manifest import ManifestRefused, RefusalReason, signer_of, verify_manifest
from fairlot.sdk.documents import Revocations
from fairlot.sdk.manifest_cache import SavedManifest
from fairlot.sdk.trust import JwkSet, Trust

NO_KEYS: JwkSet = {"keys": []}
NO_DOCUMENT = b"null"
_OTHER_PROJECT_FIX = "check manifest_url, and that no other client has the same manifest_cache"


@dataclass(frozen=True, slots=True)
class Lineage:
    """`org` and `project` are None for a static manifest until the first one was accepted: from
    then on no other project's is. `floor` is the highest version that was ever accepted."""

    org: str | None
    project: str | None
    trust: Trust
    jwks: JwkSet = field(default_factory=lambda: NO_KEYS)
    floor: int = 0
    revocations: Revocations = field(default_factory=Revocations)

    def is_revoked(self, version: int, project: str | None = None) -> bool:
        return version in self.revocations.revoked.get(project or self.project or "", ())

    def knowing(self, found: Revocations) -> "Lineage":
        """What is known once the list `found` was fetched: it may be older than the last one, so
        what is revoked stays so."""
        known = self.revocations if self.project is None else self.revocations.of(self.project)
        return replace(self, revocations=found.with_unlisted_of(known))

    def verified(self, document: bytes) -> Manifest:
        """Raises ManifestRefused."""
        try:
            manifest = verify_manifest(
                document,
                self.jwks,
                trusted_keys=self.trust.keys,
                org=self.org,
                project=self.project,
                lowest_version=self.floor,
            )
        except ManifestRefused as refusal:
            fixes = {
                RefusalReason.UNTRUSTED_KEY: self.trust.fix,
                RefusalReason.OTHER_PROJECT: _OTHER_PROJECT_FIX,
            }
            if refusal.reason not in fixes:
                raise
            detail = f"{refusal.detail}; {fixes[refusal.reason]}"
            raise ManifestRefused(refusal.reason, detail) from None
        if self.is_revoked(manifest.version, manifest.project):
            detail = f"version {manifest.version} has been revoked; publish a new one"
            raise ManifestRefused(RefusalReason.REVOKED, detail)
        return manifest

    def after(self, manifest: Manifest, document: bytes) -> "Lineage":
        """What is known once `manifest`, which `verified` gave for `document`, is accepted. One
        below the floor has nothing to say about keys."""
        is_newest = manifest.version >= self.floor
        return replace(
            self,
            org=manifest.org,
            project=manifest.project,
            trust=self.trust.after(manifest, signer_of(document)) if is_newest else self.trust,
            floor=max(self.floor, manifest.version),
        )

    def gone_back_to(self, document: bytes) -> "Lineage":
        """What is known once an earlier manifest is used again, because the newest was revoked: its
        signer is believed again, or a restart would refuse it."""
        return replace(self, trust=self.trust.believing(signer_of(document)))

    def is_of(self, saved: SavedManifest) -> bool:
        return (self.org or saved.org, self.project or saved.project) == (saved.org, saved.project)

    def restored(self, saved: SavedManifest) -> "Lineage":
        """What was known when `saved` was written; pinned keys stay what they are now."""
        trust = self.trust
        if not trust.pinned and saved.trusted is not None:
            trust = Trust(frozenset(saved.trusted))
        return replace(
            self,
            org=saved.org,
            project=saved.project,
            trust=trust,
            jwks=saved.jwks,
            floor=saved.floor,
            revocations=Revocations({saved.project: saved.revoked}, saved.revoked_previews),
        )

    def verified_again(self, document: bytes) -> Manifest:
        """The manifest of a saved document. One below the floor was saved when the highest was
        revoked, and is refused otherwise. Raises ManifestRefused."""
        lowest = 0 if self.is_revoked(self.floor) else self.floor
        return replace(self, floor=lowest).verified(document)

    def saved_with(self, document: bytes | None, etag: str | None) -> SavedManifest | None:
        """What to keep on disk; None while no manifest was ever accepted."""
        if self.org is None or self.project is None or self.trust.keys is None:
            return None
        return SavedManifest(
            org=self.org,
            project=self.project,
            floor=self.floor,
            document=msgspec.Raw(NO_DOCUMENT if document is None else document),
            etag=etag,
            trusted=None if self.trust.pinned else tuple(sorted(self.trust.keys)),
            jwks=dict(self.jwks),
            revoked=self.revocations.revoked.get(self.project, ()),
            revoked_previews=self.revocations.previews,
        )
