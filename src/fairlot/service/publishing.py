"""Publish what clients decide by."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from hashlib import sha256

from sqlalchemy import Connection

from fairlot.engine import Manifest, compile_manifest
from fairlot.manifest import InvalidManifest, manifest_from_json, manifest_to_json, sign_manifest
from fairlot.manifest.instants import write_instant
from fairlot.manifest.problems import SpecProblem
from fairlot.manifest.public import public_of
from fairlot.manifest.spec import ExperimentSpec
from fairlot.service.actors import Actor
from fairlot.service.audit import record
from fairlot.service.project_state import read_state
from fairlot.service.refusals import Refused
from fairlot.service.signing_keys import current_key, published_keys
from fairlot.service.unchanged import without_unchanged
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

    `served` is what the stored rows come to, for whoever knows. A change of what only the server
    decides by is a version too, so that every version says how it decided. Raises Refused when an
    experiment would be broken in it that was not before.
    """
    newest = newest_manifest(connection, project.id)
    manifest = _listing_keys(
        connection,
        project,
        read_state(connection, project).manifest() if served is None else served,
    )
    version = 0
    if newest is not None:
        if newest.revoked_at_ms is None and _says_the_same(manifest, newest):
            return None
        version = newest.version + 1
    manifest = replace(manifest, version=version, published_at=write_instant(now_ms))
    payload, server_payload = payloads = _payloads(manifest)
    refuse_newly_broken(payload if server_payload is None else server_payload, newest, specs)
    _sign_and_store(connection, project, manifest, payloads, actor, now_ms, note)
    return version


def publish_above(
    connection: Connection,
    project: ProjectRow,
    actor: Actor,
    above: int,
    *,
    now_ms: int,
    note: str | None = None,
) -> int:
    """A new version in any case, higher than `above` and than all that are stored."""
    newest = newest_manifest(connection, project.id)
    version = max(above, -1 if newest is None else newest.version) + 1
    manifest = _listing_keys(connection, project, read_state(connection, project).manifest())
    manifest = replace(manifest, version=version, published_at=write_instant(now_ms))
    _sign_and_store(connection, project, manifest, _payloads(manifest), actor, now_ms, note)
    return version


def _listing_keys(connection: Connection, project: ProjectRow, manifest: Manifest) -> Manifest:
    keys = published_keys(connection, project.organization_id)
    return replace(manifest, keys=tuple(key.kid for key in keys))


def _says_the_same(manifest: Manifest, stored: ManifestRow) -> bool:
    published_at = write_instant(stored.published_at_ms)
    as_stored = replace(manifest, version=stored.version, published_at=published_at)
    return _payloads(as_stored) == (stored.payload, stored.server_payload)


def _sign_and_store(
    connection: Connection,
    project: ProjectRow,
    manifest: Manifest,
    payloads: tuple[bytes, bytes | None],
    actor: Actor,
    now_ms: int,
    note: str | None,
) -> None:
    payload, server_payload = payloads
    keys = published_keys(connection, project.organization_id)
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
            server_payload=server_payload,
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
        details={
            "kid": key.kid,
            "note": note,
            "sha256": _sha256(payload),
            **({} if server_payload is None else {"serverSha256": _sha256(server_payload)}),
        },
    )


def _sha256(payload: bytes) -> str:
    return sha256(payload).hexdigest()


def _payloads(manifest: Manifest) -> tuple[bytes, bytes | None]:
    """What clients get, and where that is not all, what the server decides by."""
    whole, public = manifest_to_json(manifest), public_of(manifest)
    return (whole, None) if public == manifest else (manifest_to_json(public), whole)


def _readable(newest: ManifestRow | None) -> Manifest | None:
    """None also for one that cannot be read: what follows it need not be like it."""
    try:
        return None if newest is None else manifest_from_json(newest.decided_by)
    except InvalidManifest:
        return None


def refuse_newly_broken(
    payload: bytes, newest: ManifestRow | None, specs: Iterable[ExperimentSpec]
) -> None:
    """The last guard: what is decided by must compile as it did, or better. What is as it was, with
    all that it shares, does."""
    after, before = manifest_from_json(payload), _readable(newest)
    if before is not None:
        before, after = without_unchanged(before, after)
    broken = compile_manifest(after).broken
    if not broken:
        return
    known = {} if before is None else compile_manifest(before).broken
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
