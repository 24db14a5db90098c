from fairlot.service.access import verify_key
from fairlot.service.snapshot import ApiKeyRecord, load_snapshot
from fairlot.store import Store
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
