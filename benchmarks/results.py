"""How long it takes from raw events to the sufficient statistics of an experiment.

    python benchmarks/results.py [--subjects 10000000] [--threads 2] [--memory 1500MB]

So many subjects are exposed over 28 days, some twice (1.15 exposures a subject), and have 0.75
conversions each, before and after. Asked are a conversion, a revenue whose cap is found on the way,
and a count, with their covariates. It is measured on Parquet in DuckDB, in a process of its own of
which the peak of memory is told too; at a million also in PostgreSQL, which has to find the same.
"""

import sys

# This folder holds an http.py, which must not hide the standard library's.
sys.path[:] = [entry for entry in sys.path if not entry.endswith("benchmarks")]

import argparse
import resource
import subprocess
import tempfile
import time
from pathlib import Path

import duckdb

sys.path.append(str(Path(__file__).parents[1] / "tests"))

import psycopg

from fairlot.stats.metrics import Aggregate, EventTotal, Metric, MetricKind, Winsorisation
from fairlot.stats.sufficient import ANY_VERSION, Arm, Phase, Question, Sufficient
from fairlot.warehouse.queries import DuckDbEngine, PostgresEngine, answer
from support.postgres import PostgresMissing, new_cluster, shared_directory, stop_cluster

MILLION = 1_000_000
AIMS_S = {10 * MILLION: 20.0, MILLION: 3.0}
AIM_MB = 2_000
START_MS = 1_760_000_000_000
DAY_MS = 86_400_000
DAYS = 28
EXPOSURES = """
    SELECT 'prj_1' AS project_id, 'exp_1' AS experiment_id, 'banner' AS experiment_key,
        id AS subject_id, id AS unit_id,
        CASE WHEN hash(s) % 2 = 0 THEN 'control' ELSE 'blue' END AS variant_key,
        5::BIGINT AS manifest_version, CASE WHEN i < {n} THEN 'bucket' ELSE 'sticky' END AS reason,
        make_timestamptz(({start} + (hash(s * 7) % {span})::BIGINT
            + CASE WHEN i < {n} THEN 0 ELSE 86400000 END::BIGINT) * 1000) AS occurred_at,
        'human' AS actor, 'server' AS trust, NULL::VARCHAR AS source, 'desktop' AS device,
        'sender-' || (i % 8) AS sender_id, NULL::VARCHAR AS properties
    FROM (SELECT *, md5(s::VARCHAR)[:22] AS id
        FROM (SELECT i, CASE WHEN i < {n} THEN i ELSE (i * 17) % {n} END AS s
            FROM range(({n} * 1.15)::BIGINT) r(i)))
"""
CONVERSIONS = """
    SELECT uuid()::VARCHAR AS event_id, 'prj_1' AS project_id,
        md5(s::VARCHAR)[:22] AS subject_id,
        ['purchase', 'add_to_cart', 'page_view'][(i % 3 + 1)::INTEGER] AS event_name,
        CASE WHEN i % 3 = 0 THEN exp(3 + 2 * random()) END AS value,
        make_timestamptz(({start} + (hash(s * 7) % {span})::BIGINT
            + (hash(i) % 1209600000)::BIGINT - 432000000) * 1000) AS occurred_at,
        make_timestamptz(({start} + i) * 1000) AS received_at,
        'human' AS actor, 'server' AS trust, NULL::VARCHAR AS source,
        'sender-' || (i % 8) AS sender_id, NULL::VARCHAR AS properties
    FROM (SELECT i, (hash(i * 31 + 5) % {n}::BIGINT)::BIGINT AS s
        FROM range(({n} * 0.75)::BIGINT) r(i))
"""
IDENTITIES = (
    "CREATE TABLE identities (event_id VARCHAR, project_id VARCHAR, subject_id VARCHAR,"
    " user_id VARCHAR, occurred_at TIMESTAMPTZ, received_at TIMESTAMPTZ, actor VARCHAR,"
    " trust VARCHAR, properties VARCHAR)"
)
PURCHASE = "purchase"
METRICS = (
    Metric("bought", "Bought", MetricKind.CONVERSION, EventTotal(PURCHASE, Aggregate.ANY)),
    Metric(
        "revenue",
        "Revenue",
        MetricKind.SUM,
        EventTotal(PURCHASE, Aggregate.SUM),
        winsorisation=Winsorisation(quantile=0.999),
    ),
    Metric("carts", "Carts", MetricKind.COUNT, EventTotal("add_to_cart", Aggregate.COUNT)),
)
QUESTION = Question(
    project_id="prj_1",
    experiment_id="exp_1",
    experiment_key="banner",
    phases=(Phase(0, 0, ANY_VERSION, (Arm("control", True, 0.5), Arm("blue", False, 0.5))),),
    metrics=METRICS,
    started_at_ms=START_MS,
    as_of_ms=START_MS + 40 * DAY_MS,
)


