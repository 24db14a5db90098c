"""The data directory, as commands open it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self

from fairlot.cli.errors import CommandFailed
from fairlot.cli.options import read_settings
from fairlot.events import Assignment
from fairlot.settings import Settings
from fairlot.store import Store, open_store
from fairlot.warehouse.readers import AssignmentReaders

STORE_FILE = "fairlot.db"


class NoDataDirectory(CommandFailed):
    code = "no_data_directory"


@contextmanager
def opened_store(settings: Settings) -> Iterator[Store]:
    """The store of the data directory, which is made if it is not there."""
    store = open_store(settings.data_dir, settings.secret)
    try:
        yield store
    finally:
        store.close()


@contextmanager
def existing_store(data_dir: str | None) -> Iterator[tuple[Settings, Store]]:
    """As `opened_store`, but a directory that holds no data is an error, and stays as it is."""
    settings = read_settings(data_dir)
    if not (settings.data_dir / STORE_FILE).exists():
        raise NoDataDirectory(
            f"{settings.data_dir}: no Fairlot data here; name the directory with --data, or make "
            "one with `fairlot init`"
        )
    with opened_store(settings) as store:
        yield settings, store


class StoredAssignments:
    """What every worker has remembered, read without claiming a file of the log."""

    def __init__(self, settings: Settings) -> None:
        directory = settings.events_dir
        self._readers = AssignmentReaders(directory) if directory.is_dir() else None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._readers is not None:
            self._readers.close()

    def of(self, experiment_id: str, unit_id: str) -> list[Assignment]:
        """The assignments of one unit in one experiment, the earliest first."""
        if self._readers is None:
            return []
        found = self._readers.lookup(experiment_id, unit_id).values()
        return sorted(found, key=lambda assignment: assignment.assigned_at_ms)
