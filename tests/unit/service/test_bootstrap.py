import json
from hashlib import sha256

from fairlot.service.access import existing_project, verify_key
from fairlot.service.actors import Scope
from fairlot.service.bootstrap import bootstrap
from fairlot.service.snapshot import load_snapshot
from fairlot.service.tokens import live_tokens
from fairlot.store import Store
from fairlot.store.experiments import newest_manifest
from fairlot.store.signing_keys import read_signing_keys
from fairlot.store.tenants import all_projects
from unit.service.conftest import NOW_MS


def test_bootstrap__empty_store__makes_all_that_serving_needs(empty_store: Store) -> None:
    made = bootstrap(empty_store, now_ms=NOW_MS)
    assert made is not None
    assert (made.org, made.project) == ("default", "default")
    with empty_store.reading() as connection:
        project = existing_project(connection, "default", "default")
        assert [row.token for row in live_tokens(connection, project, NOW_MS)] == [made.token]
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


def test_bootstrap__new_organization__has_a_key_and_announces_the_next(empty_store: Store) -> None:
    bootstrap(empty_store, now_ms=NOW_MS)
    with empty_store.reading() as connection:
        keys = {key.state: key for key in read_signing_keys(connection)}
        manifest = newest_manifest(connection, all_projects(connection)[0].id)
    assert set(keys) == {"current", "next"}
    assert keys["next"].announced_at_ms == NOW_MS
    assert manifest is not None
    assert manifest.kid == keys["current"].kid
    assert set(json.loads(manifest.payload)["keys"]) == {key.kid for key in keys.values()}


def test_bootstrap__private_keys__are_sealed(empty_store: Store) -> None:
    bootstrap(empty_store)
    with empty_store.reading() as connection:
        keys = read_signing_keys(connection)
    for key in keys:
        private = empty_store.vault.unseal(f"signing-key:{key.kid}", key.sealed_private)
        assert len(private) == 32
        assert private not in key.sealed_private
