"""How long 1,000 new experiments take to plan, keep and publish, and to apply again unchanged.

    python benchmarks/apply.py [--rounds 5]

The workload is that of authoring.py, in a new SQLite file. `applied` is what `fairlot apply --yes`
asks of the server: read, planned, kept, put on record and published in one transaction; `again` is
the same files once more. The peer writes the very rows that this wrote (experiments, definitions,
revisions, audit records, the manifest) with `executemany` of the standard library, and does nothing
else. Figures are medians, in seconds of the processor; rounds are interleaved.
"""

import sys

# This folder holds an http.py, which must not hide the standard library's.
sys.path[:] = [entry for entry in sys.path if not entry.endswith("benchmarks")]

import argparse
import importlib.util
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from types import ModuleType

from fairlot.manifest.source_files import SourceFile
from fairlot.service.actors import Actor, Scope
from fairlot.service.bootstrap import bootstrap
from fairlot.service.changes.applying import Applied, Asked, apply_files
from fairlot.service.plan_document import ChangeAction
from fairlot.store import Store, open_store
from fairlot.store.sqlite import DATABASE_FILE
from fairlot.store.tenants import find_project

AIM_APPLY_S = 8.0
AIM_CHANGE_S = 4.0
SECRET = "a secret of the benchmark"  # noqa: S105
ANNA = Actor("local:bench", frozenset(Scope))
TABLES = ("experiments", "definitions", "revisions", "audit_records", "manifests")


def authoring() -> ModuleType:
    """The benchmark beside this one, which has the files."""
    path = Path(__file__).with_name("authoring.py")
    spec = importlib.util.spec_from_file_location("authoring", path)
    if spec is None or spec.loader is None:
        raise SystemExit(f"{path}: cannot be loaded")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def apply(store: Store, files: Sequence[SourceFile]) -> tuple[Applied, float]:
    started = time.process_time()
    with store.writing() as connection:
        tenant = find_project(connection, "default", "default")
        if tenant is None:
            raise SystemExit("no project")
        now_ms = time.time_ns() // 1_000_000
        applied = apply_files(connection, tenant, Asked(files), actor=ANNA, now_ms=now_ms)
    return applied, time.process_time() - started


def write_rows(source: Path) -> float:
    """The seconds that the rows alone take, in a copy of the empty tables."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(sqlite3.connect(source)) as written,
        closing(sqlite3.connect(Path(folder) / "copy.db")) as copy,
    ):
        copy.execute("PRAGMA journal_mode = WAL")
        copy.execute("PRAGMA synchronous = FULL")
        rows = {}
        for table in TABLES:
            query = "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?"
            copy.execute(written.execute(query, (table,)).fetchone()[0])
            rows[table] = written.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608
        copy.commit()
        started = time.process_time()
        for table, found in rows.items():
            marks = ", ".join("?" * len(found[0]))
            copy.executemany(f"INSERT INTO {table} VALUES ({marks})", found)  # noqa: S608
        copy.commit()
        return time.process_time() - started


def run_round(files: Sequence[SourceFile], read_s: float) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        store = open_store(Path(folder), SECRET)
        bootstrap(store)
        first, applied_s = apply(store, files)
        again, again_s = apply(store, files)
        store.close()
        rows_s = write_rows(Path(folder) / DATABASE_FILE)
    if first.version is None or again.version is not None:
        raise SystemExit("wrong answer")
    if any(change.action is not ChangeAction.NONE for change in again.changes):
        raise SystemExit("the second apply changed something")
    return {
        "read": read_s,
        "applied": applied_s,
        "planned, kept, published": applied_s - read_s,
        "applied again": again_s,
        "rows alone": rows_s,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    module = authoring()
    files = module.folder()
    module.read(files)
    found = []
    for _ in range(rounds):
        started = time.process_time()
        module.read(files)
        found.append(run_round(files, time.process_time() - started))
    medians = {name: statistics.median(each[name] for each in found) for name in found[0]}
    report(medians)


def report(medians: dict[str, float]) -> None:
    peer = medians["rows alone"]
    for name, median in medians.items():
        print(f"{name:25} {median:7.3f} s   {median / peer:7.1f} x the rows alone")
    applied, change = medians["applied"], medians["planned, kept, published"]
    again = medians["applied again"]
    print(verdict(f"applied in {AIM_APPLY_S:g} s", f"{applied:.2f} s", applied <= AIM_APPLY_S))
    is_soon = change <= AIM_CHANGE_S
    print(verdict(f"of it at most {AIM_CHANGE_S:g} s after reading", f"{change:.2f} s", is_soon))
    changed = again - medians["read"]
    print(verdict("again, after reading, a fifth", f"{changed:.2f} s", changed <= change / 5))


def verdict(aim: str, value: str, met: bool) -> str:
    return f"{'met   ' if met else 'MISSED'} 1,000 experiments {aim}: {value}"


if __name__ == "__main__":
    main()
