import json

import pytest
from sqlalchemy import select

from fairlot.service.access import existing_project
from fairlot.service.uses import CredentialUses, FailedUse
from fairlot.store import Store, StoreFailed
from fairlot.store.credentials import read_api_keys
from fairlot.store.tables import audit_records
from fairlot.store.tokens import tokens_of
from support.credentials import create_key
from unit.service.conftest import NOW_MS


def token_digest(store: Store) -> bytes:
    with store.reading() as connection:
        project = existing_project(connection, "default", "default")
        (token,) = tokens_of(connection, project.id)
    return token.sha256


def last_uses(store: Store, key_id: str) -> tuple[int | None, int | None]:
    """Of a key, and of the token of the project default."""
    with store.reading() as connection:
        (key,) = [row for row in read_api_keys(connection) if row.id == key_id]
        project = existing_project(connection, "default", "default")
        (token,) = tokens_of(connection, project.id)
    return key.last_used_at_ms, token.last_used_at_ms


def failures(store: Store) -> list[tuple[str | None, dict[str, int]]]:
    with store.reading() as connection:
        rows = connection.execute(
            select(audit_records)
            .where(audit_records.c.action == "api_key.failed")
            .order_by(audit_records.c.seq)
        ).all()
    return [(row.target, json.loads(row.details)) for row in rows]


def test_uses__stored__go_only_forwards_and_disturb_no_worker(store: Store) -> None:
    key_id = create_key(store, scopes=["read"]).row.id
    generation = store.generation()
    for at_ms in (NOW_MS, NOW_MS - 1):
        uses = CredentialUses()
        uses.keys[key_id] = at_ms
        uses.tokens.add(token_digest(store))
        uses.stamp(at_ms)
        uses.store(store, at_ms)
    assert last_uses(store, key_id) == (NOW_MS, NOW_MS)
    assert store.generation() == generation


def test_uses__failed__are_one_record_a_key_and_time(store: Store) -> None:
    key_id = create_key(store, scopes=["read"]).row.id
    uses = CredentialUses()
    for failed in (FailedUse.EXPIRED, FailedUse.LACKS_SCOPE, FailedUse.LACKS_SCOPE):
        uses.note_failed("default", key_id, failed)
    uses.store(store, NOW_MS)
    uses.store(store, NOW_MS + 1)
    assert failures(store) == [(f"api_key:{key_id}", {"expired": 1, "lacks_scope": 2})]
    uses.note_failed("default", key_id, FailedUse.WRONG_SECRET)
    uses.store(store, NOW_MS + 2)
    assert failures(store)[1:] == [(f"api_key:{key_id}", {"wrong_secret": 1})]


def test_uses__organization_that_is_gone__is_passed_over(store: Store) -> None:
    uses = CredentialUses()
    uses.note_failed("gone", "12345678", FailedUse.REVOKED)
    uses.store(store, NOW_MS)
    assert failures(store) == []


def test_uses__store_that_fails__is_tried_again_next_time(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    key_id = create_key(store, scopes=["read"]).row.id
    uses = CredentialUses()
    uses.keys[key_id] = NOW_MS
    uses.tokens.add(token_digest(store))
    uses.stamp(NOW_MS)
    uses.note_failed("default", key_id, FailedUse.EXPIRED)

    def fail(*_: object, **__: object) -> None:
        raise StoreFailed("the store", "disk I/O error")

    with monkeypatch.context() as patched:
        patched.setattr("fairlot.service.uses.record", fail)
        with pytest.raises(StoreFailed):
            uses.store(store, NOW_MS)
    assert last_uses(store, key_id) == (None, None)
    uses.store(store, NOW_MS + 1)
    assert last_uses(store, key_id) == (NOW_MS, NOW_MS)
    assert failures(store) == [(f"api_key:{key_id}", {"expired": 1})]


def test_uses__many_different_failures__are_bounded(store: Store) -> None:
    key_id = create_key(store, scopes=["read"]).row.id
    uses = CredentialUses()
    for number in range(1000):
        uses.note_failed("gone", f"{number:08}", FailedUse.EXPIRED)
    uses.note_failed("default", key_id, FailedUse.EXPIRED)
    uses.store(store, NOW_MS)
    assert failures(store) == []
