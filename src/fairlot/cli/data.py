"""The data directory, as commands open it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from fairlot.cli.errors import CommandFailed
from fairlot.cli.options import read_settings
from fairlot.cli.waiting import until_taken
from fairlot.engine.errors import FairlotError
from fairlot.service.bootstrap import begin_older_audits
from fairlot.settings import Settings
from fairlot.store import Store, StoreLocked, open_store
from fairlot.store.sqlite import DATABASE_FILE
from fairlot.store.tenants import has_organizations

_PAUSE_S: Final = 1.0


class NoDataDirectory(CommandFailed):
    code = "no_data_directory"

    def __init__(self, data_dir: Path) -> None:
        super().__init__(
            f"{data_dir}: no Fairlot data here; run `fairlot init` or `fairlot serve` first, or "
            "name the directory with --data"
        )


@contextmanager
def opened_store(settings: Settings) -> Iterator[Store]:
    """The store of the data directory, which is made, out of git's sight, if it is not there.
    While another writer holds it, it is tried again."""
    is_new = _is_new(settings.data_dir)
    store = until_taken(
        lambda: open_store(
            settings.data_dir, settings.secret, settings.database_url, begin_older_audits
        ),
        _pause_after,
    )
    try:
        if is_new:
            (settings.data_dir / ".gitignore").write_text("*\n", "utf-8")
        yield store
    finally:
        store.close()


def _pause_after(error: FairlotError) -> float | None:
    return _PAUSE_S if isinstance(error, StoreLocked) else None


def _is_new(directory: Path) -> bool:
    try:
        return not any(directory.iterdir())
    except FileNotFoundError:
        return True
    except OSError:  # which the store explains
        return False


@contextmanager
def existing_store(data_dir: str | None) -> Iterator[tuple[Settings, Store]]:
    """As `opened_store`, but a directory that holds no data is an error, and stays as it is."""
    settings = read_settings(data_dir)
    needed = "" if settings.database_url else DATABASE_FILE
    if not (settings.data_dir / needed).exists():
        raise NoDataDirectory(settings.data_dir)
    with opened_store(settings) as store:
        with store.reading() as connection:
            is_empty = not has_organizations(connection)
        if is_empty:  # a first `fairlot serve` that could not start leaves it so
            raise NoDataDirectory(settings.data_dir)
        yield settings, store
