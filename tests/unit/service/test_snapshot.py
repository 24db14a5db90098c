import json

from sqlalchemy import text
from structlog.testing import capture_logs

from fairlot.service.snapshot import load_snapshot
from fairlot.store import Store
from fairlot.store.tenants import ProjectRow, add_project, organization_id
from unit.service.conftest import NOW_MS, Apply

ONE = "key: one\nname: One\nvariants: [{key: a, name: A}, {key: b, name: B}]\n"
TWO = ONE.replace("one", "two")
HERE = ("default", "default")


def spoil(store: Store, version: int) -> None:
    with store.writing() as connection:
        change = "UPDATE manifests SET payload = '{', signed = 'x' WHERE version = :version"
        connection.execute(text(change), {"version": version})


def test_snapshot__empty_store__serves_nothing(empty_store: Store) -> None:
    snapshot = load_snapshot(empty_store)
    assert (snapshot.projects, snapshot.tokens, snapshot.api_keys) == ({}, {}, {})


def test_snapshot__has_the_generation_that_it_was_read_at(store: Store, apply: Apply) -> None:
    apply(ONE)
    assert load_snapshot(store).generation == store.generation()


def test_snapshot__same_version__takes_the_compiled_one_over(store: Store, apply: Apply) -> None:
    apply(ONE)
    first = load_snapshot(store)
    second = load_snapshot(store, first)
    assert second.projects[HERE].compiled is first.projects[HERE].compiled
    apply(TWO)
    third = load_snapshot(store, second)
    assert third.projects[HERE].compiled is not first.projects[HERE].compiled
    assert third.projects[HERE].etag != first.projects[HERE].etag


def test_snapshot__project_made_private__is_so_without_a_new_version(
    store: Store, apply: Apply
) -> None:
    apply(ONE)
    first = load_snapshot(store)
    with store.writing() as connection:
        connection.execute(text("UPDATE projects SET private = true, tier = 'free'"))
    serving = load_snapshot(store, first).projects[HERE]
    assert serving.private
    assert serving.tier == "free"


def test_snapshot__tier__is_absent_until_the_project_has_one(store: Store) -> None:
    assert load_snapshot(store).projects[HERE].tier is None
    with store.writing() as connection:
        connection.execute(text("UPDATE projects SET tier = 'unlimited'"))
    assert load_snapshot(store).projects[HERE].tier == "unlimited"


def test_snapshot__etag__is_strong_and_quoted(store: Store) -> None:
    etag = load_snapshot(store).projects[HERE].etag
    assert etag[0] == etag[-1] == '"'
    assert load_snapshot(store).projects[HERE].etag == etag


def test_snapshot__newest_manifest_unreadable__keeps_what_was_served(
    store: Store, apply: Apply
) -> None:
    apply(ONE)
    first = load_snapshot(store)
    apply(TWO)
    spoil(store, 2)
    spoil(store, 1)
    with store.writing() as connection:
        connection.execute(text("UPDATE projects SET private = true"))
    with capture_logs() as logs:
        second = load_snapshot(store, first)
    serving = second.projects[HERE]
    assert serving.compiled is first.projects[HERE].compiled
    assert (serving.version, serving.private) == (1, True)
    assert [log["event"] for log in logs] == ["snapshot.manifest_unreadable"]


def test_snapshot__newest_unreadable_and_the_served_one_revoked__serves_an_older_one(
    store: Store, apply: Apply
) -> None:
    apply(ONE)
    first = load_snapshot(store)
    apply(TWO)
    spoil(store, 2)
    with store.writing() as connection:
        connection.execute(text("UPDATE manifests SET revoked_at_ms = 1 WHERE version = 1"))
    with capture_logs():
        assert load_snapshot(store, first).projects[HERE].version == 0


def test_snapshot__newest_manifest_unreadable_at_the_start__serves_an_older_one(
    store: Store, apply: Apply
) -> None:
    apply(ONE)
    apply(TWO)
    spoil(store, 2)
    with capture_logs():
        snapshot = load_snapshot(store)
    assert snapshot.projects[HERE].version == 1
    assert len(snapshot.tokens) == 1


def test_snapshot__no_manifest_of_a_project_readable__the_others_live(
    store: Store, apply: Apply
) -> None:
    apply(ONE)
    with store.writing() as connection:
        owner = organization_id(connection, "default")
        assert owner is not None
        other = ProjectRow("prj_2", "staging", owner, "default")
        add_project(connection, other, NOW_MS)
        connection.execute(
            text(
                "INSERT INTO manifests (project_id, version, payload, signed, kid, published_at_ms)"
                " VALUES ('prj_2', 1, '{', 'x', 'kid', 1)"
            )
        )
    with capture_logs() as logs:
        snapshot = load_snapshot(store)
    assert set(snapshot.projects) == {HERE}
    assert [(log["project"], log["version"]) for log in logs] == [("staging", 1)]


def test_snapshot__revoked_version__is_listed_and_not_served(store: Store, apply: Apply) -> None:
    apply(ONE)
    apply(TWO)
    with store.writing() as connection:
        connection.execute(text("UPDATE manifests SET revoked_at_ms = 1 WHERE version = 2"))
    snapshot = load_snapshot(store)
    assert snapshot.projects[HERE].version == 1
    revoked = {"revoked": {"default": [2]}, "previews": []}
    assert json.loads(snapshot.revocations["default"]) == revoked


def test_snapshot__version_with_a_changed_draw_revoked__is_still_looked_up(
    store: Store, apply: Apply
) -> None:
    apply(ONE)
    apply(ONE + "sampleRate: 0.5\n")
    with store.writing() as connection:
        connection.execute(text("UPDATE manifests SET revoked_at_ms = 1 WHERE version = 2"))
    serving = load_snapshot(store).projects[HERE]
    assert (serving.version, serving.always_look_up) == (1, frozenset({"one"}))


def test_snapshot__jwks__holds_public_keys_only(store: Store) -> None:
    keys = json.loads(load_snapshot(store).jwks["default"])["keys"]
    assert len(keys) == 2
    for key in keys:
        assert key["crv"] == "Ed25519"
        assert "d" not in key
