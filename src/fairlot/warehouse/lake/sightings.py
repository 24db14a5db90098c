"""Exposures of the lake, a file at a time, for who counts the known subjects."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from fairlot.warehouse.lake.columns import EventKind
from fairlot.warehouse.lake.layout import counting_files, files_in, partitions_in
from fairlot.warehouse.lake.readable import files_relation, problems_of
from fairlot.warehouse.lake.sessions import open_session

_ROWS_AT_ONCE: Final = 1000


def sizes_of_files(directory: Path, project_id: str, since_ms: int) -> dict[Path, int]:
    """How many rows each file with exposures of that day or a later one has, of those that can be
    read."""
    since = datetime.fromtimestamp(since_ms / 1000, UTC).date()
    sizes = {}
    with open_session(directory, threads=1) as session:
        for partition in partitions_in(directory, project_id, EventKind.EXPOSURES, since):
            paths = files_in(directory, partition)
            problems = problems_of(session, directory, EventKind.EXPOSURES, paths)
            sound = [path for path in paths if path not in problems]
            for path in counting_files(sound, sound):
                row = session.execute(
                    f"SELECT count(*) FROM {files_relation([path])}"  # noqa: S608 - our text
                ).fetchone()
                sizes[path] = row[0] if row else 0
    return sizes


def read_exposures_of_file(path: Path, since_ms: int) -> Iterator[list[tuple[Any, ...]]]:
    """Experiment, subject, unit, variant, reason, instant and actor of those received since."""
    with open_session(path, threads=1) as session:
        session.execute(
            "SELECT experiment_key, subject_id, unit_id, variant_key, reason,"  # noqa: S608
            f" epoch_ms(occurred_at), actor FROM {files_relation([path])}"
            " WHERE received_at >= make_timestamptz(?::BIGINT * 1000)",
            [since_ms],
        )
        while rows := session.fetchmany(_ROWS_AT_ONCE):
            yield rows
