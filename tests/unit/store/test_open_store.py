"""What holds for a store on either database."""

import multiprocessing
import traceback
from pathlib import Path

import pytest
from sqlalchemy import text

from fairlot.store import StoreFailed, StoreUnusable, WrongSecret, open_store
from fairlot.store.migrations import LATEST
from fairlot.store.schema import revision_of
from fairlot.store.tables import organizations
from unit.store.conftest import Open

SECRET = "a secret of the operator"


def test_open_store__new_directory__is_private_and_migrated(
    tmp_path: Path, new_database_url: str | None
) -> None:
    directory = tmp_path / "deep" / "data"
    store = open_store(directory, None, new_database_url)
    with store.reading() as connection:
        assert revision_of(connection) == LATEST
    store.close()
    assert directory.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o077 for path in directory.iterdir()} == {0}


def test_open_store__killed_while_it_made_the_key__makes_another(
    tmp_path: Path, open_here: Open
) -> None:
    (tmp_path / "secret.key.new").write_text("half")
    open_here()
    open_here()
    assert not (tmp_path / "secret.key.new").exists()


def test_open_store__with_a_secret__makes_no_key_file(tmp_path: Path, open_here: Open) -> None:
    open_here(SECRET)
    assert not (tmp_path / "secret.key").exists()
    open_here(SECRET)


def test_open_store__again__keeps_everything(open_here: Open) -> None:
    with open_here().writing() as connection:
        connection.execute(text("UPDATE serving SET generation = 7"))
    assert open_here().generation() == 7


def test_open_store__again__unseals_what_was_sealed(open_here: Open) -> None:
    sealed = open_here().vault.seal("name", b"content")
    assert open_here().vault.unseal("name", sealed) == b"content"


def test_open_store__directory_that_cannot_be__is_refused(
    tmp_path: Path, new_database_url: str | None
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnusable, match="cannot be written"):
        open_store(tmp_path / "file" / "data", None, new_database_url)


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
    tmp_path: Path, open_here: Open, made_with: str | None, opened_with: str | None, told: str
) -> None:
    open_here(made_with).close()
    files = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(WrongSecret, match=told):
        open_here(opened_with)
    assert sorted(path.name for path in tmp_path.iterdir()) == files
    open_here(made_with)


def test_open_store__key_file_replaced__is_refused(tmp_path: Path, open_here: Open) -> None:
    open_here()
    (tmp_path / "secret.key").write_text("x" * 40)
    with pytest.raises(WrongSecret, match="restore that file"):
        open_here()


def test_open_store__key_file_cut_short__is_refused(tmp_path: Path, open_here: Open) -> None:
    open_here()
    (tmp_path / "secret.key").write_text("x")
    with pytest.raises(StoreUnusable, match="cut short"):
        open_here()


def open_and_read(where: tuple[Path, str | None]) -> str | None:
    store = open_store(where[0], None, where[1])
    with store.reading() as connection:
        revision = revision_of(connection)
    store.close()
    return revision


@pytest.mark.slow
def test_open_store__several_processes_at_once__all_get_the_same_one(
    tmp_path: Path, new_database_url: str | None
) -> None:
    spawn = multiprocessing.get_context("spawn")
    with spawn.Pool(3) as pool:
        assert pool.map(open_and_read, [(tmp_path, new_database_url)] * 3) == [LATEST] * 3


def test_writing__an_error_inside__rolls_back(open_here: Open) -> None:
    store = open_here()

    def write_half() -> None:
        with store.writing() as connection:
            connection.execute(text("UPDATE serving SET generation = 7"))
            connection.execute(text("UPDATE no_such_table SET a = 1"))

    with pytest.raises(StoreFailed):
        write_half()
    with store.writing(keep=False) as connection:
        connection.execute(text("UPDATE serving SET generation = 8"))
    assert store.generation() == 0


def test_writing__breaks_a_reference__is_refused(open_here: Open) -> None:
    with pytest.raises(StoreFailed), open_here().writing() as connection:
        connection.execute(
            text("INSERT INTO projects VALUES ('prj_1', 'no one', 'a', false, NULL, 1, false)")
        )


def test_writing__value_that_is_there_already__is_not_told(open_here: Open) -> None:
    store, row = open_here(), {"id": "org_1", "key": f"acme-{7 * 11}", "created_at_ms": 1}
    with store.writing() as connection:
        connection.execute(organizations.insert().values(row))
    with pytest.raises(StoreFailed) as caught, store.writing() as connection:
        connection.execute(organizations.insert().values(row))
    told = "".join(traceback.format_exception(caught.value))
    assert "organizations" in told
    assert "acme-77" not in told


def test_reading__while_another_writes__sees_one_state(open_here: Open) -> None:
    store = open_here()
    with store.reading() as connection:
        before = connection.execute(text("SELECT generation FROM serving")).scalar_one()
        with store.writing() as other:
            other.execute(text("UPDATE serving SET generation = generation + 1"))
        assert connection.execute(text("SELECT generation FROM serving")).scalar_one() == before
    assert store.generation() == before + 1
