"""A store with its first organization, and a short way to apply experiment files to it."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from fairlot.service.bootstrap import bootstrap
from fairlot.service.changes.applying import Applied
from fairlot.store import Store
from support.applying import apply_texts
from support.tables import open_with_tables

NOW_MS = 1_795_413_600_000
Apply = Callable[..., Applied]


@pytest.fixture
def empty_store(tmp_path: Path, database_url: str | None) -> Iterator[Store]:
    store = open_with_tables(tmp_path, "a secret of the operator", database_url)
    yield store
    store.close()


@pytest.fixture
def store(empty_store: Store) -> Store:
    assert bootstrap(empty_store, now_ms=NOW_MS) is not None
    return empty_store


@pytest.fixture
def apply(store: Store) -> Apply:
    """Applies YAML texts, one file each, to project `default`."""
    return partial(apply_texts, store, now_ms=NOW_MS)
