"""The versions of a project's manifest."""

import re
from typing import Annotated, Any, Final

import msgspec

from fairlot.http.management import (
    Call,
    Outcome,
    Page,
    Paging,
    page_of,
    position_after,
    read,
    write,
)
from fairlot.http.management.instants import written
from fairlot.http.registry import Answer
from fairlot.http.texts import Sentence
from fairlot.service.actors import Scope
from fairlot.service.manifest_diff import ManifestDiff, diff_manifests
from fairlot.service.publishing import publish
from fairlot.service.versions import (
    UnknownVersion,
    read_version,
    revoke_version,
    static_documents,
)
from fairlot.store.experiments import ManifestRow, newest_manifest
from fairlot.store.manifest_versions import VersionRow, versions_of

_PATH: Final = "/api/v1/orgs/{org}/projects/{project}/manifests"
_STATIC_PATH: Final = "/api/v1/orgs/{org}/projects/{project}/static-manifest"
_HIGHEST: Final = 999_999_999
_NUMBER: Final = re.compile("0|[1-9][0-9]{0,8}")


class Publish(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """`note` is for those who read the list of versions."""

    note: Sentence | None = None


class Revoke(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    reason: Sentence


class ManifestVersion(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`kid` is the key that has signed it, `author` null where nobody knows."""

    version: int
    published_at: str
    author: str | None
    note: str | None
    kid: str
    revoked: bool
    revoked_at: str | None
    revoke_reason: str | None


class ManifestDocument(ManifestVersion, frozen=True, kw_only=True, rename="camel"):
    """`manifest` is what was signed. `server` is what the server decides by where that is more, and
    null elsewhere; no client gets it."""

    manifest: dict[str, Any]
    server: dict[str, Any] | None


class DiffQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`from` absent is the version before, of those that are stored."""

    base: Annotated[int, msgspec.Meta(ge=0, le=_HIGHEST)] | None = msgspec.field(
        default=None, name="from"
    )


class DiffDocument(ManifestDiff, frozen=True, kw_only=True, rename="camel"):
    """`from` null: `to` is the first version."""

    base: int | None = msgspec.field(name="from")
    to: int


class Published(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`published` false: the newest version says all of it already."""

    version: int
    published: bool


class Revoked(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`changed` false: it had been revoked before. `published` is the version that was made in its
    place, null when there was a newer one. `isSameContent`: the newest version holds what was
    revoked, so that what was wrong has yet to be reverted."""

    version: int
    changed: bool
    published: int | None
    is_same_content: bool


class StaticManifest(msgspec.Struct, frozen=True, kw_only=True):
    """Three files of one folder: `manifest.json`, `jwks.json` and `revocations.json`."""

    version: int
    manifest: dict[str, str]
    jwks: dict[str, Any]
    revocations: dict[str, Any]


def list_versions(call: Call[Paging]) -> Outcome:
    after = position_after(call)
    rows = versions_of(
        call.connection,
        call.tenant.id,
        limit=call.asked.limit + 1,
        below=None if after is None else int(after[0]),
    )
    return page_of(call, rows, lambda row: (row.version,), _document)


def show(call: Call[None]) -> Outcome:
    row = read_version(call.connection, call.tenant, _version_in(call))
    return Outcome(
        ManifestDocument(
            **msgspec.structs.asdict(_document(row)),
            manifest=msgspec.json.decode(row.payload),
            server=None if row.server_payload is None else msgspec.json.decode(row.server_payload),
        )
    )


def diff(call: Call[DiffQuery]) -> Outcome:
    after = read_version(call.connection, call.tenant, _version_in(call))
    base = call.asked.base
    if base is None:
        before_it = versions_of(call.connection, call.tenant.id, limit=1, below=after.version)
        base = before_it[0].version if before_it else None
    before = None if base is None else read_version(call.connection, call.tenant, base).decided_by
    found = msgspec.structs.asdict(diff_manifests(before, after.decided_by))
    return Outcome(DiffDocument(**found, base=base, to=after.version))


def publish_now(call: Call[Publish]) -> Outcome:
    tenant = call.tenant
    version = publish(call.connection, tenant, call.actor, now_ms=call.now_ms, note=call.asked.note)
    if version is not None:
        return Outcome(Published(version=version, published=True), 201)
    newest = newest_manifest(call.connection, tenant.id)
    return Outcome(Published(version=0 if newest is None else newest.version, published=False))


def revoke(call: Call[Revoke]) -> Outcome:
    done = revoke_version(
        call.connection,
        call.tenant,
        _version_in(call),
        call.actor,
        now_ms=call.now_ms,
        reason=call.asked.reason,
    )
    return Outcome(
        Revoked(
            version=done.version,
            changed=done.changed,
            published=done.published,
            is_same_content=done.is_same_content,
        )
    )


def show_static(call: Call[None]) -> Outcome:
    documents = static_documents(call.connection, call.tenant, call.now_ms)
    return Outcome(
        StaticManifest(
            version=documents.version,
            manifest=msgspec.json.decode(documents.manifest),
            jwks=msgspec.json.decode(documents.jwks),
            revocations=msgspec.json.decode(documents.revocations),
        )
    )


def _version_in(call: Call[Any]) -> int:
    text = call.path["version"]
    if _NUMBER.fullmatch(text) is None:
        raise UnknownVersion(call.tenant, text)
    return int(text)


def _document(row: VersionRow | ManifestRow) -> ManifestVersion:
    return ManifestVersion(
        version=row.version,
        published_at=written(row.published_at_ms),
        author=row.author,
        note=row.note,
        kid=row.kid,
        revoked=row.revoked_at_ms is not None,
        revoked_at=written(row.revoked_at_ms),
        revoke_reason=row.revoke_reason,
    )


_PUBLISHED: Final = {
    200: Answer("There was nothing to publish.", (Published,)),
    201: Answer("A new version.", (Published,)),
}
ROUTES: Final = (
    read(
        _PATH,
        "List the versions of a project's manifest, newest first",
        Scope.READ,
        list_versions,
        {200: Answer("One page.", (Page[ManifestVersion],))},
        query=Paging,
    ),
    write(
        "POST",
        _PATH,
        "Publish what is stored, if that is not what the newest version says",
        Scope.WRITE,
        publish_now,
        _PUBLISHED,
        request=Publish,
    ),
    read(
        _PATH + "/{version}",
        "One version of a project's manifest",
        Scope.READ,
        show,
        {200: Answer("The version, and what it says.", (ManifestDocument,))},
    ),
    read(
        _PATH + "/{version}/diff",
        "What a version changed",
        Scope.READ,
        diff,
        {200: Answer("What differs, named as in YAML.", (DiffDocument,))},
        query=DiffQuery,
    ),
    write(
        "POST",
        _PATH + "/{version}/revoke",
        "Have all clients refuse a version, and publish another in its place",
        Scope.WRITE,
        revoke,
        {200: Answer("What became of it.", (Revoked,))},
        request=Revoke,
    ),
    read(
        _STATIC_PATH,
        "The newest manifest and what belongs to it, as files for a static host",
        Scope.READ,
        show_static,
        {200: Answer("The files.", (StaticManifest,))},
    ),
)
