"""What is put on record, and how."""

import hashlib
import json

import pytest
from sqlalchemy import text

from fairlot.service.actors import SYSTEM, Actor
from fairlot.service.audit import AuditEntry, begin_audit, document_of, record, record_all
from fairlot.service.audit_verification import verify_audit
from fairlot.service.bootstrap import bootstrap
from fairlot.store import Store, StoreFailed
from fairlot.store.audit import AuditFilter, AuditRow, read_audit_records
from fairlot.store.tenants import add_organization, organization_id
from support.audit_tampering import drop_triggers
from unit.service.conftest import NOW_MS

ANNA = Actor("local:anna", frozenset())


def owner_of(store: Store, org: str = "default") -> str:
    with store.reading() as connection:
        found = organization_id(connection, org)
    assert found is not None
    return found


def add(store: Store, action: str = "experiment.start", **fields: object) -> None:
    with store.writing() as connection:
        owner = organization_id(connection, "default")
        assert owner is not None
        record(connection, owner, ANNA, action, now_ms=NOW_MS + 1, **fields)  # type: ignore[arg-type]


def records(store: Store, org: str = "default") -> list[AuditRow]:
    with store.reading() as connection:
        owner = organization_id(connection, org)
        assert owner is not None
        return read_audit_records(connection, owner, limit=1000, after=0)


def test_record__of_a_change__holds_who_what_when_and_where(store: Store) -> None:
    add(store, project="default", target="experiment:hero", details={"reason": 'naïve "x"'})
    document = document_of(records(store)[-1])
    assert document.pop("previous") == records(store)[-2].hash.hex()
    assert document == {
        "action": "experiment.start",
        "actor": "local:anna",
        "at": "2026-11-23T06:00:00.001Z",
        "details": {"reason": 'naïve "x"'},
        "organization": owner_of(store),
        "project": "default",
        "seq": len(records(store)),
        "target": "experiment:hero",
    }


def test_record__hash__is_the_sha256_of_what_the_reference_says(empty_store: Store) -> None:
    """The text is written by hand, from docs/reference/audit.md."""
    with empty_store.writing() as connection:
        add_organization(connection, "org_1", "acme", NOW_MS)
        details = {"b": [1, True, None], "a": "ü\n\u2028"}
        record(connection, "org_1", ANNA, "organization.create", now_ms=0, details=details)
    (row,) = records(empty_store, "acme")
    written = (
        '{"action":"organization.create","actor":"local:anna","at":"1970-01-01T00:00:00.000Z",'
        '"details":{"a":"ü\\n\u2028","b":[1,true,null]},"organization":"org_1",'
        f'"previous":"{"0" * 64}","project":null,"seq":1,"target":null}}'
    )
    assert row.hash == hashlib.sha256(written.encode()).digest()


def test_record_all__many_at_once__are_a_chain_like_one_by_one(store: Store) -> None:
    owner, before = owner_of(store), len(records(store))
    entries = [AuditEntry("experiment.create", f"experiment:{name}") for name in "abc"]
    with store.writing() as connection:
        record_all(connection, owner, ANNA, entries, now_ms=NOW_MS + 1, project="default")
        record_all(connection, owner, ANNA, [], now_ms=NOW_MS + 1)
    add(store)
    added = records(store)[before:]
    assert [row.target for row in added] == ["experiment:a", "experiment:b", "experiment:c", None]
    assert [row.previous for row in added[1:]] == [row.hash for row in added[:-1]]
    with store.reading() as connection:
        assert verify_audit(connection, owner).broken is None


def test_record__in_a_transaction_that_is_not_kept__is_not_kept(store: Store) -> None:
    before = records(store)
    with store.writing(keep=False) as connection:
        record(connection, owner_of(store), ANNA, "experiment.start", now_ms=NOW_MS)
    assert records(store) == before


def test_bootstrap__new_store__records_the_first_things(store: Store) -> None:
    rows = records(store)
    assert {row.actor for row in rows} == {"system"}
    assert rows[0].action == "organization.create"
    assert {(row.action, row.project) for row in rows[1:]} == {
        ("signing_key.create", None),
        ("signing_key.announce", None),
        ("project.create", "default"),
        ("token.create", "default"),
        ("api_key.create", None),
        ("manifest.publish", "default"),
    }


def test_bootstrap__what_it_records__tells_no_secret(empty_store: Store) -> None:
    first = bootstrap(empty_store, now_ms=NOW_MS)
    assert first is not None
    told = json.dumps([document_of(row) for row in records(empty_store)])
    assert first.token not in told
    assert first.admin_key.partition(".")[2] not in told
    assert first.admin_key.partition(".")[0].removeprefix("fx_key_") in told


def test_bootstrap__organization_older_than_the_log__begins_its_chain_once(
    empty_store: Store,
) -> None:
    with empty_store.writing() as connection:
        add_organization(connection, "org_1", "acme", NOW_MS)
    for _ in range(2):
        assert bootstrap(empty_store, now_ms=NOW_MS) is None
    assert [row.action for row in records(empty_store, "acme")] == ["audit.begin"]


