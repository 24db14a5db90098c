import re

import pytest
from sqlalchemy import text

from fairlot.service.access import (
    InvalidScopes,
    UnknownKey,
    UnknownTenant,
    create_key,
    experiment_token,
    list_keys,
    revoke_key,
    store_last_used,
    verify_key,
)
from fairlot.service.actors import Scope
from fairlot.service.snapshot import ApiKeyRecord, load_snapshot
from fairlot.store import Store
from unit.service.conftest import NOW_MS


def verified(store: Store, key: str, at_ms: int = NOW_MS) -> ApiKeyRecord | None:
    return verify_key(load_snapshot(store).api_keys, key, at_ms)


def test_create_key__is_shown_once_and_stored_as_a_hash(store: Store) -> None:
    created = create_key(store, "default", scopes=["read", "decide"], now_ms=NOW_MS)
    match = re.fullmatch(r"fx_key_([0-9A-Za-z]{8})\.([0-9A-Za-z]{32,})", created.text)
    assert match is not None
    assert match[1] == created.id
    with store.reading() as connection:
        rows = connection.execute(text("SELECT * FROM api_keys")).all()
    assert match[2] not in str(rows)
    record = verified(store, created.text)
    assert record is not None
    assert record.scopes == {"read", "decide"}
    assert record.project_ids is None


def test_create_key__for_a_project__is_bound_to_it(store: Store) -> None:
    created = create_key(store, "default", scopes=[Scope.READ], project="default")
    snapshot = load_snapshot(store)
    record = verify_key(snapshot.api_keys, created.text, NOW_MS)
    assert record is not None
    assert record.project_ids == frozenset({snapshot.projects["default", "default"].project_id})


@pytest.mark.parametrize("scopes", [(), ("read", "everything")])
def test_create_key__wrong_scopes__is_refused(store: Store, scopes: tuple[str, ...]) -> None:
    with pytest.raises(InvalidScopes, match="decide, ingest, read, write, approve, admin"):
        create_key(store, "default", scopes=scopes)


@pytest.mark.parametrize(("org", "project"), [("acme", None), ("default", "staging")])
def test_create_key__no_such_tenant__is_refused(
    store: Store, org: str, project: str | None
) -> None:
    with pytest.raises(UnknownTenant):
        create_key(store, org, scopes=["read"], project=project)


def test_verify_key__wrong_in_any_way__is_none(store: Store) -> None:
    created = create_key(store, "default", scopes=["read"])
    name, secret = created.text.split(".")
    for wrong in (
        "",
        name,
        f"{name}.",
        f"{name}.{secret}x",
        f"{name}.{secret[:-1]}",
        f"{created.id}.{secret}",
        f"fx_key_00000000.{secret}",
        f"{name}.\udfff",
    ):
        assert verified(store, wrong) is None
    assert verified(store, created.text) is not None


def test_verify_key__expired__is_none(store: Store) -> None:
    key = create_key(store, "default", scopes=["read"], expires_at_ms=NOW_MS).text
    assert verified(store, key, NOW_MS - 1) is not None
    assert verified(store, key, NOW_MS) is None


def test_revoke_key__ends_it_at_once_and_for_good(store: Store) -> None:
    created = create_key(store, "default", scopes=["read"])
    generation = store.generation()
    revoke_key(store, "default", created.id, now_ms=NOW_MS)
    assert store.generation() > generation
    assert verified(store, created.text) is None
    revoke_key(store, "default", created.id, now_ms=NOW_MS + 1)
    assert list_keys(store, "default")[-1].revoked_at_ms == NOW_MS


def test_revoke_key__unknown__is_told(store: Store) -> None:
    with pytest.raises(UnknownKey):
        revoke_key(store, "default", "00000000")


def test_list_keys__shows_all_but_the_secrets(store: Store) -> None:
    created = create_key(
        store, "default", scopes=["write"], project="default", expires_at_ms=9, now_ms=NOW_MS + 1
    )
    admin, key = list_keys(store, "default")
    assert admin.scopes == frozenset(Scope)
    assert admin.projects is None
    assert (key.id, key.scopes, key.projects) == (
        created.id,
        frozenset({Scope.WRITE}),
        ("default",),
    )
    assert (key.created_at_ms, key.expires_at_ms, key.last_used_at_ms) == (NOW_MS + 1, 9, None)


def test_store_last_used__goes_only_forwards_and_disturbs_no_worker(store: Store) -> None:
    created = create_key(store, "default", scopes=["read"])
    generation = store.generation()
    store_last_used(store, {created.id: NOW_MS})
    store_last_used(store, {created.id: NOW_MS - 1})
    store_last_used(store, {})
    (used,) = [key.last_used_at_ms for key in list_keys(store, "default") if key.id == created.id]
    assert used == NOW_MS
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
