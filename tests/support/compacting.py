"""Compactions in processes that can be killed. They are forked, as importing DuckDB takes longer
than a compaction."""

import time
from multiprocessing import get_context
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from fairlot.warehouse.lake import compact
from fairlot.warehouse.lake.joining import join_files

_DAY_MS = 86_400_000
_context = get_context("forkserver")
_context.set_forkserver_preload(["duckdb", "support.compacting"])


def compaction(directory: Path, rows_at_once: int) -> ForkServerProcess:
    """Starts to compact, and to join files as if it were tomorrow."""
    process = _context.Process(target=_work, args=(directory, rows_at_once), daemon=True)
    process.start()
    return process


def _work(directory: Path, rows_at_once: int) -> None:
    compact(directory, rows_at_once=rows_at_once)
    join_files(directory, now_ms=time.time_ns() // 1_000_000 + _DAY_MS)


def half_written(directory: Path) -> list[Path]:
    return list(directory.glob("project=*/*/date=*/.*.partial"))
