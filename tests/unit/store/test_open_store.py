import multiprocessing
import shutil
import sqlite3
import traceback
from contextlib import closing
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from fairlot.store import NewerStore, StoreFailed, StoreUnusable, WrongSecret, open_store
from fairlot.store.definitions import layer_salts
from fairlot.store.migrations import LATEST, REVISIONS, downgrade, upgrade
from fairlot.store.previews import add_revoked_preview, read_revoked_previews
from fairlot.store.tables import metadata

SECRET = "a secret of the operator"


def make(directory: Path, secret: str | None = None) -> Path:
    open_store(directory, secret).close()
    return directory / "fairlot.db"


def revision_of(path: Path) -> str:
    connection = sqlite3.connect(path)
    (revision,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    connection.close()
    return str(revision)


def test_open_store__new_directory__is_private_and_migrated(tmp_path: Path) -> None:
    path = make(tmp_path / "deep" / "data")
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert (path.parent / "secret.key").stat().st_mode & 0o777 == 0o600
    assert revision_of(path) == LATEST


def test_open_store__directory_with_signs_of_an_address__is_taken_as_it_is(
    tmp_path: Path,
) -> None:
    path = make(tmp_path / "a?b=c#d %41")
    assert path.stat().st_size > 0
    assert [each.name for each in tmp_path.iterdir()] == ["a?b=c#d %41"]


def test_open_store__killed_while_it_made_the_key__makes_another(tmp_path: Path) -> None:
    (tmp_path / "secret.key.new").write_text("half")
    make(tmp_path)
    make(tmp_path)
    assert not (tmp_path / "secret.key.new").exists()


def test_open_store__with_a_secret__makes_no_key_file(tmp_path: Path) -> None:
    make(tmp_path, SECRET)
    assert not (tmp_path / "secret.key").exists()
    make(tmp_path, SECRET)


def test_open_store__again__keeps_everything(tmp_path: Path) -> None:
    make(tmp_path)
    store = open_store(tmp_path, None)
    with store.writing() as connection:
        connection.execute(text("UPDATE serving SET generation = 7"))
    store.close()
    store = open_store(tmp_path, None)
    assert store.generation() == 7
    store.close()


def test_migrations__up_and_down__leave_the_tables_of_the_code_and_then_none(
    tmp_path: Path,
) -> None:
    make(tmp_path)
    store = open_store(tmp_path, None)
    with store.writing() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []
        downgrade(connection)
        assert inspect(connection).get_table_names() == ["alembic_version"]
        upgrade(connection)
        assert set(metadata.tables) < set(inspect(connection).get_table_names())
    store.close()


def test_migrations__listed_revisions__are_those_of_the_scripts() -> None:
    config = Config()
    config.set_main_option("script_location", "fairlot.store:migrations")
    config.set_main_option("path_separator", "os")
    scripts = ScriptDirectory.from_config(config).walk_revisions()
    assert tuple(reversed([script.revision for script in scripts])) == REVISIONS


@pytest.mark.parametrize("revision", REVISIONS[:-1])
def test_open_store__older_database__is_migrated_with_its_rows(
    tmp_path: Path, revision: str
) -> None:
    path = make(tmp_path)
    store = open_store(tmp_path, None)
    with store.writing() as connection:
        downgrade(connection, revision)
        connection.execute(text("INSERT INTO organizations VALUES ('org_1', 'acme', 5)"))
    store.close()
    assert revision_of(path) == revision
    store = open_store(tmp_path, None)
    with store.reading() as connection:
        assert connection.execute(text("SELECT key FROM organizations")).scalar_one() == "acme"
    store.close()
    assert revision_of(path) == LATEST


def test_open_store__database_of_version_2__keeps_its_experiments_and_manifests(
    tmp_path: Path,
) -> None:
    rows = {
        "organizations": ("org_1", "acme", 5),
        "projects": ("prj_1", "org_1", "shop", 0, None, 5),
        "manifests": ("prj_1", 7, b"{}", b"signed", "kid", 6, None),
    }
    path = make(tmp_path)
    store = open_store(tmp_path, None)
    with store.writing() as connection:
        downgrade(connection, "0002")
        assert not inspect(connection).has_table("revoked_previews")
    store.close()
    with closing(sqlite3.connect(path)) as old:
        for table, row in rows.items():
            old.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)  # noqa: S608
        old.commit()
    store = open_store(tmp_path, None)
    with store.writing() as connection:
        for table, row in rows.items():
            found = tuple(connection.exec_driver_sql(f"SELECT * FROM {table}").one())  # noqa: S608
            assert found[: len(row)] == row
        assert add_revoked_preview(connection, "org_1", "prv_1", 10, 1)
        assert read_revoked_previews(connection, 9) == {"org_1": ["prv_1"]}
    store.close()


