"""What a replay reads, without files and without a store."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from fairlot.engine import Manifest
from fairlot.events import Assignment, Exposure
from fairlot.manifest import SigningKey, manifest_to_json, sign_manifest
from fairlot.service.replay.origins import Origins
from fairlot.service.replay.replaying import replay
from fairlot.service.replay.report import Replay
from fairlot.service.replay.versions import StoredVersions
from fairlot.store.experiments import ManifestRow
from support.planted import planted
from support.shop_log import PROJECT_ID

KEY = SigningKey.generate()


def stored(manifest: Manifest, *, revoked_at_ms: int | None = None) -> ManifestRow:
    payload = manifest_to_json(manifest)
    return ManifestRow(
        project_id=PROJECT_ID,
        version=manifest.version,
        payload=payload,
        signed=sign_manifest(payload, KEY),
        kid=KEY.kid,
        published_at_ms=0,
        revoked_at_ms=revoked_at_ms,
    )


@dataclass
class Past:
    """`linked` are the ids that logins have linked to one."""

    rows: Mapping[int, ManifestRow]
    exposures: Sequence[Exposure] = ()
    assignments: Sequence[Assignment] = ()
    linked: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def replayed(self, key: str, *, listed: int = 100) -> Replay:
        versions = StoredVersions(key, max(self.rows, default=-1), self.rows.get)
        origins = Origins(versions, self.assignments_of, lambda: self.linked)
        own = [each for each in self.exposures if each.experiment_key == key]
        with planted(own) as connection:
            return replay(
                connection,
                PROJECT_ID,
                origins,
                project="default/default",
                experiment_id=f"exp_{key}",
                listed=listed,
            )

    def assignments_of(self, experiment_id: str, unit_id: str) -> list[Assignment]:
        return [
            each
            for each in self.assignments
            if (each.experiment_id, each.unit_id) == (experiment_id, unit_id)
        ]
