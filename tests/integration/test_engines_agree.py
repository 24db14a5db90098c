"""200,000 subjects, the same in every engine: the same statistics to nine digits.

On DuckDB and PostgreSQL, and by `make test-spark` on Spark too.
"""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from fairlot.stats.metrics import Aggregate, EventTotal, Metric, MetricKind, Winsorisation
from fairlot.stats.sufficient import MetricDay, Sufficient
from fairlot.warehouse.queries import DuckDbEngine, PostgresEngine, SparkEngine, answer
from support.event_tables import BOUGHT, COLUMNS, DAY, ORDERS, REVENUE, START, VALUE, question
from support.postgres import Cluster

pytestmark = [pytest.mark.slow, pytest.mark.postgres]

SUBJECTS = 200_000
CAPPED = replace(REVENUE, key="capped", winsorisation=Winsorisation(quantile=0.999))
LARGE = EventTotal("purchase", Aggregate.COUNT, {"size": {"$gt": 3}})
MEDIAN = Metric("median", "Median", MetricKind.QUANTILE, REVENUE.numerator, quantile=0.5)
ASKED = question(
    BOUGHT, VALUE, CAPPED, replace(ORDERS, numerator=LARGE), MEDIAN, time_zone="America/New_York"
)
EXPOSURES = f"""
    SELECT 'x' || i AS event_id, 'prj_1' AS project_id, 's' || s AS subject_id,
        make_timestamptz(({START} + (hash(s) % {20 * DAY})::BIGINT
            + CASE WHEN i < {SUBJECTS} THEN 0 ELSE 60000 END) * 1000) AS occurred_at,
        occurred_at AS received_at, CASE WHEN hash(s) % 97 = 0 THEN 'bot' ELSE 'human' END AS actor,
        CASE WHEN hash(s) % 89 = 0 THEN 'public' ELSE 'server' END AS trust, NULL AS source,
        'web' AS sender_id, NULL AS properties, 'exp_1' AS experiment_id,
        'banner' AS experiment_key, 's' || s AS unit_id,
        CASE WHEN hash(s + (i >= {SUBJECTS} AND s % 50 = 0)::INTEGER) % 2 = 0
            THEN 'control' ELSE 'blue' END AS variant_key,
        1 AS manifest_version, CASE WHEN hash(s) % 61 = 0 THEN 'divert' ELSE 'bucket' END AS reason,
        NULL AS device
    FROM (SELECT i, i % {SUBJECTS} AS s FROM range({SUBJECTS * 115 // 100}) r(i))
"""  # noqa: S608 - ours
CONVERSIONS = f"""
    SELECT 'c' || i AS event_id, 'prj_1' AS project_id,
        CASE WHEN s % 20 = 0 THEN 'u' || s ELSE 's' || s END AS subject_id,
        make_timestamptz(({START} + (hash(s) % {20 * DAY})::BIGINT
            + (hash(i) % {16 * DAY})::BIGINT - {6 * DAY}) * 1000) AS occurred_at,
        occurred_at AS received_at, 'human' AS actor, 'server' AS trust, NULL AS source,
        'till' AS sender_id, '{{"size": ' || (i % 7) || '}}' AS properties,
        CASE WHEN i % 3 = 0 THEN 'other' ELSE 'purchase' END AS event_name,
        (hash(i * 3) % 100000)::DOUBLE / 100 AS value
    FROM (SELECT i, (hash(i * 7) % {SUBJECTS})::BIGINT AS s
        FROM range({SUBJECTS * 3 // 4}) r(i))
"""  # noqa: S608 - ours
IDENTITIES = f"""
    SELECT 'i' || s AS event_id, 'prj_1' AS project_id, 's' || s AS subject_id,
        make_timestamptz({START}::BIGINT * 1000) AS occurred_at, occurred_at AS received_at,
        'human' AS actor, 'server' AS trust, NULL AS source, 'web' AS sender_id,
        NULL AS properties, 'u' || s AS user_id
    FROM range(0, {SUBJECTS}, 20) r(s)
"""  # noqa: S608 - ours


@pytest.fixture(scope="module")
def lake() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'; SET threads = 2")
        queries = {"exposures": EXPOSURES, "conversions": CONVERSIONS, "identities": IDENTITIES}
        for name, query in queries.items():
            typed = ", ".join(f"{each}::{kind} AS {each}" for each, kind in COLUMNS[name].items())
            connection.execute(f"CREATE TABLE {name} AS SELECT {typed} FROM ({query})")  # noqa: S608
        yield connection


@pytest.fixture(scope="module")
def embedded(lake: duckdb.DuckDBPyConnection) -> Sufficient:
    return answer(DuckDbEngine(lake), ASKED)


def assert_same(found: Sufficient, wanted: Sufficient) -> None:
    assert len(wanted.rows) == 42 and sum(row.exposed for row in wanted.rows) > 0.9 * SUBJECTS
    assert found.excluded == wanted.excluded and len(wanted.excluded) >= 4
    assert (found.not_human, found.skewed) == (wanted.not_human, wanted.skewed)
    assert found.caps == pytest.approx(wanted.caps, rel=1e-9)
    mine, theirs = _by_group(found), _by_group(wanted)
    assert mine.keys() == theirs.keys()
    for group, row in theirs.items():
        assert mine[group].grids == row.grids
        for key, metric in row.metrics.items():
            assert _numbers(mine[group].metrics[key]) == pytest.approx(
                _numbers(metric), rel=1e-9, abs=1e-9
            )


def _by_group(found: Sufficient) -> dict[Any, Any]:
    return {(row.variant_key, row.day): row for row in found.rows}


def _numbers(metric: MetricDay) -> list[float]:
    moments = metric.moments
    counts = [moments.n, metric.converted, metric.capped]
    return [*counts, *moments.means, *moments.products, *moments.cubes]


def test_postgres__the_same_events__the_same_statistics(
    lake: duckdb.DuckDBPyConnection, embedded: Sufficient, postgres: Cluster, tmp_path: Path
) -> None:
    with postgres.new_database() as url, psycopg.connect(url) as connection:
        for name, columns in COLUMNS.items():
            listed = ", ".join(f"{each} {kind}" for each, kind in columns.items())
            connection.execute(f"CREATE TABLE {name} ({listed})".encode())
            lake.execute(f"COPY {name} TO '{tmp_path / name}.csv' (HEADER false)")
            with connection.cursor().copy(f"COPY {name} FROM STDIN (FORMAT csv)".encode()) as copy:
                copy.write((tmp_path / f"{name}.csv").read_bytes())
        connection.execute("SET work_mem = '128MB'")
        connection.execute("ANALYZE")
        assert_same(answer(PostgresEngine(connection), ASKED), embedded)


if os.environ.get("TESTS_SPARK"):

    def test_spark__the_same_events__the_same_statistics(
        lake: duckdb.DuckDBPyConnection, embedded: Sufficient, tmp_path: Path
    ) -> None:
        from support.spark import local_session

        with local_session() as session:
            for name in COLUMNS:
                lake.execute(f"COPY {name} TO '{tmp_path / name}.parquet'")
                rows = session.read.parquet(str(tmp_path / f"{name}.parquet"))
                rows.createOrReplaceTempView(name)
            assert_same(answer(SparkEngine(session), ASKED), embedded)