def test_record__first_of_an_older_organization__begins_the_chain_before_it(
    empty_store: Store,
) -> None:
    with empty_store.writing() as connection:
        add_organization(connection, "org_1", "acme", NOW_MS)
        record(connection, "org_1", ANNA, "project.create", now_ms=NOW_MS)
        begin_audit(connection, "org_1", now_ms=NOW_MS)
        assert verify_audit(connection, "org_1").broken is None
    found = [(row.seq, row.action) for row in records(empty_store, "acme")]
    assert found == [(1, "audit.begin"), (2, "project.create")]


def test_record__two_organizations__have_a_chain_each(store: Store) -> None:
    with store.writing() as connection:
        add_organization(connection, "org_2", "acme", NOW_MS)
        record(connection, "org_2", SYSTEM, "organization.create", now_ms=NOW_MS)
        assert verify_audit(connection, "org_2").broken is None
        assert verify_audit(connection, owner_of(store)).broken is None
    assert [row.seq for row in records(store, "acme")] == [1]


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_records SET actor = 'x' WHERE seq = 2",
        "DELETE FROM audit_records WHERE seq = 2",
        "DELETE FROM audit_records",
    ],
)
def test_audit_records__changed_by_sql__is_refused(store: Store, statement: str) -> None:
    before = records(store)
    with pytest.raises(StoreFailed, match="only ever added"), store.writing() as connection:
        connection.execute(text(statement))
    assert records(store) == before


def test_audit_records__replaced_by_sql__is_refused(store: Store) -> None:
    again = "INTO audit_records SELECT * FROM audit_records WHERE seq = 2"
    with store.reading() as connection:
        verb = "INSERT" if connection.dialect.name == "postgresql" else "INSERT OR REPLACE"
    with pytest.raises(StoreFailed), store.writing() as connection:
        connection.execute(text(f"{verb} {again}"))


def test_read_audit_records__by_pages__gives_each_once(store: Store) -> None:
    owner = owner_of(store)
    with store.reading() as connection:
        newest = read_audit_records(connection, owner, limit=4)
        rest = read_audit_records(connection, owner, limit=4, before=newest[-1].seq)
        oldest = read_audit_records(connection, owner, limit=4, after=0)
    assert [*newest, *rest][::-1] == records(store)
    assert oldest == records(store)[:4]


def test_read_audit_records__with_a_filter__gives_only_those(store: Store) -> None:
    add(store, project="default", target="experiment:hero")
    owner = owner_of(store)
    everything = records(store)[::-1]

    def found(**fields: object) -> list[int]:
        only = AuditFilter(**fields)  # type: ignore[arg-type]
        with store.reading() as connection:
            return [row.seq for row in read_audit_records(connection, owner, limit=9, only=only)]

    of_project = [row.seq for row in everything if row.project == "default"]
    assert found(projects=frozenset({"default"})) == of_project
    assert len(of_project) < len(everything)
    assert found(projects=frozenset()) == []
    assert found(actor="local:anna") == [everything[0].seq]
    (created,) = (row.seq for row in everything if row.action == "project.create")
    assert found(action="project.create") == [created]
    assert found(target="experiment:hero") == [everything[0].seq]


def test_record__after_the_chain_was_cut__leaves_the_gap_to_see(store: Store) -> None:
    owner, before = owner_of(store), len(records(store))
    with store.writing() as connection:
        drop_triggers(connection)
        connection.execute(text("DELETE FROM audit_records WHERE seq > 4"))
        # What who has no secret can make to fit: all but the seal.
        connection.execute(
            text(
                "UPDATE audit_heads SET seq = 4,"
                " hash = (SELECT hash FROM audit_records WHERE seq = 4)"
            )
        )
        record(connection, owner, ANNA, "experiment.start", now_ms=NOW_MS)
        verification = verify_audit(connection, owner)
    assert records(store)[-1].seq == before + 1
    assert verification.broken is not None
    assert (verification.broken.seq, verification.broken.fault) == (5, "missing")


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM audit_heads",
        "UPDATE audit_heads SET sealed = hash",
        (
            "INSERT INTO audit_records SELECT organization_id, seq + 100, at_ms, actor, action,"
            " project, target, details, previous, hash FROM audit_records WHERE seq = 1"
        ),
    ],
)
def test_record__after_the_end_was_lost__begins_anew_in_sight(store: Store, damage: str) -> None:
    owner, before = owner_of(store), len(records(store))
    with store.writing() as connection:
        connection.execute(text(damage))
        record(connection, owner, ANNA, "experiment.kill", now_ms=NOW_MS)
        verification = verify_audit(connection, owner)
    assert [row.action for row in records(store)[-2:]] == ["audit.begin", "experiment.kill"]
    assert verification.broken is not None
    assert verification.end.seq == before
