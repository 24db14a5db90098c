import re
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, text

from fairlot.service.access import UnknownTenant, verify_key
from fairlot.service.actors import Actor, Scope
from fairlot.service.api_keys import (
    InvalidScopes,
    ScopesNotHeld,
    UnknownKey,
    create_api_key,
    expire_api_key,
    revoke_api_key,
)
from fairlot.service.ends import HasEnded, InvalidEnd, LaterEnd
from fairlot.service.snapshot import ApiKeyRecord, load_snapshot
from fairlot.store import Store
from fairlot.store.credentials import read_api_keys
from fairlot.store.tenants import OrganizationRow, find_organization
from support.credentials import ANYBODY, create_key
from unit.service.conftest import NOW_MS


@pytest.fixture
def connection(store: Store) -> Iterator[Connection]:
    with store.writing() as opened:
        yield opened


@pytest.fixture
def organization(connection: Connection) -> OrganizationRow:
    return of_default(connection)


def record_of(store: Store, key: str, at_ms: int = NOW_MS) -> ApiKeyRecord | None:
    return verify_key(load_snapshot(store).api_keys, key, at_ms)


def test_create_api_key__is_shown_once_and_stored_as_a_hash(store: Store) -> None:
    created = create_key(store, scopes=["read", "decide"], now_ms=NOW_MS)
    match = re.fullmatch(r"fx_key_([0-9A-Za-z]{8})\.([0-9A-Za-z]{32,})", created.text)
    assert match is not None
    assert match[1] == created.row.id
    with store.reading() as connection:
        rows = connection.execute(text("SELECT * FROM api_keys")).all()
    assert match[2] not in str(rows)
    record = record_of(store, created.text)
    assert record is not None
    assert record.scopes == {"read", "decide"}
    assert record.project_ids is None


def test_create_api_key__says_who_made_it_and_what_for(
    connection: Connection, organization: OrganizationRow
) -> None:
    created = create_api_key(
        connection, organization, scopes=["read"], name="ci", actor=ANYBODY, now_ms=NOW_MS
    )
    stored = {row.id: row for row in read_api_keys(connection, organization.id)}
    assert stored[created.row.id] == created.row
    assert (created.row.name, created.row.created_by) == ("ci", "local:anybody")


def test_create_api_key__for_a_project__is_bound_to_it(store: Store) -> None:
    created = create_key(store, scopes=[Scope.READ], project="default", now_ms=NOW_MS)
    record = record_of(store, created.text)
    assert record is not None
    project_id = load_snapshot(store).projects["default", "default"].project_id
    assert record.project_ids == frozenset({project_id})


@pytest.mark.parametrize("scopes", [(), ("read", "everything")])
def test_create_api_key__wrong_scopes__is_refused(store: Store, scopes: tuple[str, ...]) -> None:
    with pytest.raises(InvalidScopes, match="decide, ingest, read, write, approve, admin"):
        create_key(store, scopes=scopes)


def test_create_api_key__scopes_that_the_maker_lacks__are_refused(
    connection: Connection, organization: OrganizationRow
) -> None:
    admin = Actor("key:12345678", frozenset({Scope.ADMIN, Scope.READ}))
    with pytest.raises(ScopesNotHeld, match="approve, write: you do not have"):
        create_api_key(
            connection,
            organization,
            scopes=["write", "read", "approve"],
            actor=admin,
            now_ms=NOW_MS,
        )


def test_create_api_key__no_such_project__is_refused(store: Store) -> None:
    with pytest.raises(UnknownTenant):
        create_key(store, scopes=["read"], project="staging")


def test_create_api_key__end_that_is_not_after_now__is_refused(store: Store) -> None:
    with pytest.raises(InvalidEnd, match="name a later moment"):
        create_key(store, scopes=["read"], expires_at_ms=NOW_MS, now_ms=NOW_MS)


def test_revoke_api_key__ends_it_and_keeps_the_first_moment(store: Store) -> None:
    created = create_key(store, scopes=["read"])
    generation = store.generation()
    for moment_ms in (NOW_MS, NOW_MS + 1):
        with store.writing() as connection:
            row = revoke_api_key(
                connection, of_default(connection), created.row.id, actor=ANYBODY, now_ms=moment_ms
            )
        assert row.revoked_at_ms == NOW_MS
    assert store.generation() == generation + 1
    assert record_of(store, created.text) is None


def test_revoke_api_key__of_nobody_or_another_organization__is_unknown(store: Store) -> None:
    created = create_key(store, scopes=["read"])
    for owner, key_id in (("default", "00000000"), ("rival", created.row.id)):
        with store.writing() as connection, pytest.raises(UnknownKey):
            revoke_api_key(
                connection,
                OrganizationRow(f"org_{owner}", owner),
                key_id,
                actor=ANYBODY,
                now_ms=NOW_MS,
            )


def test_expire_api_key__moves_the_end__until_it_has_come(store: Store) -> None:
    created = create_key(store, scopes=["read"], expires_at_ms=NOW_MS + 30, now_ms=NOW_MS)
    expire_at(store, created.row.id, NOW_MS + 20, now_ms=NOW_MS + 9)
    assert record_of(store, created.text, NOW_MS + 19) is not None
    assert record_of(store, created.text, NOW_MS + 20) is None
    with pytest.raises(HasEnded):
        expire_at(store, created.row.id, NOW_MS + 90, now_ms=NOW_MS + 20)


def test_expire_api_key__later_than_it_ends__is_refused(store: Store) -> None:
    created = create_key(store, scopes=["admin"], expires_at_ms=NOW_MS + 10, now_ms=NOW_MS)
    with pytest.raises(LaterEnd, match="name an earlier moment, or make a new one"):
        expire_at(store, created.row.id, NOW_MS + 11, now_ms=NOW_MS)
    expire_at(store, created.row.id, NOW_MS + 10, now_ms=NOW_MS)


def test_expire_api_key__moment_in_the_past__is_refused(store: Store) -> None:
    created = create_key(store, scopes=["read"], now_ms=NOW_MS)
    with pytest.raises(InvalidEnd):
        expire_at(store, created.row.id, NOW_MS, now_ms=NOW_MS)


def expire_at(store: Store, key_id: str, expires_at_ms: int, *, now_ms: int) -> None:
    with store.writing() as connection:
        expire_api_key(
            connection,
            of_default(connection),
            key_id,
            expires_at_ms=expires_at_ms,
            actor=ANYBODY,
            now_ms=now_ms,
        )


def of_default(connection: Connection) -> OrganizationRow:
    found = find_organization(connection, "default")
    assert found is not None
    return found
