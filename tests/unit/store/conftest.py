"""A store that a test opens itself, as often as it needs, on either database."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fairlot.store import Store, open_store

Open = Callable[..., Store]


@pytest.fixture
def open_here(tmp_path: Path, new_database_url: str | None) -> Iterator[Open]:
    """Opens the store of this test with a secret or none; all are closed at the end."""
    stores: list[Store] = []

    def open_it(secret: str | None = None) -> Store:
        stores.append(open_store(tmp_path, secret, new_database_url))
        return stores[-1]

    yield open_it
    for store in stores:
        store.close()
