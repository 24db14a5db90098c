"""All that serving needs of the store, read at one moment and never changed."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Final

import msgspec
from sqlalchemy import Connection

from fairlot.engine import CompiledManifest, compile_manifest
from fairlot.engine.needs import HistoryNeeds, all_of, profile_needs
from fairlot.logs import get_logger
from fairlot.manifest import InvalidManifest, jwks_json, manifest_from_json
from fairlot.service.personalization.rules import ProjectRules, compile_rules
from fairlot.store import Store
from fairlot.store.credentials import read_api_keys
from fairlot.store.experiments import (
    keys_with_changed_draws,
    live_versions,
    read_manifest,
    revoked_versions,
)
from fairlot.store.previews import read_revoked_previews
from fairlot.store.signing_keys import KeyState, read_signing_keys
from fairlot.store.tenants import ProjectRow, all_projects, organization_keys, read_generation
from fairlot.store.tokens import TokenKind, TokenRow, tokens_not_revoked

_log = get_logger()


@dataclass(frozen=True, slots=True)
class ProjectServing:
    """`etag` is quoted and strong. `tier` None leaves it to the server's settings.
    `always_look_up` are the experiments whose draw has changed since they started: their hash is
    no longer the memory of what was assigned. `profile_needs` are the keys of those that read the
    subject's profile, each with the events, by name, that it wants the history of, and how far back
    in ms; `history_wanted` satisfies all of them."""

    org: str
    project: str
    project_id: str
    version: int
    compiled: CompiledManifest
    signed: bytes
    etag: str
    private: bool
    tier: str | None
    always_look_up: frozenset[str]
    profile_needs: Mapping[str, HistoryNeeds]
    history_wanted: HistoryNeeds
    rules: ProjectRules
    honours_gpc: bool = True


@dataclass(frozen=True, slots=True)
class Tenant:
    """A project, published or not. `tier` as in `ProjectServing`."""

    org: str
    project: str
    project_id: str
    tier: str | None
    honours_gpc: bool = True


@dataclass(frozen=True, slots=True)
class SourceToken:
    """Sends what happened in a project. `allowed_origins` None is one that only servers hold."""

    tenant: Tenant
    allowed_origins: frozenset[str] | None

    @property
    def is_public(self) -> bool:
        """Anyone can read it off a page, so anyone can send with it."""
        return self.allowed_origins is not None


@dataclass(frozen=True, slots=True)
class ApiKeyRecord:
    """`id` is its 8 characters; `project_ids` None is every project of the organization."""

    id: str
    secret_sha256: bytes
    scopes: frozenset[str]
    project_ids: frozenset[str] | None
    org: str
    expires_at_ms: int | None
    revoked: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """`projects` by organization and project key, `tokens` by the SHA-256 of the experiment token,
    `source_tokens` by that of the source token, `token_ends` of those of both that expire,
    `api_keys` by the 8 characters of their id, `jwks` and `revocations` by organization key.
    `tenants` are all projects, by organization and project key. `public_origins` are those that
    some source token allows."""

    generation: int
    projects: Mapping[tuple[str, str], ProjectServing]
    tokens: Mapping[bytes, ProjectServing]
    token_ends: Mapping[bytes, int]
    api_keys: Mapping[str, ApiKeyRecord]
    jwks: Mapping[str, bytes]
    revocations: Mapping[str, bytes]
    tenants: Mapping[tuple[str, str], Tenant]
    source_tokens: Mapping[bytes, SourceToken] = field(default_factory=dict)
    public_origins: frozenset[str] = frozenset()


EMPTY_SNAPSHOT: Final = Snapshot(
    generation=-1,
    projects={},
    tokens={},
    token_ends={},
    api_keys={},
    jwks={},
    revocations={},
    tenants={},
)
"""Before anything was loaded; no store has that generation."""


def load_snapshot(
    store: Store, previous: Snapshot | None = None, *, now_ms: int | None = None
) -> Snapshot:
    """The newest state; what `previous` has compiled and is still current is taken over.

    A project whose newest manifest cannot be read keeps the version that `previous` served, unless
    that was revoked; else the newest that can be read. It is left out only when there is none. The
    other projects are not affected.
    """
    served = {} if previous is None else previous.projects
    at_ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    with store.reading() as connection:
        rows = all_projects(connection)
        found = [
            _serve_project(connection, row, served.get((row.organization_key, row.key)))
            for row in rows
        ]
        projects = {(each.org, each.project): each for each in found if each is not None}
        by_id = {each.project_id: each for each in projects.values()}
        tenants = {row.id: _tenant(row) for row in rows}
        tokens = tokens_not_revoked(connection)
        sources = _source_tokens(tokens, tenants)
        orgs = organization_keys(connection)
        return Snapshot(
            generation=read_generation(connection),
            projects=projects,
            tokens={
                row.sha256: by_id[row.project_id]
                for row in tokens
                if row.kind is TokenKind.EXPERIMENT and row.project_id in by_id
            },
            token_ends={
                row.sha256: row.expires_at_ms for row in tokens if row.expires_at_ms is not None
            },
            api_keys=_api_keys(connection, orgs),
            jwks=_key_sets(connection, orgs),
            revocations=_revocations(connection, orgs, rows, at_ms),
            tenants={(each.org, each.project): each for each in tenants.values()},
            source_tokens=sources,
            public_origins=frozenset().union(
                *(each.allowed_origins for each in sources.values() if each.allowed_origins)
            ),
        )


def _tenant(row: ProjectRow) -> Tenant:
    return Tenant(row.organization_key, row.key, row.id, row.tier, row.honours_gpc)


def _source_tokens(
    tokens: Sequence[TokenRow], tenants: Mapping[str, Tenant]
) -> dict[bytes, SourceToken]:
    return {
        row.sha256: SourceToken(
            tenants[row.project_id],
            None if row.allowed_origins is None else frozenset(row.allowed_origins),
        )
        for row in tokens
        if row.kind is TokenKind.SOURCE
    }


def _serve_project(
    connection: Connection, project: ProjectRow, before: ProjectServing | None
) -> ProjectServing | None:
    found = _newest_readable(connection, project, before)
    if found is None:
        return None
    version, compiled, signed = found
    kept = before if before is not None and before.compiled is compiled else None
    needs = profile_needs(compiled.manifest) if kept is None else kept.profile_needs
    return ProjectServing(
        org=project.organization_key,
        project=project.key,
        project_id=project.id,
        version=version,
        compiled=compiled,
        signed=signed,
        etag=f'"{sha256(signed).hexdigest()[:32]}"',
        private=project.private,
        tier=project.tier,
        always_look_up=keys_with_changed_draws(connection, project.id),
        profile_needs=needs,
        history_wanted=all_of(needs.values()),
        rules=compile_rules(compiled, needs) if kept is None else kept.rules,
        honours_gpc=project.honours_gpc,
    )


def _newest_readable(
    connection: Connection, project: ProjectRow, before: ProjectServing | None
) -> tuple[int, CompiledManifest, bytes] | None:
    """A version, compiled, and as it was signed."""
    live = live_versions(connection, project.id)
    kept = None
    if before is not None and before.version in live:
        kept = before.version, before.compiled, before.signed
    for version in live:
        row = read_manifest(connection, project.id, version)
        if kept is not None and kept[2] == row.signed:
            return kept
        try:
            compiled = compile_manifest(manifest_from_json(row.decided_by))
        except InvalidManifest as error:
            _log.error(
                "snapshot.manifest_unreadable",
                org=project.organization_key,
                project=project.key,
                version=version,
                problem=str(error),
            )
            if kept is not None:
                return kept
        else:
            return version, compiled, row.signed
    return None


def _api_keys(connection: Connection, orgs: Mapping[str, str]) -> dict[str, ApiKeyRecord]:
    return {
        row.id: ApiKeyRecord(
            id=row.id,
            secret_sha256=row.secret_sha256,
            scopes=row.scopes,
            project_ids=row.project_ids,
            org=orgs[row.organization_id],
            expires_at_ms=row.expires_at_ms,
            revoked=row.revoked_at_ms is not None,
        )
        for row in read_api_keys(connection)
    }


def _key_sets(connection: Connection, orgs: Mapping[str, str]) -> dict[str, bytes]:
    keys = [key for key in read_signing_keys(connection) if key.state != KeyState.RETIRED]
    return {
        org: jwks_json(key.public_jwk for key in keys if key.organization_id == owner)
        for owner, org in orgs.items()
    }


def revocations_json(revoked: Mapping[str, Sequence[int]], previews: Sequence[str]) -> bytes:
    """`{"revoked": {"<project>": [<version>, ...]}, "previews": [<jti>, ...]}`"""
    return msgspec.json.encode({"revoked": revoked, "previews": previews})


def _revocations(
    connection: Connection, orgs: Mapping[str, str], projects: list[ProjectRow], now_ms: int
) -> dict[str, bytes]:
    """With the projects that have some, and the tokens that may not have expired."""
    versions = revoked_versions(connection)
    previews = read_revoked_previews(connection, now_ms)
    return {
        org: revocations_json(
            {
                project.key: versions[project.id]
                for project in projects
                if project.organization_id == owner and project.id in versions
            },
            previews.get(owner, []),
        )
        for owner, org in orgs.items()
    }
