import re

import pytest
from sqlalchemy import text

from fairlot.service.access import (
    UnknownTenant,
    experiment_token,
    store_last_used,
    verify_key,
)
from fairlot.service.snapshot import ApiKeyRecord, load_snapshot
from fairlot.store import Store
from fairlot.store.credentials import read_api_keys
from support.credentials import create_key
from unit.service.conftest import NOW_MS


def verified(store: Store, key: str, at_ms: int = NOW_MS) -> ApiKeyRecord | None:
    return verify_key(load_snapshot(store).api_keys, key, at_ms)


def test_verify_key__wrong_in_any_way__is_none(store: Store) -> None:
    created = create_key(store, scopes=["read"])
    name, secret = created.text.split(".")
    for wrong in (
        "",
        name,
        f"{name}.",
        f"{name}.{secret}x",
        f"{name}.{secret[:-1]}",
        f"{created.row.id}.{secret}",
        f"fx_key_00000000.{secret}",
        f"{name}.\udfff",
    ):
        assert verified(store, wrong) is None
    assert verified(store, created.text) is not None


def test_verify_key__expired__is_none(store: Store) -> None:
    key = create_key(store, "default", scopes=["read"], expires_at_ms=NOW_MS, now_ms=1).text
    assert verified(store, key, NOW_MS - 1) is not None
    assert verified(store, key, NOW_MS) is None


def test_store_last_used__goes_only_forwards_and_disturbs_no_worker(store: Store) -> None:
    created = create_key(store, scopes=["read"])
    generation = store.generation()
    store_last_used(store, {created.row.id: NOW_MS})
    store_last_used(store, {created.row.id: NOW_MS - 1})
    store_last_used(store, {})
    with store.reading() as connection:
        (used,) = [row for row in read_api_keys(connection) if row.id == created.row.id]
    assert used.last_used_at_ms == NOW_MS
    assert store.generation() == generation


def test_experiment_token__is_the_same_every_time(store: Store) -> None:
    token = experiment_token(store, "default", "default")
    assert re.fullmatch(r"exp_[0-9A-Za-z]{32}", token)
    assert experiment_token(store, "default", "default") == token
    with pytest.raises(UnknownTenant):
        experiment_token(store, "default", "staging")


def test_experiment_token__all_revoked__makes_another(store: Store) -> None:
    token = experiment_token(store, "default", "default")
    with store.writing() as connection:
        connection.execute(text("UPDATE tokens SET revoked_at_ms = 1"))
    assert load_snapshot(store).tokens == {}
    assert experiment_token(store, "default", "default") != token
    assert len(load_snapshot(store).tokens) == 1
