"""Events in workers' files, and who is in the lake."""

import sqlite3
from contextlib import closing
from pathlib import Path

from fairlot.events import Conversion, Exposure, Identity
from fairlot.warehouse.lake import open_lake
from fairlot.warehouse.log_file import LogFile
from unit.warehouse.records import received

DAY_MS = 86_400_000
Event = Exposure | Conversion | Identity


def write_tail(directory: Path, worker: int, *events: Event) -> None:
    file = LogFile(directory / f"worker-{worker}.sqlite")
    file.append([], [], [received(*events)])
    file.close()


def subjects(directory: Path, project_id: str = "prj_1", kind: str = "exposures") -> list[str]:
    with open_lake(directory, project_id) as lake:
        rows = lake.connection.execute(f"SELECT subject_id FROM {kind} ORDER BY 1").fetchall()  # noqa: S608
    return [subject_id for (subject_id,) in rows]


def rows_in_tail(directory: Path) -> int:
    total = 0
    for path in directory.glob("worker-*.sqlite"):
        with closing(sqlite3.connect(path)) as log:
            for table in ("exposures", "conversions", "identities"):
                total += log.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608
    return total


def files_of(directory: Path) -> list[str]:
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*.parquet"))
