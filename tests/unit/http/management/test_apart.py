"""What reads all events of an experiment may take minutes, and PostgreSQL ends a transaction that
idles for one: so none is open meanwhile."""

import sqlite3
from contextlib import closing
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

import psycopg
import pytest

from fairlot.store import Store
from fairlot.store.sqlite import DATABASE_FILE
from fairlot.store.tenants import raise_generation, read_generation
from fairlot.warehouse.lake import write_events
from support.applying import apply_texts, tenant_of
from support.control import control_bench
from support.serving import NOW_MS
from support.two_arms import DAY_MS, Place, exposed

HERO = """key: hero
name: Hero
metrics: [{key: bought, kind: conversion, eventName: order}]
variants: [{key: a, name: Old}, {key: b, name: New}]
"""
EXPERIMENT = "/api/v1/orgs/default/projects/default/experiments/hero"
LONG = {
    "results": "fairlot.service.results.sharing.open_lake_source",
    "aggregate": "fairlot.service.results.sharing.open_lake_source",
    "doctor": "fairlot.service.results.sharing.open_lake_source",
    "replay": "fairlot.service.replay.asking.open_lake",
    "sql": "fairlot.warehouse.queries.sql_of",
}
"""What takes long of each route."""


@pytest.mark.parametrize("route", LONG)
def test_route_apart__while_it_works__holds_no_transaction(
    tmp_path: Path, database_url: str | None, monkeypatch: pytest.MonkeyPatch, route: str
) -> None:
    seen: list[bool] = []
    long = resolve_name(LONG[route])
    with control_bench(tmp_path, database_url, events_dir=tmp_path / "events") as bench:
        apply_texts(bench.store, HERO, now_ms=NOW_MS)
        bench.clock.now_ms += DAY_MS

        def watched(*arguments: Any, **keywords: Any) -> Any:
            seen.append(is_held(bench.store, tmp_path / "data", database_url))
            return long(*arguments, **keywords)

        monkeypatch.setattr(LONG[route], watched)
        answer = bench.get(f"{EXPERIMENT}/{route}", "reader")
    assert (answer.status, seen) == (200, [False]), answer.json


def test_is_held__within_a_transaction_and_after_it__tells(
    tmp_path: Path, database_url: str | None
) -> None:
    with control_bench(tmp_path, database_url) as bench:
        place = bench.store, tmp_path / "data", database_url
        with bench.store.reading() as connection:
            read_generation(connection)
            assert is_held(*place)
        assert not is_held(*place)


def is_held(store: Store, data_dir: Path, database_url: str | None) -> bool:
    """Whether a transaction over the store is open: of SQLite one that keeps a checkpoint from
    taking in what was written since."""
    if database_url is not None:
        with psycopg.connect(database_url) as connection:
            row = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'"
            ).fetchone()
        return row != (0,)
    with store.writing() as writing:
        raise_generation(writing)
    with closing(sqlite3.connect(data_dir / DATABASE_FILE, timeout=0)) as file:
        (is_busy, _, _) = file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return bool(is_busy)


@pytest.mark.parametrize("version", [9_007_199_254_740_991, 99])
def test_replay__version_that_was_never_published__is_told(
    tmp_path: Path, database_url: str | None, version: int
) -> None:
    """Also one that is more than the column of the store holds."""
    with control_bench(tmp_path, database_url, events_dir=tmp_path / "events") as bench:
        apply_texts(bench.store, HERO, now_ms=NOW_MS)
        with bench.store.reading() as connection:
            place = Place(tenant_of(connection).id, "exp_1")
        write_events(tmp_path / "events", [exposed("s", "a", NOW_MS, place, version=version)])
        answer = bench.get(f"{EXPERIMENT}/replay", "reader")
    assert (answer.status, answer.json.get("causes")) == (200, {"version_never_published": 1})
