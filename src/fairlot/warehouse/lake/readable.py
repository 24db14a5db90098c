"""The Parquet files of a project that can be read, and why others cannot."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from fairlot.warehouse.lake.columns import EventKind, quoted_list
from fairlot.warehouse.lake.damage import known_damage
from fairlot.warehouse.lake.layout import files_in, partitions_in

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class UnreadableFile:
    """A file of the lake that is left out."""

    path: Path
    problem: str


def readable_files(
    session: "DuckDBPyConnection", directory: Path, project_id: str, kind: EventKind
) -> tuple[dict[date, list[Path]], list[UnreadableFile]]:
    """By day; and those whose ends say that they are no whole Parquet files with our columns, or of
    which it is known that they are damaged."""
    by_day = {
        each.day: files_in(directory, each) for each in partitions_in(directory, project_id, kind)
    }
    every = [path for paths in by_day.values() for path in paths]
    damaged = known_damage(directory)
    if damaged.keys().isdisjoint(every) and (not every or problem_of(session, kind, every) is None):
        return by_day, []
    problems = {path: damaged.get(path) or problem_of(session, kind, [path]) for path in every}
    sound = {
        day: [path for path in paths if problems[path] is None] for day, paths in by_day.items()
    }
    return sound, [UnreadableFile(path, each) for path, each in problems.items() if each]


def problem_of(session: "DuckDBPyConnection", kind: EventKind, paths: Sequence[Path]) -> str | None:
    """Why files cannot be read, as far as their ends say; None when they can."""
    import duckdb  # slow to import, and few need it

    try:
        found = session.execute(
            f"DESCRIBE SELECT {kind.column_list} FROM {files_relation(paths)}"  # noqa: S608
        ).fetchall()
    except duckdb.Error as error:
        return str(error).partition("\n")[0]
    types = {name: sql_type for name, sql_type, *_ in found}
    wrong = [name for name, sql_type in kind.columns.items() if types[name] != sql_type]
    return f"columns of another type: {', '.join(wrong)}" if wrong else None


def damage_of(session: "DuckDBPyConnection", kind: EventKind, path: Path) -> str | None:
    """Why some value of a file cannot be read; None when each can. Reads all of it."""
    import duckdb  # as above

    values = ", ".join(f"max(hash({name}))" for name in kind.columns)
    try:
        session.execute(f"SELECT {values} FROM {files_relation([path])}").fetchall()  # noqa: S608
    except duckdb.Error as error:
        return f"damaged ({type(error).__name__})"
    return None


def files_relation(paths: Sequence[Path]) -> str:
    return f"read_parquet({quoted_list(paths)}, union_by_name = true, hive_partitioning = false)"
