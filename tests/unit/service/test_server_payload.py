"""What the server decides by beside what is signed: stored with every version, served, compared."""

import json
from typing import Any

import msgspec
from sqlalchemy import text

from fairlot.engine import Context, Reason, decide
from fairlot.manifest import manifest_from_json, verify_manifest
from fairlot.manifest.base64url import from_base64url
from fairlot.service.actors import SYSTEM
from fairlot.service.manifest_diff import diff_manifests
from fairlot.service.previews import draft_document
from fairlot.service.publishing import publish, publish_above
from fairlot.service.snapshot import ProjectServing, load_snapshot
from fairlot.service.versions import read_version, revoke_version
from fairlot.store import Store
from fairlot.store.audit import read_audit_records
from fairlot.store.experiments import ManifestRow
from support.applying import tenant_of
from unit.service.conftest import NOW_MS, Apply

OPEN = "key: open\nname: Open\nvariants: [{key: a, name: A}, {key: b, name: B}]\n"
FED = """\
key: fed
name: Fed
audience: {rule: {tier: pro}}
variants:
  - {key: a, name: A, payload: {products: {$feed: most_popular, limit: LIMIT}}}
  - {key: b, name: B}
"""

NAMES = {"key", "id", "name", "hashVersion", "variants", "serverOnly"}


def fed(limit: int = 4) -> str:
    return FED.replace("LIMIT", str(limit))


def version_of(store: Store, version: int) -> ManifestRow:
    with store.reading() as connection:
        return read_version(connection, tenant_of(connection), version)


def serving(store: Store) -> ProjectServing:
    return load_snapshot(store).projects["default", "default"]


def public_experiment(payload: bytes, key: str) -> dict[str, Any]:
    experiments = msgspec.json.decode(payload)["experiments"]
    return next(each for each in experiments if each["key"] == key)


def test_version__of_open_experiments__has_no_payload_of_the_server(
    store: Store, apply: Apply
) -> None:
    apply(OPEN)
    row = version_of(store, 1)
    assert row.server_payload is None
    assert row.decided_by == row.payload


def test_version__with_what_clients_must_not_read__tells_them_its_names(
    store: Store, apply: Apply
) -> None:
    apply(OPEN, fed())
    row = version_of(store, 1)
    assert b"tier" not in row.payload
    assert public_experiment(row.payload, "fed")["serverOnly"] is True
    assert set(public_experiment(row.payload, "fed")) == NAMES
    assert row.server_payload is not None
    assert public_experiment(row.server_payload, "fed")["audience"] == {"rule": {"tier": "pro"}}
    jwks = json.loads(load_snapshot(store).jwks["default"])
    signed = verify_manifest(row.signed, jwks)
    assert signed == manifest_from_json(row.payload)


def test_snapshot__decides_what_clients_cannot(store: Store, apply: Apply) -> None:
    apply(OPEN, fed())
    project = serving(store)
    pro = Context(attributes={"tier": "pro"})
    assert decide(project.compiled, "fed", "anna", pro).reason is Reason.BUCKET
    assert decide(project.compiled, "fed", "anna", Context()).reason is Reason.AUDIENCE
    assert project.profile_needs == {"fed": {}}
    assert project.history_wanted == {}


def test_snapshot__same_version_again__keeps_what_it_needs(store: Store, apply: Apply) -> None:
    apply(fed())
    first = load_snapshot(store)
    second = load_snapshot(store, first)
    here = ("default", "default")
    assert second.projects[here].profile_needs is first.projects[here].profile_needs


def test_publish__only_what_the_server_decides_by_differs__is_a_version(
    store: Store, apply: Apply
) -> None:
    assert apply(fed(4)).version == 1
    assert apply(fed(5)).version == 2
    before, after = version_of(store, 1), version_of(store, 2)
    assert before.payload.replace(b'"version":1', b'"version":2') == after.payload
    assert before.server_payload is not None
    assert b'"limit":4' in before.server_payload
    with store.writing() as connection:
        tenant = tenant_of(connection)
        assert publish(connection, tenant, SYSTEM, now_ms=NOW_MS + 1) is None
    (change,) = diff_manifests(before.decided_by, after.decided_by).differences
    assert [field.path for field in change.fields] == ["variants.a.payload"]


def test_publish__names_the_sum_of_both_payloads_on_record(store: Store, apply: Apply) -> None:
    apply(OPEN)
    apply(fed())
    with store.reading() as connection:
        owner = tenant_of(connection).organization_id
        records = read_audit_records(connection, owner, limit=9)
    published = [json.loads(row.details) for row in records if row.action == "manifest.publish"]
    assert len(published[0]["serverSha256"]) == 64
    assert published[0]["serverSha256"] != published[0]["sha256"]
    assert "serverSha256" not in published[1]


def test_publish_above__after_a_restore__keeps_what_the_server_decides_by(
    store: Store, apply: Apply
) -> None:
    apply(fed())
    with store.writing() as connection:
        tenant = tenant_of(connection)
        version = publish_above(connection, tenant, SYSTEM, 40, now_ms=NOW_MS + 1)
    assert version == 41
    assert version_of(store, 41).server_payload is not None
    assert serving(store).profile_needs == {"fed": {}}


def test_revoke__replaced_by_the_same__says_so_of_all_that_is_decided_by(
    store: Store, apply: Apply
) -> None:
    apply(fed(4))
    apply(fed(5))
    with store.writing() as connection:
        tenant = tenant_of(connection)
        newest = revoke_version(connection, tenant, 2, SYSTEM, now_ms=NOW_MS, reason="x")
        older = revoke_version(connection, tenant, 1, SYSTEM, now_ms=NOW_MS, reason="x")
    assert newest.is_same_content
    assert not older.is_same_content


def test_snapshot__version_of_before__is_decided_by_what_was_signed(
    store: Store, apply: Apply
) -> None:
    apply(OPEN, fed())
    with store.writing() as connection:
        connection.execute(text("UPDATE manifests SET server_payload = NULL"))
    project = serving(store)
    assert decide(project.compiled, "open", "anna", Context()).reason is Reason.BUCKET
    assert decide(project.compiled, "fed", "anna", Context()).reason is Reason.SERVER_ONLY
    assert project.profile_needs == {}


def test_draft__of_what_the_server_decides__tells_names_only(store: Store, apply: Apply) -> None:
    apply(fed() + "status: draft\n")
    document = draft_document(store, "default", "default", "fed", "a")
    payload = from_base64url(json.loads(document)["payload"])
    assert set(public_experiment(payload, "fed")) == NAMES
