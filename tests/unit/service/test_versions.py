"""Versions: published, listed, revoked, and written for a static host."""

import json

import pytest
from sqlalchemy import Connection

from fairlot.manifest import verify_manifest
from fairlot.service.actors import SYSTEM, Actor
from fairlot.service.audit_verification import verify_audit
from fairlot.service.previews import revoke_preview
from fairlot.service.publishing import publish
from fairlot.service.snapshot import load_snapshot
from fairlot.service.versions import (
    Revocation,
    UnknownVersion,
    read_version,
    revoke_version,
    static_documents,
)
from fairlot.store import Store
from fairlot.store.audit import read_audit_records
from fairlot.store.manifest_versions import versions_of
from fairlot.store.tables import manifests
from fairlot.store.tenants import OrganizationRow, ProjectRow, find_project
from unit.service.conftest import NOW_MS, Apply

ANNA = Actor("local:anna", frozenset())
YAML = "key: hero\nname: {name}\nvariants: [{{key: a, name: A}}, {{key: b, name: B}}]\n"


def tenant_of(connection: Connection) -> ProjectRow:
    found = find_project(connection, "default", "default")
    assert found is not None
    return found


def revoke(store: Store, version: int, reason: str = "wrong price") -> Revocation:
    with store.writing() as connection:
        tenant = tenant_of(connection)
        return revoke_version(connection, tenant, version, ANNA, now_ms=NOW_MS + 5, reason=reason)


def served_version(store: Store) -> int:
    return load_snapshot(store).projects["default", "default"].version


def revoked(store: Store) -> object:
    return json.loads(load_snapshot(store).revocations["default"])["revoked"]


def test_publish__with_a_note__is_kept_with_its_author(store: Store, apply: Apply) -> None:
    apply(YAML.format(name="Hero"))
    with store.writing() as connection:
        tenant = tenant_of(connection)
        connection.execute(manifests.delete().where(manifests.c.version == 1))
        version = publish(connection, tenant, ANNA, now_ms=NOW_MS + 5, note="for the sale")
        first = versions_of(connection, tenant.id, limit=1)[0]
        (row,) = read_audit_records(connection, tenant.organization_id, limit=1)
    assert version == first.version == 1
    assert (first.author, first.note) == ("local:anna", "for the sale")
    assert (row.actor, row.action, row.target) == (
        "local:anna",
        "manifest.publish",
        "manifest:1",
    )
    assert json.loads(row.details)["note"] == "for the sale"


def test_publish__nothing_to_publish__is_none_and_not_on_record(store: Store) -> None:
    with store.writing() as connection:
        tenant = tenant_of(connection)
        before = read_audit_records(connection, tenant.organization_id, limit=1)
        assert publish(connection, tenant, ANNA, now_ms=NOW_MS + 5, note="again") is None
        assert read_audit_records(connection, tenant.organization_id, limit=1) == before


def test_versions_of__in_pages__are_newest_first(store: Store, apply: Apply) -> None:
    for name in ("One", "Two", "Three"):
        apply(YAML.format(name=name))
    with store.reading() as connection:
        tenant = tenant_of(connection)
        page = versions_of(connection, tenant.id, limit=2)
        rest = versions_of(connection, tenant.id, limit=9, below=page[-1].version)
    assert [row.version for row in (*page, *rest)] == [3, 2, 1, 0]


def test_read_version__one_that_is_not_there__says_so(store: Store) -> None:
    with store.reading() as connection:
        tenant = tenant_of(connection)
        assert read_version(connection, tenant, 0).version == 0
        with pytest.raises(UnknownVersion, match="has no such version 1; list them"):
            read_version(connection, tenant, 1)


def test_revoke__newest_version__publishes_a_higher_one_at_once(store: Store, apply: Apply) -> None:
    apply(YAML.format(name="Hero"))
    generation = store.generation()
    outcome = revoke(store, 1)
    assert outcome == Revocation(1, changed=True, published=2, is_same_content=True)
    assert store.generation() > generation
    assert served_version(store) == 2
    assert revoked(store) == {"default": [1]}


