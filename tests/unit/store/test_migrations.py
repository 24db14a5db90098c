"""Every revision, up and down, with rows in it, on both databases."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect, text

from fairlot.service.bootstrap import bootstrap
from fairlot.service.snapshot import load_snapshot
from fairlot.store import NewerStore, store_as_it_is
from fairlot.store.definitions import layer_salts
from fairlot.store.migrations import LATEST, REVISIONS, downgrade, upgrade
from fairlot.store.previews import add_revoked_preview, read_revoked_previews
from fairlot.store.schema import revision_of
from fairlot.store.tables import metadata
from support.applying import apply_texts
from support.experiment_texts import HEAD, VARIANTS
from unit.store.conftest import Open

# As revision 0002 and 0003 have them.
A_PROJECT = (
    "INSERT INTO organizations VALUES ('org_1', 'acme', 5)",
    "INSERT INTO projects VALUES ('prj_1', 'org_1', 'shop', false, NULL, 5)",
)
AN_EXPERIMENT = (
    "INSERT INTO experiments (id, project_id, key, status, document, variant_ids, tags, metrics,"
    " source, created_at_ms, updated_at_ms, started_at_ms, draw_changed) VALUES ('exp_1', 'prj_1',"
    " 'price', 'running', :document, '{}', '[]', '[]', 'key: price', 6, 7, 7, false)"
)
A_LAYER = "INSERT INTO layers VALUES ('lay_1', 'prj_1', 'cart', 'layer.cart', 6)"
A_MANIFEST = "INSERT INTO manifests VALUES ('prj_1', 7, :document, :document, 'kid', 6, NULL)"

# Opens a store, and is killed before it runs the statement that begins so.
KILLED_AT = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import Engine, event
from fairlot.store import open_store

directory, url, beginning = sys.argv[1:]

@event.listens_for(Engine, "before_cursor_execute")
def kill(_connection, _cursor, statement, *_):
    if statement.strip().startswith(beginning):
        os.kill(os.getpid(), signal.SIGKILL)

open_store(Path(directory), None, url or None)
"""


def run(connection: Connection, *statements: str) -> None:
    for statement in statements:
        connection.execute(text(statement), {"document": b"{}"})


def rows_of(connection: Connection, query: str) -> list[tuple[object, ...]]:
    return [tuple(row) for row in connection.execute(text(query))]


def test_migrations__up_and_down__leave_the_tables_of_the_code_and_then_none(
    open_here: Open,
) -> None:
    with open_here().writing() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        downgrade(connection)
        assert inspect(connection).get_table_names() == ["alembic_version"]
        assert revision_of(connection) is None
        upgrade(connection)
        assert set(metadata.tables) < set(inspect(connection).get_table_names())
        assert revision_of(connection) == LATEST


def test_migrations__listed_revisions__are_those_of_the_scripts() -> None:
    config = Config()
    config.set_main_option("script_location", "fairlot.store:migrations")
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config).walk_revisions()
    assert tuple(reversed([script.revision for script in scripts])) == REVISIONS


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_open_store__older_database__is_migrated_with_its_rows(
    open_here: Open, revision: str
) -> None:
    with open_here().writing() as connection:
        downgrade(connection, revision)
        run(connection, A_PROJECT[0])
        assert revision_of(connection) == revision
    with open_here().reading() as connection:
        assert rows_of(connection, "SELECT key FROM organizations") == [("acme",)]
        assert revision_of(connection) == LATEST


def test_open_store__database_of_version_2__keeps_its_manifests(open_here: Open) -> None:
    with open_here().writing() as connection:
        downgrade(connection, "0002")
        assert not inspect(connection).has_table("revoked_previews")
        run(connection, *A_PROJECT, A_MANIFEST)
    with open_here().writing() as connection:
        manifests = "SELECT project_id, version, payload, kid, published_at_ms FROM manifests"
        assert rows_of(connection, manifests) == [("prj_1", 7, b"{}", "kid", 6)]
        assert add_revoked_preview(connection, "org_1", "prv_1", 10, 1)
        assert read_revoked_previews(connection, 9) == {"org_1": ["prv_1"]}


