from hashlib import sha256

from sqlalchemy import text

from fairlot.service.access import experiment_token, verify_key
from fairlot.service.actors import Scope
from fairlot.service.bootstrap import bootstrap
from fairlot.service.snapshot import load_snapshot
from fairlot.store import Store
from unit.service.conftest import NOW_MS


def test_bootstrap__empty_store__makes_all_that_serving_needs(empty_store: Store) -> None:
    made = bootstrap(empty_store, now_ms=NOW_MS)
    assert made is not None
    assert (made.org, made.project) == ("default", "default")
    assert made.token == experiment_token(empty_store, "default", "default")
    snapshot = load_snapshot(empty_store)
    serving = snapshot.projects["default", "default"]
    assert serving.version == 0
    assert serving.compiled.experiments == {}
    assert snapshot.tokens == {sha256(made.token.encode()).digest(): serving}
    admin = verify_key(snapshot.api_keys, made.admin_key, NOW_MS)
    assert admin is not None
    assert admin.scopes == frozenset(Scope)


def test_bootstrap__again__changes_nothing(empty_store: Store) -> None:
    assert bootstrap(empty_store) is not None
    before = load_snapshot(empty_store)
    assert bootstrap(empty_store) is None
    after = load_snapshot(empty_store)
    assert after.generation == before.generation
    assert after.api_keys == before.api_keys


def test_bootstrap__private_key__is_sealed(empty_store: Store) -> None:
    bootstrap(empty_store)
    with empty_store.reading() as connection:
        row = connection.execute(text("SELECT kid, sealed_private FROM signing_keys")).one()
    private = empty_store.vault.unseal(f"signing-key:{row.kid}", row.sealed_private)
    assert len(private) == 32
    assert private not in row.sealed_private