def test_revoke__wrong_content_reverted_before__publishes_what_is_right(
    store: Store, apply: Apply
) -> None:
    apply(YAML.format(name="Hero"))
    apply(YAML.format(name="Wrong"))
    apply(YAML.format(name="Hero"))
    assert served_version(store) == 3
    outcome = revoke(store, 2)
    assert outcome == Revocation(2, changed=True, published=None, is_same_content=False)
    assert served_version(store) == 3
    assert revoked(store) == {"default": [2]}


def test_revoke__again__changes_nothing(store: Store, apply: Apply) -> None:
    apply(YAML.format(name="Hero"))
    revoke(store, 1)
    generation = store.generation()
    assert revoke(store, 1, "another reason") == Revocation(1, changed=False)
    assert store.generation() == generation
    with store.reading() as connection:
        row = read_version(connection, tenant_of(connection), 1)
    assert (row.revoke_reason, row.revoked_at_ms) == ("wrong price", NOW_MS + 5)


def test_revoke__version_that_is_not_there__changes_nothing(store: Store) -> None:
    generation = store.generation()
    with pytest.raises(UnknownVersion):
        revoke(store, 7)
    assert store.generation() == generation


def test_revoke__version_that_a_restore_lost__is_refused_by_clients(
    store: Store, apply: Apply
) -> None:
    for name in ("One", "Two", "Three"):
        apply(YAML.format(name=name))
    with store.writing() as connection:
        connection.execute(manifests.delete().where(manifests.c.version == 2))
    generation = store.generation()
    assert revoke(store, 2) == Revocation(2, changed=True)
    assert store.generation() > generation
    assert (served_version(store), revoked(store)) == (3, {"default": [2]})
    assert revoke(store, 1).changed
    assert revoked(store) == {"default": [1, 2]}
    assert revoke(store, 2, "another reason") == Revocation(2, changed=False)
    with store.reading() as connection:
        tenant = tenant_of(connection)
        assert static_documents(connection, tenant, NOW_MS).revocations == (
            b'{"revoked":{"default":[1,2]},"previews":[]}'
        )
        rows = read_audit_records(connection, tenant.organization_id, limit=2)
    assert [row.target for row in rows] == ["manifest:1", "manifest:2"]


def test_revoke__is_on_record_with_its_reason_before_the_new_version(
    store: Store, apply: Apply
) -> None:
    apply(YAML.format(name="Hero"))
    revoke(store, 1)
    with store.reading() as connection:
        owner = tenant_of(connection).organization_id
        second, first = read_audit_records(connection, owner, limit=2)
        assert verify_audit(connection, owner).broken is None
    assert (first.action, first.target, first.details) == (
        "manifest.revoke",
        "manifest:1",
        '{"reason":"wrong price"}',
    )
    assert (second.action, second.target) == ("manifest.publish", "manifest:2")


def test_revoke__one_after_the_other__never_serves_a_revoked_one(
    store: Store, apply: Apply
) -> None:
    apply(YAML.format(name="Hero"))
    for version in range(1, 6):
        assert revoke(store, version).published == version + 1
        assert served_version(store) == version + 1
    assert revoked(store) == {"default": [1, 2, 3, 4, 5]}


def test_static_documents__of_the_newest__are_all_that_a_client_needs(
    store: Store, apply: Apply
) -> None:
    apply(YAML.format(name="Hero"))
    revoke(store, 1)
    with store.writing() as connection:
        owner = OrganizationRow(tenant_of(connection).organization_id, "default")
        revoke_preview(connection, owner, "prv_1", actor=SYSTEM, now_ms=NOW_MS)
    with store.reading() as connection:
        documents = static_documents(connection, tenant_of(connection), NOW_MS)
    snapshot = load_snapshot(store, now_ms=NOW_MS)
    assert documents.version == 2
    assert documents.manifest == snapshot.projects["default", "default"].signed
    assert documents.jwks == snapshot.jwks["default"]
    assert documents.revocations == snapshot.revocations["default"]
    assert verify_manifest(documents.manifest, json.loads(documents.jwks)).version == 2


def test_static_documents__everything_revoked_by_hand__is_no_such_version(store: Store) -> None:
    with store.writing() as connection:
        connection.execute(manifests.update().values(revoked_at_ms=NOW_MS))
        with pytest.raises(UnknownVersion):
            static_documents(connection, tenant_of(connection), NOW_MS)
