"""The data directory, as commands open it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from operator import attrgetter

from fairlot.cli.errors import CommandFailed, NothingPublished
from fairlot.cli.options import read_settings
from fairlot.events import Assignment
from fairlot.service.snapshot import ProjectServing, Snapshot
from fairlot.settings import Settings
from fairlot.store import Store, open_store
from fairlot.store.sqlite import DATABASE_FILE
from fairlot.warehouse.readers import AssignmentReaders

# The assignments of an experiment id and a unit id, the earliest first.
Stored = Callable[[str, str], Sequence[Assignment]]


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
    if not (settings.data_dir / DATABASE_FILE).exists():
        raise NoDataDirectory(
            f"{settings.data_dir}: no Fairlot data here; name the directory with --data, or make "
            "one with `fairlot init`"
        )
    with opened_store(settings) as store:
        yield settings, store


@contextmanager
def stored_assignments(settings: Settings) -> Iterator[Stored]:
    """What every worker has remembered, read without claiming a file of the log."""
    if not settings.events_dir.is_dir():
        yield lambda _experiment_id, _unit_id: []
        return
    with closing(AssignmentReaders(settings.events_dir)) as readers:
        yield lambda experiment_id, unit_id: sorted(
            readers.lookup(experiment_id, unit_id).values(), key=attrgetter("assigned_at_ms")
        )


def published_project(snapshot: Snapshot, org: str, project: str) -> ProjectServing:
    """Raises NothingPublished."""
    serving = snapshot.projects.get((org, project))
    if serving is None:
        raise NothingPublished(org, project)
    return serving
