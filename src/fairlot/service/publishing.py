"""Publish what clients decide by."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import sha256

from sqlalchemy import Connection

from fairlot.engine import Manifest, compile_manifest
from fairlot.manifest import manifest_from_json, manifest_to_json, sign_manifest
from fairlot.manifest.instants import write_instant
from fairlot.manifest.problems import SpecProblem
from fairlot.manifest.spec import ExperimentSpec
from fairlot.service.actors import Actor
from fairlot.service.audit import record
from fairlot.service.project_state import read_state
from fairlot.service.refusals import Refused
from fairlot.service.signing_keys import current_key, published_keys
from fairlot.store.experiments import ManifestRow, add_manifest, newest_manifest
from fairlot.store.tenants import ProjectRow, raise_generation


def publish(
    connection: Connection,
    project: ProjectRow,
    actor: Actor,
    *,
    now_ms: int,
    note: str | None = None,
    served: Manifest | None = None,
    specs: Sequence[ExperimentSpec] = (),
) -> int | None:
    """Sign and store the next version, if it differs from the newest; versions start at 0.

    `served` is what the stored rows come to, for whoever knows. Raises Refused when an experiment
    would be broken in it that was not before.
    """
    newest = newest_manifest(connection, project.id)
    keys = published_keys(connection, project.organization_id)
    manifest = replace(
        read_state(connection, project).manifest() if served is None else served,
        version=0 if newest is None else newest.version,
        published_at=write_instant(now_ms if newest is None else newest.published_at_ms),
        keys=tuple(key.kid for key in keys),
    )
    if newest is not None:
        if newest.revoked_at_ms is None and manifest_to_json(manifest) == newest.payload:
            return None
        manifest = replace(manifest, version=newest.version + 1, published_at=write_instant(now_ms))
    payload = manifest_to_json(manifest)
    refuse_newly_broken(payload, newest, specs)
    key = current_key(connection, keys, project.organization_key)
    add_manifest(
        connection,
        ManifestRow(
            project_id=project.id,
            version=manifest.version,
            payload=payload,
            signed=sign_manifest(payload, key),
            kid=key.kid,
            published_at_ms=now_ms,
            author=actor.name,
            note=note,
        ),
    )
    raise_generation(connection)
    record(
        connection,
        project.organization_id,
        actor,
        "manifest.publish",
        now_ms=now_ms,
        project=project.key,
        target=f"manifest:{manifest.version}",
        details={"kid": key.kid, "note": note, "sha256": sha256(payload).hexdigest()},
    )
    return manifest.version


def refuse_newly_broken(
    payload: bytes, newest: ManifestRow | None, specs: Iterable[ExperimentSpec]
) -> None:
    """The last guard: what clients will read must compile as it did, or better."""
    broken = compile_manifest(manifest_from_json(payload)).broken
    if not broken:
        return
    known = {} if newest is None else compile_manifest(manifest_from_json(newest.payload)).broken
    by_key = {spec.experiment.key: spec for spec in specs}
    problems = defaultdict(list)
    for key, problem in broken.items():
        if key in known:
            continue
        spec = by_key.get(key)
        file, line = ("", 0) if spec is None else (spec.file, spec.line)
        problems[key].append(SpecProblem(file, line, key, "", problem))
    if problems:
        raise Refused([each for found in problems.values() for each in found])