def test_open_store__database_of_version_3__keeps_its_layers_and_begins_revisions(
    open_here: Open,
) -> None:
    with open_here().writing() as connection:
        downgrade(connection, "0003")
        run(connection, *A_PROJECT, A_LAYER, AN_EXPERIMENT)
    with open_here().writing() as connection:
        assert layer_salts(connection, "prj_1") == {"cart": "layer.cart"}
        revisions = "SELECT kind, key, number, at_ms, author, status, source FROM revisions"
        assert rows_of(connection, f"{revisions} ORDER BY kind") == [
            ("experiment", "price", 1, 7, "system", "running", "key: price"),
            ("layer", "cart", 1, 6, "system", None, ""),
        ]
        downgrade(connection, "0003")
        layers = [("lay_1", "prj_1", "cart", "layer.cart", 6)]
        assert rows_of(connection, "SELECT * FROM layers") == layers
        assert rows_of(connection, "SELECT key, status FROM experiments") == [("price", "running")]


@pytest.mark.parametrize(
    ("state", "before"), [("review", "draft"), ("approved", "draft"), ("killed", "completed")]
)
def test_migrations__down_from_a_state_that_is_new__leave_one_that_was_known(
    open_here: Open, state: str, before: str
) -> None:
    with open_here().writing() as connection:
        downgrade(connection, "0003")
        run(connection, *A_PROJECT, AN_EXPERIMENT)
        upgrade(connection)
        connection.execute(text("UPDATE experiments SET status = :state"), {"state": state})
        downgrade(connection, "0003")
        assert rows_of(connection, "SELECT status FROM experiments") == [(before,)]


@pytest.mark.parametrize("revision", ["0002", "0003"])
def test_migrations__down_and_up_with_a_shop__serve_what_they_served(
    open_here: Open, revision: str
) -> None:
    store = open_here()
    bootstrap(store)
    layer = "layer: {key: cart, start: 0, end: 5000}\n"
    apply_texts(store, HEAD + layer + VARIANTS, now_ms=1)
    before = load_snapshot(store)
    with store.writing() as connection:
        downgrade(connection, revision)
    after = load_snapshot(open_here())
    assert [each.signed for each in after.projects.values()] == [
        each.signed for each in before.projects.values()
    ]
    assert (after.tokens.keys(), after.jwks) == (before.tokens.keys(), before.jwks)
    assert apply_texts(store, HEAD + layer + VARIANTS, now_ms=2).version is None


def test_migrations__down_to_the_first_with_a_shop__keep_who_may(open_here: Open) -> None:
    store = open_here()
    bootstrap(store)
    apply_texts(store, HEAD + VARIANTS, now_ms=1)
    before = load_snapshot(store)
    with store.writing() as connection:
        downgrade(connection, "0001")
    after = load_snapshot(open_here())
    assert (after.api_keys, after.tenants) == (before.api_keys, before.tenants)
    assert after.projects == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    "statement",
    ["CREATE TABLE definitions", "DROP TABLE layers", "CREATE TABLE audit", "UPDATE alembic"],
)
def test_open_store__killed_half_way__has_migrated_nothing_and_does_it_again(
    tmp_path: Path, new_database_url: str | None, open_here: Open, statement: str
) -> None:
    with open_here().writing() as connection:
        downgrade(connection, "0003")
        run(connection, *A_PROJECT, A_LAYER, AN_EXPERIMENT)
    words = [str(tmp_path), new_database_url or "", statement]
    ran = subprocess.run([sys.executable, "-c", KILLED_AT, *words], timeout=180, check=False)
    assert ran.returncode == -signal.SIGKILL
    with store_as_it_is(tmp_path, new_database_url) as (_, connection):
        assert revision_of(connection) == "0003"
        assert rows_of(connection, "SELECT key FROM layers") == [("cart",)]
        assert not inspect(connection).has_table("definitions")
    with open_here().reading() as connection:
        assert layer_salts(connection, "prj_1") == {"cart": "layer.cart"}
        assert revision_of(connection) == LATEST


def test_open_store__newer_database__is_refused_and_left_alone(open_here: Open) -> None:
    store = open_here()
    with store.writing() as connection:
        run(connection, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(NewerStore, match="run the version that wrote it") as caught:
        open_here()
    assert caught.value.revision == "9999"
    with store.reading() as connection:
        assert revision_of(connection) == "9999"