def plant(directory: Path, subjects: int) -> None:
    """The events as Parquet."""
    with duckdb.connect() as connection:
        connection.execute("SET memory_limit = '4GB'; SET preserve_insertion_order = false")
        connection.execute("SET TimeZone = 'UTC'")
        for name, query in (("exposures", EXPOSURES), ("conversions", CONVERSIONS)):
            written = query.format(n=subjects, start=START_MS, span=DAYS * DAY_MS)
            connection.execute(f"COPY ({written}) TO '{directory / name}.parquet'")


def opened(directory: Path, threads: int, memory: str) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(f"SET threads = {threads}; SET memory_limit = '{memory}'")
    connection.execute(f"SET temp_directory = '{directory}/spill'; SET TimeZone = 'UTC'")
    connection.execute("SET preserve_insertion_order = false")
    for name in ("exposures", "conversions"):
        source = f"SELECT * FROM '{directory / name}.parquet'"  # noqa: S608 - a path of ours
        connection.execute(f"CREATE VIEW {name} AS {source}")
    connection.execute(IDENTITIES)
    return connection


def answered(directory: Path, threads: int, memory: str) -> Sufficient:
    with opened(directory, threads, memory) as connection:
        return answer(DuckDbEngine(connection), QUESTION)


def timed(directory: Path, threads: int, memory: str) -> None:
    """In this process: prints the seconds, those of the processors, and the peak of memory in
    megabytes."""
    begun, cpu = time.perf_counter(), time.process_time()
    answered(directory, threads, memory)
    took, cpu = time.perf_counter() - begun, time.process_time() - cpu
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{took:.2f} {cpu:.2f} {peak_mb:.0f}")


def measure(subjects: int, threads: int, memory: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        plant(directory, subjects)
        words = [sys.executable, __file__, "--answer", name]
        words += ["--threads", str(threads), "--memory", memory]
        said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
        took, cpu, peak_mb = map(float, said.split())
        aim = AIMS_S.get(subjects)
        aims = "" if aim is None else f" (aim: {aim:.0f} s, {AIM_MB:,} MB)"
        print(
            f"DuckDB, {subjects:,} subjects, {threads} threads: {took:.1f} s"
            f" ({cpu:.1f} s of CPU), peak {peak_mb:,.0f} MB{aims}"
        )
        if subjects == MILLION:
            beside_postgres(directory, threads, memory, took)


def beside_postgres(directory: Path, threads: int, memory: str, took: float) -> None:
    shared = shared_directory()
    try:
        cluster = new_cluster(shared / "cluster")
    except PostgresMissing as missing:
        print(f"PostgreSQL: {missing}")
        return
    try:
        with cluster.new_database() as url, psycopg.connect(url, autocommit=True) as connection:
            copy(directory, connection)
            connection.execute("SET work_mem = '256MB'")
            begun = time.perf_counter()
            found = answer(PostgresEngine(connection), QUESTION)
            other = time.perf_counter() - begun
    finally:
        stop_cluster(cluster)
    same = answered(directory, threads, memory).rows
    print(f"PostgreSQL, the same: {other:.1f} s, {other / took:.0f} times as long")
    print(f"the same exposures in each group: {exposed(same) == exposed(found.rows)}")


def exposed(rows: tuple) -> set:  # type: ignore[type-arg]
    return {(row.variant_key, row.day, row.exposed) for row in rows}


def copy(directory: Path, target: psycopg.Connection) -> None:
    with opened(directory, 1, "2GB") as source:
        for name in ("exposures", "conversions"):
            columns = source.execute(f"DESCRIBE {name}").fetchall()
            kinds = {"DOUBLE": "DOUBLE PRECISION", "VARCHAR": "TEXT"}
            listed = ", ".join(
                f"{column[0]} {kinds.get(column[1], column[1])}" for column in columns
            )
            listed = listed.replace("TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ")
            target.execute(f"CREATE TABLE {name} ({listed})".encode())
            path = directory / f"{name}.csv"
            source.execute(f"COPY {name} TO '{path}' (HEADER false)")
            with (
                target.cursor().copy(f"COPY {name} FROM STDIN (FORMAT csv)".encode()) as taken,
                path.open("rb") as lines,
            ):
                while chunk := lines.read(1 << 20):
                    taken.write(chunk)
            path.unlink()
    target.execute(IDENTITIES.encode())
    target.execute(b"ANALYZE")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subjects", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory", default="1500MB")
    parser.add_argument("--answer", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.answer is not None:
        timed(asked.answer, asked.threads, asked.memory)
        return
    for subjects in [asked.subjects] if asked.subjects else [MILLION, 10 * MILLION]:
        measure(subjects, asked.threads, asked.memory)


if __name__ == "__main__":
    main()
