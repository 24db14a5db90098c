"""A store with its first organization, and a short way to apply experiment files to it."""

from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache, partial
from pathlib import Path

import pytest

from fairlot.service.bootstrap import bootstrap
from fairlot.service.changes.applying import Applied
from fairlot.store import Store
from support.applying import apply_texts
from support.tables import directory_to_copy, lay_database, open_with_tables

SECRET = "a secret of the operator"
NOW_MS = 1_795_413_600_000
Apply = Callable[..., Applied]


@pytest.fixture
def empty_store(tmp_path: Path, database_url: str | None) -> Iterator[Store]:
    with closing(open_with_tables(tmp_path, SECRET, database_url)) as store:
        yield store


@pytest.fixture
def store(tmp_path: Path, database_url: str | None) -> Iterator[Store]:
    if database_url is None:
        lay_database(_bootstrapped(), tmp_path)
    with closing(open_with_tables(tmp_path, SECRET, database_url)) as store:
        assert database_url is None or bootstrap(store, now_ms=NOW_MS) is not None
        yield store


@cache
def _bootstrapped() -> Path:
    """To be copied."""
    directory = directory_to_copy()
    with closing(open_with_tables(directory, SECRET)) as store:
        assert bootstrap(store, now_ms=NOW_MS) is not None
    return directory


@pytest.fixture
def apply(store: Store) -> Apply:
    """Applies YAML texts, one file each, to project `default`."""
    return partial(apply_texts, store, now_ms=NOW_MS)