def test_open_store__database_of_version_3__keeps_its_layers_and_begins_revisions(
    tmp_path: Path,
) -> None:
    path = make(tmp_path)
    store = open_store(tmp_path, None)
    with store.writing() as connection:
        downgrade(connection, "0003")
    store.close()
    with closing(sqlite3.connect(path)) as old:
        old.executescript(
            """
            INSERT INTO organizations VALUES ('org_1', 'acme', 5);
            INSERT INTO projects VALUES ('prj_1', 'org_1', 'shop', 0, NULL, 5);
            INSERT INTO layers VALUES ('lay_1', 'prj_1', 'cart', 'layer.cart', 6);
            INSERT INTO experiments VALUES ('exp_1', 'prj_1', 'price', 'running', x'7b7d', '{}',
                NULL, NULL, NULL, '[]', '[]', 'key: price', 6, 7, 7, NULL, 0, NULL);
            """
        )
    store = open_store(tmp_path, None)
    with store.writing() as connection:
        assert layer_salts(connection, "prj_1") == {"cart": "layer.cart"}
        revisions = connection.exec_driver_sql(
            "SELECT kind, key, number, at_ms, author, status, source FROM revisions ORDER BY kind"
        ).all()
        assert [tuple(row) for row in revisions] == [
            ("experiment", "price", 1, 7, "system", "running", "key: price"),
            ("layer", "cart", 1, 6, "system", None, ""),
        ]
        downgrade(connection, "0003")
        layers = connection.exec_driver_sql("SELECT * FROM layers").all()
        assert [tuple(row) for row in layers] == [("lay_1", "prj_1", "cart", "layer.cart", 6)]
    store.close()


@pytest.mark.parametrize(
    ("state", "before"), [("review", "draft"), ("approved", "draft"), ("killed", "completed")]
)
def test_migrations__down_from_a_state_that_is_new__leave_one_that_was_known(
    tmp_path: Path, state: str, before: str
) -> None:
    make(tmp_path)
    store = open_store(tmp_path, None)
    with store.writing() as connection:
        connection.execute(text("INSERT INTO organizations VALUES ('org_1', 'acme', 5)"))
        connection.execute(text("INSERT INTO projects VALUES ('prj_1','org_1','s',0,NULL,5,0)"))
        connection.exec_driver_sql(
            "INSERT INTO experiments (id, project_id, key, status, document, variant_ids, tags,"
            " metrics, source, created_at_ms, updated_at_ms, draw_changed)"
            " VALUES ('exp_1', 'prj_1', 'p', ?, x'7b7d', '{}', '[]', '[]', '', 1, 1, 0)",
            (state,),
        )
        downgrade(connection, "0003")
        assert connection.execute(text("SELECT status FROM experiments")).scalar() == before
    store.close()


def test_open_store__newer_database__is_refused_and_left_alone(tmp_path: Path) -> None:
    path = make(tmp_path)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.commit()
    connection.close()
    with pytest.raises(NewerStore) as caught:
        open_store(tmp_path, None)
    assert caught.value.revision == "9999"
    assert revision_of(path) == "9999"


@pytest.mark.parametrize("kept_bytes", [0, 50, 4096, 20_000])
def test_open_store__truncated_database__is_refused_and_left_alone(
    tmp_path: Path, kept_bytes: int
) -> None:
    path = make(tmp_path)
    path.write_bytes(path.read_bytes()[:kept_bytes])
    with pytest.raises(StoreUnusable, match="restore a backup"):
        open_store(tmp_path, None)
    assert path.stat().st_size == kept_bytes


def test_open_store__something_else_there__is_refused(tmp_path: Path) -> None:
    (tmp_path / "fairlot.db").write_text("This is not a database. " * 500)
    with pytest.raises(StoreUnusable, match="not a sound database"):
        open_store(tmp_path, None)


def test_open_store__directory_that_cannot_be__is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnusable, match="cannot be written"):
        open_store(tmp_path / "file" / "data", None)


def test_open_store__database_is_a_directory__is_refused(tmp_path: Path) -> None:
    (tmp_path / "fairlot.db").mkdir()
    with pytest.raises(StoreUnusable):
        open_store(tmp_path, None)


