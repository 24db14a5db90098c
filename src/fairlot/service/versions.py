"""The versions of a project's manifest, and how one is taken back."""

from dataclasses import dataclass
from typing import Any, Final

import msgspec
from sqlalchemy import Connection

from fairlot.engine import FairlotError
from fairlot.engine.errors import shorten
from fairlot.manifest import jwks_json
from fairlot.service.actors import Actor
from fairlot.service.audit import record
from fairlot.service.publishing import publish
from fairlot.service.signing_keys import published_keys
from fairlot.service.snapshot import revocations_json
from fairlot.store.experiments import (
    ManifestRow,
    live_versions,
    newest_manifest,
    read_manifest,
    revoked_versions,
)
from fairlot.store.manifest_versions import find_manifest, mark_revoked
from fairlot.store.previews import read_revoked_previews
from fairlot.store.tenants import ProjectRow, raise_generation

# What every version has of its own, whatever is in it.
_OF_THE_VERSION: Final = ("version", "publishedAt", "keys")


class UnknownVersion(FairlotError):
    code = "unknown_version"

    def __init__(self, tenant: ProjectRow, version: int | str | None) -> None:
        self.version = version
        named = "" if version is None else f" {shorten(version)}"
        super().__init__(
            f"{tenant.organization_key}/{tenant.key}: has no such version{named}; list them to see"
            " which there are"
        )


@dataclass(frozen=True, slots=True)
class Revocation:
    """`published` is the version that was made in its place; None when a newer one was there
    already, or, `changed` being False, when it had been revoked before. `is_same_content` says that
    the new one holds what was revoked: the stored experiments are still what they were. What a
    version that is not stored held nobody knows."""

    version: int
    changed: bool
    published: int | None = None
    is_same_content: bool = False


@dataclass(frozen=True, slots=True)
class StaticDocuments:
    """What a folder has to hold for clients to decide from it."""

    version: int
    manifest: bytes
    jwks: bytes
    revocations: bytes


def read_version(connection: Connection, tenant: ProjectRow, version: int) -> ManifestRow:
    """Raises UnknownVersion."""
    row = find_manifest(connection, tenant.id, version)
    if row is None:
        raise UnknownVersion(tenant, version)
    return row


def revoke_version(
    connection: Connection,
    tenant: ProjectRow,
    version: int,
    actor: Actor,
    *,
    now_ms: int,
    reason: str,
) -> Revocation:
    """Have every client refuse a version, and publish another in its place at once.

    Clients never go below what they have seen, so without a new version they would decide by
    nothing. It is made from the stored experiments: what was wrong with them is to be reverted
    before, or after. After a restore clients may have versions that are not stored: any number
    below the newest can be revoked. Raises UnknownVersion.
    """
    row = find_manifest(connection, tenant.id, version)
    if row is None and not _may_be_given_out(connection, tenant, version):
        raise UnknownVersion(tenant, version)
    if not mark_revoked(connection, tenant.id, version, reason, now_ms):
        return Revocation(version, changed=False)
    raise_generation(connection)
    record(
        connection,
        tenant.organization_id,
        actor,
        "manifest.revoke",
        now_ms=now_ms,
        project=tenant.key,
        target=f"manifest:{version}",
        details={"reason": reason},
    )
    note = f"in place of version {version}, which was revoked"
    published = publish(connection, tenant, actor, now_ms=now_ms, note=note)
    newest = newest_manifest(connection, tenant.id)
    return Revocation(
        version,
        changed=True,
        published=published,
        is_same_content=_have_same_content(newest, row),
    )


def static_documents(connection: Connection, tenant: ProjectRow, now_ms: int) -> StaticDocuments:
    """Of the newest version that is not revoked. Raises UnknownVersion when there is none."""
    live = live_versions(connection, tenant.id)
    if not live:
        raise UnknownVersion(tenant, None)
    keys = published_keys(connection, tenant.organization_id)
    revoked = revoked_versions(connection).get(tenant.id, [])
    previews = read_revoked_previews(connection, now_ms).get(tenant.organization_id, [])
    return StaticDocuments(
        version=live[0],
        manifest=read_manifest(connection, tenant.id, live[0]).signed,
        jwks=jwks_json(key.public_jwk for key in keys),
        revocations=revocations_json({tenant.key: revoked} if revoked else {}, previews),
    )


def _may_be_given_out(connection: Connection, tenant: ProjectRow, version: int) -> bool:
    newest = newest_manifest(connection, tenant.id)
    return newest is not None and version < newest.version


def _have_same_content(one: ManifestRow | None, other: ManifestRow | None) -> bool:
    return one is not None and other is not None and _content_of(one) == _content_of(other)


def _content_of(row: ManifestRow) -> dict[str, Any]:
    payload: dict[str, Any] = msgspec.json.decode(row.decided_by)
    return {name: value for name, value in payload.items() if name not in _OF_THE_VERSION}
