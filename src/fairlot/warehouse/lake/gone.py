"""Which exposures retention has deleted: `lake-gone.json`, written before they are.

What is deleted cannot be counted any more, and a result that lacks it looks like any other.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from fairlot.warehouse.lake.columns import EventKind
from fairlot.warehouse.lake.layout import Partition, counting_files, files_in
from fairlot.warehouse.lake.readable import files_relation, problems_of
from fairlot.warehouse.lake.sessions import open_session

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

GONE_FILE: Final = "lake-gone.json"
_MEMORY_LIMIT: Final = "512MB"


class GoneExposures(msgspec.Struct, frozen=True):
    """Of people, in one experiment: how many, and when the first and the last of them happened."""

    project_id: str
    experiment_id: str
    experiment_key: str
    exposures: int
    first_ms: int
    last_ms: int


class Gone(msgspec.Struct):
    """`through`: by project, the last day that is in it."""

    through: dict[str, str] = {}
    gone: list[GoneExposures] = []


def gone_exposures(directory: Path, project_id: str) -> tuple[GoneExposures, ...]:
    return tuple(each for each in _read(directory).gone if each.project_id == project_id)


def count_gone(directory: Path, partitions: Iterable[Partition]) -> Gone:
    """What is noted, and what is in folders that are about to be deleted, each once. A file that
    cannot be read has nothing that was counted."""
    ledger = _read(directory)
    new = [
        each
        for each in sorted(partitions, key=lambda each: each.day)
        if each.kind is EventKind.EXPOSURES
        and each.day.isoformat() > ledger.through.get(each.project_id, "")
    ]
    if not new:
        return ledger
    with open_session(directory, threads=1, memory_limit=_MEMORY_LIMIT) as session:
        for partition in new:
            for each in _exposures_in(session, directory, partition):
                _add(ledger, each)
            ledger.through[partition.project_id] = partition.day.isoformat()
    return ledger


def _exposures_in(
    session: "DuckDBPyConnection", directory: Path, partition: Partition
) -> Sequence[GoneExposures]:
    import duckdb  # slow to import, and few need it

    paths = files_in(directory, partition)
    problems = problems_of(session, directory, partition.kind, paths)
    sound = [path for path in paths if path not in problems]
    sound = counting_files(sound, sound)
    if not sound:
        return ()
    try:
        rows = session.execute(
            "SELECT experiment_id, experiment_key, COUNT(*), epoch_ms(MIN(occurred_at)),"  # noqa: S608
            f" epoch_ms(MAX(occurred_at)) FROM {files_relation(sound)}"
            " WHERE COALESCE(actor, 'human') = 'human' GROUP BY ALL"
        ).fetchall()
    except duckdb.Error:  # a page in the middle is damaged, and no result has read it
        return ()
    return [GoneExposures(partition.project_id, *row) for row in rows]


def _add(ledger: Gone, new: GoneExposures) -> None:
    for number, old in enumerate(ledger.gone):
        names = (old.project_id, old.experiment_id, old.experiment_key)
        if names == (new.project_id, new.experiment_id, new.experiment_key):
            ledger.gone[number] = GoneExposures(
                *names,
                exposures=old.exposures + new.exposures,
                first_ms=min(old.first_ms, new.first_ms),
                last_ms=max(old.last_ms, new.last_ms),
            )
            return
    ledger.gone.append(new)


def note_gone(directory: Path, gone: Gone) -> None:
    """Before the folders are deleted. On a full disk nothing is noted: what is deleted then makes
    room."""
    draft = directory / f".{GONE_FILE}.partial"
    try:
        draft.write_bytes(msgspec.json.encode(gone))
        draft.replace(directory / GONE_FILE)
    except OSError:
        return


def _read(directory: Path) -> Gone:
    try:
        return msgspec.json.decode((directory / GONE_FILE).read_bytes(), type=Gone)
    except (OSError, msgspec.MsgspecError):
        return Gone()
