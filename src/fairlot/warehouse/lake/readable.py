"""The Parquet files of a project that can be read, and why others cannot."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fairlot.warehouse.lake.columns import EventKind, quoted_list
from fairlot.warehouse.lake.damage import known_damage, may_be_damage
from fairlot.warehouse.lake.layout import (
    PLACE_KEY,
    counting_files,
    files_in,
    numbers_of,
    partitions_in,
    place_of,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_NO_NAME: Final = "no name of the lake's; delete it if it is a copy, or else give it a free number"


@dataclass(frozen=True, slots=True)
class UnreadableFile:
    """A file of the lake that is left out."""

    path: Path
    problem: str


def readable_files(
    session: "DuckDBPyConnection", directory: Path, project_id: str, kind: EventKind
) -> tuple[dict[date, list[Path]], list[UnreadableFile]]:
    """By day; and those that `problems_of` says something of."""
    by_day = {
        each.day: files_in(directory, each) for each in partitions_in(directory, project_id, kind)
    }
    every = [path for paths in by_day.values() for path in paths]
    problems = problems_of(session, directory, kind, every)
    sound = {day: [path for path in paths if path not in problems] for day, paths in by_day.items()}
    counting = {day: counting_files(paths, paths) for day, paths in sound.items()}
    return counting, [UnreadableFile(path, each) for path, each in problems.items()]


def problems_of(
    session: "DuckDBPyConnection", directory: Path, kind: EventKind, paths: Collection[Path]
) -> dict[Path, str]:
    """Of those that are known to be damaged, that are no whole Parquet files with our columns as
    far as their ends say, whose events lack a key, that have no name of the lake's, or that are
    copies of others."""
    damaged = known_damage(directory)
    problems = {path: damaged[path] for path in paths if path in damaged}
    rest = [path for path in paths if path not in problems]
    if rest and problem_of(session, kind, rest) is not None:
        found = {path: problem_of(session, kind, [path]) for path in rest}
        problems |= {path: problem for path, problem in found.items() if problem is not None}
        rest = [path for path in rest if path not in problems]
    problems |= keyless_in(session, kind, rest)
    rest = [path for path in rest if path not in problems]
    problems |= {path: _NO_NAME for path in rest if numbers_of(path) is None}
    copied = {
        path: f"a copy of {place}; delete it"
        for path, place in places_in(session, rest).items()
        if place != place_of(path)
    }
    return problems | copied


def keyless_in(
    session: "DuckDBPyConnection", kind: EventKind, paths: Sequence[Path]
) -> dict[Path, str]:
    """The files without a key column, or with nulls in one, as far as their ends say. Read together
    with others the column is there, and null."""
    if not paths:
        return {}
    rows = session.execute(
        "SELECT file_name, array_agg(path_in_schema),"  # noqa: S608 - names of ours
        " array_agg(path_in_schema) FILTER (stats_null_count > 0)"
        f" FROM parquet_metadata({quoted_list(paths)}) GROUP BY file_name"
    ).fetchall()
    problems: dict[Path, str] = {}
    for name, columns, with_nulls in rows:
        missing = [each for each in kind.keys if each not in columns]
        null = [each for each in kind.keys if each in (with_nulls or ())]
        if missing:
            problems[Path(name)] = f"without columns of its events: {', '.join(missing)}"
        elif null:
            problems[Path(name)] = f"events with null in {', '.join(null)}"
    return problems


def places_in(session: "DuckDBPyConnection", paths: Sequence[Path]) -> dict[Path, str]:
    """What these files were written as, of those that tell."""
    if not paths:
        return {}
    rows = session.execute(
        "SELECT file_name, decode(value) FROM"  # noqa: S608 - names of ours
        f" parquet_kv_metadata({quoted_list(paths)}) WHERE key = '{PLACE_KEY}'::BLOB"
    ).fetchall()
    return {Path(name): place for name, place in rows}


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
    """Why some value of a file cannot be read; None when each can. Reads all of it. Raises
    duckdb.Error for what is no fault of the file."""
    import duckdb  # as above

    values = ", ".join(f"max(hash({name}))" for name in kind.columns)
    try:
        session.execute(f"SELECT {values} FROM {files_relation([path])}").fetchall()  # noqa: S608
    except duckdb.Error as error:
        if not may_be_damage(error):
            raise
        return f"damaged ({type(error).__name__})"
    return None


def files_relation(paths: Sequence[Path]) -> str:
    return f"read_parquet({quoted_list(paths)}, union_by_name = true, hive_partitioning = false)"
