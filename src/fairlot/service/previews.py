"""Previews: tokens that show one variant ahead of its experiment, and the drafts that they open."""

from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Final

from sqlalchemy import Connection

from fairlot.engine import Experiment, FairlotError, Manifest, Status
from fairlot.engine.errors import shorten
from fairlot.events import new_ulid
from fairlot.manifest import (
    DocumentType,
    SigningKey,
    UnreadableExperiment,
    experiment_from_json,
    manifest_to_json,
    sign_manifest,
    sign_preview,
)
from fairlot.manifest.instants import write_instant
from fairlot.manifest.parts import manifest_parts
from fairlot.manifest.previews import (
    DEFAULT_TTL_S,
    LONGEST_TTL_S,
    SKEW_S,
    check_token_id,
    link_query,
)
from fairlot.manifest.public import public_of
from fairlot.service.access import existing_project
from fairlot.service.actors import Actor
from fairlot.service.audit import record
from fairlot.service.lifecycle import State
from fairlot.service.project_state import HOLDOUT, read_state
from fairlot.service.signing_keys import current_key, published_keys
from fairlot.store import Store
from fairlot.store.experiments import ExperimentRow, experiments_of, newest_manifest
from fairlot.store.previews import add_revoked_preview, forget_expired_previews
from fairlot.store.tenants import OrganizationRow, ProjectRow, raise_generation

_PREVIEWABLE: Final = frozenset(State) - {State.KILLED}
# From the latest moment at which a token that is valid now can have been made.
_LONGEST_LIFE_MS: Final = (LONGEST_TTL_S + 2 * SKEW_S) * 1000


@dataclass(frozen=True, slots=True)
class MintedPreview:
    """`expires_at_ms` is what the token says; readers allow a minute more."""

    token: str
    jti: str
    kid: str
    experiment_key: str
    variant_key: str
    expires_at_ms: int

    @property
    def query(self) -> str:
        """What to add to the query of a page's URL."""
        return link_query(self.experiment_key, self.variant_key, self.token)


class NotPreviewable(FairlotError):
    """There is no such experiment or variant to preview; `field` says which of the two."""

    code = "not_previewable"

    def __init__(self, field: str, value: str, fix: str) -> None:
        self.field = field
        self.value = value
        self.fix = fix
        super().__init__(f"{field}: {shorten(value)}: {fix}")


def mint_preview(
    connection: Connection,
    tenant: ProjectRow,
    experiment: str,
    variant_key: str,
    *,
    now_ms: int,
    ttl_s: int = DEFAULT_TTL_S,
) -> MintedPreview:
    """A token for an experiment, named by its key or its id, in whatever state but deleted.

    Raises NotPreviewable, or InvalidPreview for a `ttl_s` out of range.
    """
    row, _ = _previewed(connection, tenant, experiment, variant_key)
    key = _signer(connection, tenant)
    now_s = now_ms // 1000
    jti = f"prv_{new_ulid(now_ms)}"
    token = sign_preview(
        key,
        org=tenant.organization_key,
        project=tenant.key,
        experiment_key=row.key,
        variant_key=variant_key,
        now_s=now_s,
        ttl_s=ttl_s,
        jti=jti,
    )
    expires_at_ms = (now_s + ttl_s) * 1000
    return MintedPreview(token, jti, key.kid, row.key, variant_key, expires_at_ms)


def revoke_preview(
    connection: Connection, organization: OrganizationRow, jti: str, *, actor: Actor, now_ms: int
) -> None:
    """For good, whether or not a token of that id was ever made. Repeating it changes nothing.
    Raises InvalidPreview."""
    check_token_id(jti)
    owner = organization.id
    forget_expired_previews(connection, now_ms)
    if add_revoked_preview(connection, owner, jti, now_ms + _LONGEST_LIFE_MS, now_ms):
        raise_generation(connection)
        target = f"preview:{jti}"
        record(connection, owner, actor, "preview.revoke", now_ms=now_ms, target=target)


def draft_document(
    store: Store, org: str, project: str, experiment_key: str, variant_key: str
) -> bytes:
    """A signed manifest of this one experiment, as if it were running.

    For whoever holds a valid token for it. Raises NotPreviewable or UnknownTenant.
    """
    with store.reading() as connection:
        tenant = existing_project(connection, org, project)
        row, experiment = _previewed(connection, tenant, experiment_key, variant_key)
        newest = newest_manifest(connection, tenant.id)
        definitions = read_state(connection, tenant).live_definitions
        key = _signer(connection, tenant)
    parts = manifest_parts(
        [replace(experiment, status=Status.RUNNING)],
        [each.definition for each in definitions if each.row.kind != HOLDOUT],
        tenant.key,
    )
    manifest = Manifest(
        tenant.organization_key,
        tenant.key,
        version=0 if newest is None else newest.version,
        published_at=write_instant(row.updated_at_ms),
        experiments=parts.experiments,
        layers=parts.layers,
        segments=parts.segments,
    )
    return sign_manifest(manifest_to_json(public_of(manifest)), key, DocumentType.DRAFT)


def _signer(connection: Connection, tenant: ProjectRow) -> SigningKey:
    keys = published_keys(connection, tenant.organization_id)
    return current_key(connection, keys, tenant.organization_key)


def _previewed(
    connection: Connection, tenant: ProjectRow, named: str, variant_key: str
) -> tuple[ExperimentRow, Experiment]:
    rows = [row for row in experiments_of(connection, tenant.id).values() if _is_previewable(row)]
    row = next((row for row in rows if named in (row.key, row.id)), None)
    if row is None:
        where = f"{tenant.organization_key}/{tenant.key} has no such experiment"
        raise NotPreviewable("experiment", named, where + _nearest(named, [r.key for r in rows]))
    try:
        experiment = experiment_from_json(row.document)
    except UnreadableExperiment as error:
        fix = f"its stored document cannot be read ({error}); apply its file again"
        raise NotPreviewable("experiment", named, fix) from error
    if experiment.variant(variant_key) is None:
        known = [variant.key for variant in experiment.variants]
        fix = f"{row.key} has no such variant{_nearest(variant_key, known)}"
        raise NotPreviewable("variant", variant_key, fix)
    return row, experiment


def _is_previewable(row: ExperimentRow) -> bool:
    return row.deleted_at_ms is None and row.status in _PREVIEWABLE


def _nearest(name: str, known: list[str]) -> str:
    near = get_close_matches(name, known, n=1)
    if near:
        return f"; did you mean {near[0]}?"
    return f"; there are {', '.join(sorted(known)[:20])}" if known else "; it has none yet"
