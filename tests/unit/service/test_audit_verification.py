"""Acceptance: `audit verify` notices one changed byte in any record, and every removal."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, select, text, update

from fairlot.service.actors import Actor
from fairlot.service.audit import ChainEnd, document_of, hash_of, record
from fairlot.service.audit_verification import AuditBreak, AuditFault, Verification, verify_audit
from fairlot.store import Store
from fairlot.store.audit import AuditRow, read_audit_records
from fairlot.store.tables import audit_heads, audit_records
from fairlot.store.tenants import add_organization
from support.audit_tampering import tampering
from unit.service.conftest import NOW_MS

ANNA = Actor("local:anna", frozenset())
OWNER = "org_1"
RECORDS = 9
# PostgreSQL takes no bytes that are not text, and no value of another type.
only_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def store(empty_store: Store) -> Store:
    """With an organization whose records have every field."""
    with empty_store.writing() as connection:
        add_organization(connection, OWNER, "acme", NOW_MS)
        record(connection, OWNER, ANNA, "organization.create", now_ms=NOW_MS)
        for number in range(1, RECORDS):
            record(
                connection,
                OWNER,
                ANNA,
                "experiment.start",
                now_ms=NOW_MS + number,
                project="default",
                target="experiment:hero",
                details={"reason": "größer", "number": number},
            )
    return empty_store


def rows_of(connection: Connection) -> list[AuditRow]:
    return read_audit_records(connection, OWNER, limit=1000, after=0)


def change(connection: Connection, number: int, /, **values: Any) -> None:
    connection.execute(update(audit_records).where(audit_records.c.seq == number).values(values))


def set_column(connection: Connection, seq: int, assignment: str, other: object) -> None:
    """Past all types, as in `actor = :other`."""
    statement = f"UPDATE audit_records SET {assignment} WHERE seq = :seq"  # noqa: S608 - of a test
    connection.execute(text(statement), {"other": other, "seq": seq})


def broken_at(verification: Verification) -> tuple[int, AuditFault] | None:
    broken = verification.broken
    return None if broken is None else (broken.seq, broken.fault)


def test_verify__untouched__is_whole_to_its_end(store: Store) -> None:
    with store.reading() as connection:
        last = rows_of(connection)[-1]
        verification = verify_audit(connection, OWNER)
    assert verification == Verification(ChainEnd(RECORDS, last.hash), "organization.create", None)


@pytest.mark.parametrize(
    ("field", "other"),
    [
        ("at_ms", 5),
        ("at_ms", 10**17),
        ("actor", "local:eve"),
        ("action", "experiment.stop"),
        ("project", "other"),
        ("project", None),
        ("target", "experiment:other"),
        ("target", None),
        ("details", "{}"),
        ("details", '{"reason": "other"}'),
        ("details", "no JSON"),
        ("previous", b"\1" * 32),
        ("hash", b"\1" * 32),
    ],
)
def test_verify__a_field_of_any_record_changed__names_the_record(
    store: Store, field: str, other: object
) -> None:
    with tampering(store) as connection:
        for row in rows_of(connection):
            was = getattr(row, field)
            change(connection, row.seq, **{field: other})
            expected = None if was == other else (row.seq, AuditFault.ALTERED)
            assert broken_at(verify_audit(connection, OWNER)) == expected
            change(connection, row.seq, **{field: was})


def test_verify__every_byte_of_a_record_changed__names_the_record(store: Store) -> None:
    with tampering(store) as connection:
        for seq in (1, 4, RECORDS):
            row = rows_of(connection)[seq - 1]
            for field, other in _with_one_byte_changed(row):
                change(connection, seq, **{field: other})
                found = broken_at(verify_audit(connection, OWNER))
                assert found == (seq, AuditFault.ALTERED), (seq, field, other)
                change(connection, seq, **{field: getattr(row, field)})
        assert broken_at(verify_audit(connection, OWNER)) is None


def _with_one_byte_changed(row: AuditRow) -> Iterator[tuple[str, object]]:
    for field in ("actor", "action", "project", "target", "details", "previous", "hash"):
        value = getattr(row, field)
        content = value.encode() if isinstance(value, str) else value or b""
        for place in range(len(content)):
            other = bytearray(content)
            other[place] ^= 1
            if isinstance(value, bytes):
                yield field, bytes(other)
            elif _is_text(other):
                yield field, other.decode()
    for bit in range(41):  # of an instant of our century
        yield "at_ms", row.at_ms ^ (1 << bit)


def _is_text(content: bytearray) -> bool:
    """A database of text takes no other bytes, or the test of its own below has them."""
    try:
        return b"\0" not in content and bool(content.decode())
    except UnicodeDecodeError:
        return False


@only_sqlite
@pytest.mark.parametrize("field", ["actor", "action", "project", "target", "details"])
@pytest.mark.parametrize("seq", [2, 5, RECORDS])
def test_verify__a_text_that_is_none__names_the_record(store: Store, field: str, seq: int) -> None:
    with tampering(store) as connection:
        set_column(connection, seq, f"{field} = CAST(:other AS TEXT)", b"\xff\xfe")
        assert broken_at(verify_audit(connection, OWNER)) == (seq, AuditFault.ALTERED)


@only_sqlite
@pytest.mark.parametrize("field", [column.name for column in audit_records.c][1:])
def test_verify__a_column_of_another_type__names_the_record(store: Store, field: str) -> None:
    with tampering(store) as connection:
        for other in ("words", b"bytes", 0.5):
            set_column(connection, RECORDS, f"{field} = :other", other)
            assert broken_at(verify_audit(connection, OWNER)) == (RECORDS, AuditFault.ALTERED)


def test_verify__a_record_deleted__names_it(store: Store) -> None:
    for seq in range(1, RECORDS):
        with tampering(store) as connection:
            connection.execute(audit_records.delete().where(audit_records.c.seq == seq))
            assert broken_at(verify_audit(connection, OWNER)) == (seq, AuditFault.MISSING)


def test_verify__two_records_swapped__names_the_first(store: Store) -> None:
    for seq in range(1, RECORDS):
        with tampering(store) as connection:
            for old, new in ((seq, 1000), (seq + 1, seq), (1000, seq + 1)):
                change(connection, old, seq=new)
            assert broken_at(verify_audit(connection, OWNER)) == (seq, AuditFault.ALTERED)


def test_verify__the_end_cut_off__names_the_first_that_is_gone(store: Store) -> None:
    for left in range(1, RECORDS):
        with tampering(store) as connection:
            connection.execute(audit_records.delete().where(audit_records.c.seq > left))
            assert broken_at(verify_audit(connection, OWNER)) == (left + 1, AuditFault.CUT)


def test_verify__a_number_changed__names_the_one_that_is_missing(store: Store) -> None:
    for seq, fault in ((5, AuditFault.MISSING), (RECORDS, AuditFault.ALTERED)):
        with tampering(store) as connection:
            change(connection, seq, seq=RECORDS + 5)
            assert broken_at(verify_audit(connection, OWNER)) == (seq, fault)


def test_verify__a_record_given_to_another_organization__is_noticed_in_both(store: Store) -> None:
    with tampering(store) as connection:
        add_organization(connection, "org_2", "other", NOW_MS)
        record(connection, "org_2", ANNA, "organization.create", now_ms=NOW_MS)
        moved = audit_records.c.organization_id == OWNER, audit_records.c.seq == 5
        connection.execute(update(audit_records).where(*moved).values(organization_id="org_2"))
        assert broken_at(verify_audit(connection, OWNER)) == (5, AuditFault.MISSING)
        assert broken_at(verify_audit(connection, "org_2")) == (2, AuditFault.ALTERED)


@pytest.mark.parametrize(
    ("tables", "fault"),
    [
        ((audit_records,), AuditFault.CUT),
        ((audit_heads,), AuditFault.HEAD_LOST),
        ((audit_records, audit_heads), AuditFault.EMPTY),
    ],
)
def test_verify__a_table_emptied__is_noticed(
    store: Store, tables: tuple[Any, ...], fault: AuditFault
) -> None:
    with tampering(store) as connection:
        for table in tables:
            connection.execute(table.delete())
        broken = verify_audit(connection, OWNER).broken
    assert broken is not None
    assert broken.fault is fault


def rewrite(connection: Connection, seq: int, **values: Any) -> None:
    """A record, and all after it, so that each has its hash and follows the one before."""
    previous = None
    for row in rows_of(connection)[seq - 1 :]:
        if previous is None:
            change(connection, seq, **values)
        else:
            change(connection, row.seq, previous=previous)
        (stored,) = (each for each in rows_of(connection) if each.seq == row.seq)
        previous = hash_of(document_of(stored))
        change(connection, row.seq, hash=previous)


def test_verify__chain_rewritten_to_its_end__does_not_fit_the_seal(store: Store) -> None:
    for seq in (1, 5, RECORDS):
        with tampering(store) as connection:
            rewrite(connection, seq, actor="local:eve")
            assert broken_at(verify_audit(connection, OWNER)) == (RECORDS, AuditFault.REWRITTEN)


def test_verify__one_record_rewritten_with_its_hash__the_next_does_not_follow(store: Store) -> None:
    with tampering(store) as connection:
        change(connection, 4, actor="local:eve")
        change(connection, 4, hash=hash_of(document_of(rows_of(connection)[3])))
        assert broken_at(verify_audit(connection, OWNER)) == (5, AuditFault.UNLINKED)


def test_verify__a_record_added_that_follows__is_past_the_seal(store: Store) -> None:
    with tampering(store) as connection:
        sealed = connection.execute(select(audit_heads)).mappings().one()
        record(connection, OWNER, ANNA, "experiment.start", now_ms=NOW_MS)
        connection.execute(update(audit_heads).values(**sealed))
        assert broken_at(verify_audit(connection, OWNER)) == (RECORDS + 1, AuditFault.ADDED)


@pytest.mark.parametrize(
    ("field", "other"),
    [("seq", 5), ("hash", b"\1" * 32), ("sealed", b""), ("sealed", b"\1" * 60)],
)
def test_verify__the_head_changed__is_noticed(store: Store, field: str, other: object) -> None:
    with tampering(store) as connection:
        connection.execute(update(audit_heads).values(**{field: other}))
        assert broken_at(verify_audit(connection, OWNER)) == (RECORDS, AuditFault.HEAD_ALTERED)


def test_verify__the_head_of_another_organization__is_not_taken(store: Store) -> None:
    with tampering(store) as connection:
        add_organization(connection, "org_2", "other", NOW_MS)
        record(connection, "org_2", ANNA, "organization.create", now_ms=NOW_MS)
        of = audit_heads.c.organization_id
        sealed = connection.execute(select(audit_heads.c.sealed).where(of == OWNER)).scalar_one()
        connection.execute(update(audit_heads).where(of == "org_2").values(sealed=sealed))
        assert broken_at(verify_audit(connection, "org_2")) == (1, AuditFault.HEAD_ALTERED)


def test_verify__put_back_to_an_earlier_state__shows_against_what_was_noted(store: Store) -> None:
    """Records and head of last week are as they were; only a note from since then tells."""
    with tampering(store) as connection:
        end = verify_audit(connection, OWNER).end
        record(connection, OWNER, ANNA, "experiment.kill", now_ms=NOW_MS)
        noted = verify_audit(connection, OWNER).end
        assert broken_at(verify_audit(connection, OWNER, end)) is None
        assert broken_at(verify_audit(connection, OWNER, noted)) is None
    with store.reading() as connection:
        assert broken_at(verify_audit(connection, OWNER)) is None
        assert broken_at(verify_audit(connection, OWNER, noted)) == (RECORDS + 1, AuditFault.CUT)
        other = ChainEnd(4, b"\1" * 32)
        found = broken_at(verify_audit(connection, OWNER, other))
        assert found == (4, AuditFault.NOT_AS_NOTED)


@pytest.mark.parametrize("fault", AuditFault)
def test_verify__every_fault__has_words(fault: AuditFault) -> None:
    assert len(AuditBreak(1, fault).text) > 20


def test_verify__many_records__are_read_page_by_page(store: Store) -> None:
    with tampering(store) as connection:
        for _ in range(2001):
            record(connection, OWNER, ANNA, "experiment.start", now_ms=NOW_MS)
        assert verify_audit(connection, OWNER).end.seq == RECORDS + 2001
        change(connection, 1500, actor="x")
        assert broken_at(verify_audit(connection, OWNER)) == (1500, AuditFault.ALTERED)
