"""Which files an event log has."""

from pathlib import Path

from fairlot.warehouse.log_file import LogFile

_FILES = "worker-*.sqlite"
_SET_ASIDE = "worker-*.corrupt-*"


def worker_files(directory: Path) -> list[Path]:
    return sorted(directory.glob(_FILES))


def files_set_aside(directory: Path) -> list[Path]:
    """What was found damaged and renamed."""
    return sorted(directory.glob(_SET_ASIDE))


def bring_up_to_date(path: Path) -> None:
    """Of a file whose slot is ours."""
    LogFile(path).close()