@pytest.mark.parametrize(
    ("made_with", "opened_with", "told"),
    [
        (SECRET, "another secret altogether", "set that one"),
        (SECRET, None, "set FAIRLOT_SECRET"),
        (None, SECRET, "unset it"),
        (SECRET, "short", "16 or more"),
    ],
)
def test_open_store__wrong_secret__is_refused_clearly(
    tmp_path: Path, made_with: str | None, opened_with: str | None, told: str
) -> None:
    make(tmp_path, made_with)
    files = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(WrongSecret, match=told):
        open_store(tmp_path, opened_with)
    assert sorted(path.name for path in tmp_path.iterdir()) == files
    make(tmp_path, made_with)


def test_open_store__key_file_replaced__is_refused(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "secret.key").write_text("x" * 40)
    with pytest.raises(WrongSecret, match="restore that file"):
        open_store(tmp_path, None)


def test_open_store__key_file_cut_short__is_refused(tmp_path: Path) -> None:
    make(tmp_path)
    (tmp_path / "secret.key").write_text("x")
    with pytest.raises(StoreUnusable, match="cut short"):
        open_store(tmp_path, None)


@pytest.mark.slow
def test_open_store__several_processes_at_once__all_get_the_same_one(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    with spawn.Pool(3) as pool:
        paths = pool.map(make, [tmp_path] * 3)
    assert set(paths) == {tmp_path / "fairlot.db"}
    assert revision_of(paths[0]) == LATEST


def test_writing__an_error_inside__rolls_back(tmp_path: Path) -> None:
    store = open_store(tmp_path, None)

    def write_half() -> None:
        with store.writing() as connection:
            connection.execute(text("UPDATE serving SET generation = 7"))
            connection.execute(text("UPDATE no_such_table SET a = 1"))

    with pytest.raises(StoreFailed):
        write_half()
    with store.writing(keep=False) as connection:
        connection.execute(text("UPDATE serving SET generation = 8"))
    assert store.generation() == 0
    store.close()


def test_writing__breaks_a_reference__is_refused(tmp_path: Path) -> None:
    store = open_store(tmp_path, None)
    with pytest.raises(StoreFailed), store.writing() as connection:
        connection.execute(text("INSERT INTO layers VALUES ('lay_1', 'no project', 'a', 'b', 1)"))
    store.close()


def test_writing__fails__does_not_tell_the_values(tmp_path: Path) -> None:
    store, values = open_store(tmp_path, None), {"token": f"exp_{7 * 11}"}
    with pytest.raises(StoreFailed) as caught, store.writing() as connection:
        connection.execute(text("INSERT INTO no_such_table VALUES (:token)"), values)
    told = "".join(traceback.format_exception(caught.value))
    assert "no_such_table" in told
    assert "exp_77" not in told
    store.close()


def test_reading__while_another_writes__sees_one_state(tmp_path: Path) -> None:
    store = open_store(tmp_path, None)
    with store.reading() as connection:
        before = connection.execute(text("SELECT generation FROM serving")).scalar_one()
        with store.writing() as other:
            other.execute(text("UPDATE serving SET generation = generation + 1"))
        assert connection.execute(text("SELECT generation FROM serving")).scalar_one() == before
    assert store.generation() == before + 1
    store.close()


def test_generation__database_replaced_while_open__is_refused(tmp_path: Path) -> None:
    with closing(open_store(tmp_path, None)) as store:
        store.generation()
        (tmp_path / "fairlot.db").rename(tmp_path / "moved.db")
        with pytest.raises(StoreUnusable, match="deleted or replaced"):
            store.generation()
        shutil.copy(tmp_path / "moved.db", tmp_path / "fairlot.db")
        with pytest.raises(StoreUnusable, match="deleted or replaced"):
            store.generation()


def test_open_store__database_gone_but_its_key_is_there__refused(tmp_path: Path) -> None:
    open_store(tmp_path, None).close()
    (tmp_path / "fairlot.db").unlink()
    with pytest.raises(StoreUnusable, match="missing or empty"):
        open_store(tmp_path, None)


def test_open_store__new_database__is_private(tmp_path: Path) -> None:
    with closing(open_store(tmp_path, None)):
        files = [path for path in tmp_path.iterdir() if path.name.startswith("fairlot.db")]
        assert {path.stat().st_mode & 0o077 for path in files} == {0}
