"""What can happen to a store because it is a file."""

import shutil
from contextlib import closing
from pathlib import Path

import pytest

from fairlot.store import StoreUnusable, open_store


def make(directory: Path) -> Path:
    open_store(directory, None).close()
    return directory / "fairlot.db"


def test_open_store__directory_with_signs_of_an_address__is_taken_as_it_is(
    tmp_path: Path,
) -> None:
    path = make(tmp_path / "a?b=c#d %41")
    assert path.stat().st_size > 0
    assert [each.name for each in tmp_path.iterdir()] == ["a?b=c#d %41"]


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


def test_open_store__database_is_a_directory__is_refused(tmp_path: Path) -> None:
    (tmp_path / "fairlot.db").mkdir()
    with pytest.raises(StoreUnusable):
        open_store(tmp_path, None)


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
    path = make(tmp_path)
    path.unlink()
    with pytest.raises(StoreUnusable, match=r"missing or empty.*or set FAIRLOT_DATABASE_URL"):
        open_store(tmp_path, None)
    assert not path.exists()


def test_open_store__new_database__is_private(tmp_path: Path) -> None:
    with closing(open_store(tmp_path, None)):
        files = [path for path in tmp_path.iterdir() if path.name.startswith("fairlot.db")]
        assert {path.stat().st_mode & 0o077 for path in files} == {0}
