"""Results from a PostgreSQL of the user's, filled as docs/how-to/warehouse.md says."""

import hashlib
import re
import sys
from collections.abc import Iterator
from datetime import date
from functools import partial
from pathlib import Path

import msgspec
import psycopg
import pytest

from fairlot.engine.errors import FairlotError
from fairlot.service.results.engines import (
    NoWarehouse,
    ResultEngine,
    UnusableEngine,
    WarehouseUnusable,
    engine_named,
)
from fairlot.service.results.errors import ResultFailed
from fairlot.service.results.fixing import fixed_caps
from fairlot.service.results.questions import Moment, question_of
from fairlot.service.results.sharing import Results
from fairlot.stats.findings import FindingCode
from fairlot.stats.results import ExperimentResult
from fairlot.warehouse.lake import open_lake
from fairlot.warehouse.lake.columns import EventKind
from fairlot.warehouse.lake.exporting import ExportFormat, export_events
from fairlot.warehouse.queries import sql_of
from support.postgres import PASSWORD, Cluster
from support.two_arms import DAY_MS
from unit.service.results.test_resulting import FIRST_DAY_MS, Bench, bench

__all__ = ["bench"]
PAGE = Path(__file__).resolve().parents[4] / "docs" / "how-to" / "warehouse.md"
MOMENT = Moment(FIRST_DAY_MS + 30 * DAY_MS)
WRONG_COLUMNS = """ALTER TABLE exposures ALTER occurred_at TYPE TIMESTAMP, DROP COLUMN trust;
    ALTER TABLE conversions ALTER value TYPE TEXT"""
TOLD_OF_COLUMNS = (
    "exposures.occurred_at is a timestamp without time zone, and has to be a timestamp with time"
    " zone; exposures.trust is missing (a text); conversions.value is a text, and has to be a"
    " number; add or change the columns, or make views that have them, as in docs/how-to/warehouse"
)
SLOW = """ALTER TABLE conversions RENAME TO recorded;
    CREATE VIEW conversions AS SELECT recorded.* FROM recorded, pg_sleep(30)"""
ENDED = """ALTER TABLE conversions RENAME TO recorded; CREATE VIEW conversions AS
    SELECT recorded.* FROM recorded, pg_terminate_backend(pg_backend_pid())"""
WRITING = """CREATE FUNCTION written() RETURNS BIGINT LANGUAGE sql AS
        'INSERT INTO identities (event_id) VALUES (''x'') RETURNING 1::bigint';
    ALTER TABLE conversions RENAME TO recorded;
    CREATE VIEW conversions AS SELECT recorded.* FROM recorded, written()"""


@pytest.fixture
def warehouse(bench: Bench, postgres: Cluster, tmp_path: Path) -> Iterator[str]:
    """Its URL; the events are those of the bench."""
    bench.arms((600, 240), (600, 360))
    create, *others = re.findall(r"```sql\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    loads = re.findall(r"\\copy (\w+) FROM '(\S+)' (\(.+\))", " ".join(others))
    assert [kind for kind, _, _ in loads] == [*EventKind]
    with postgres.new_database() as url, psycopg.connect(url, autocommit=True) as connection:
        connection.execute(create.encode())
        for kind, name, options in loads:
            path = tmp_path / name
            with open_lake(bench.events_dir, bench.tenant.id) as lake:
                since, until = date(2000, 1, 1), date(2100, 1, 1)
                file = EventKind(kind), path, ExportFormat.CSV
                export_events(lake, *file, since=since, until=until, with_private=True)
            with connection.cursor().copy(f"COPY {kind} FROM STDIN {options}".encode()) as copy:
                copy.write(path.read_bytes())
        yield url


def asked(bench: Bench, url: str | None, engine: ResultEngine) -> ExperimentResult:
    results = Results(warehouse_url=url)
    try:
        place = bench.store, bench.tenant, "hero", bench.events_dir
        return results.result(*place, MOMENT, None, engine)
    finally:
        results.close()


def run(url: str, statements: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statements.encode())


@pytest.mark.postgres
def test_result__of_the_same_events_in_postgresql__is_the_same_and_nothing_is_kept(
    bench: Bench, warehouse: str
) -> None:
    there = asked(bench, warehouse, ResultEngine.POSTGRES)
    assert bench.looks() == {}
    with bench.store.reading() as connection:
        assert fixed_caps(connection, bench.tenant, "hero") == {}
        asked_about = partial(question_of, now_ms=MOMENT.now_ms)
        question = asked_about(connection, bench.tenant, "hero")
    here = asked(bench, None, ResultEngine.DUCKDB)
    assert (here.engine, there.engine) == ("duckdb", "postgres")
    # 60 of each arm a day: of the first day alone there is no look.
    assert len(there.metrics[0].comparisons[0].looks) == 9
    assert _rounded(there.metrics) == _rounded(here.metrics)
    assert (there.arms, there.srm, there.verdict) == (here.arms, here.srm, here.verdict)
    assert [each.code for each in there.findings] == [
        *(each.code for each in here.findings),
        FindingCode.NOT_CHECKED,
    ]
    # `fairlot sql --engine postgres` prints what was run.
    written = sql_of(question, "postgres").encode()
    assert there.query_sha256 == hashlib.sha256(written).hexdigest()


def _rounded(metrics: object) -> object:
    """Engines add up in another order."""

    def rounded(value: object) -> object:
        if isinstance(value, float):
            return float(f"{value:.9g}")
        if isinstance(value, dict):
            return {name: rounded(each) for name, each in value.items()}
        return [rounded(each) for each in value] if isinstance(value, list) else value

    return rounded(msgspec.to_builtins(metrics))


@pytest.mark.postgres
def test_result__tables_of_another_schema__are_found_by_the_url(
    bench: Bench, warehouse: str
) -> None:
    run(warehouse, "CREATE SCHEMA shop; ALTER TABLE exposures SET SCHEMA shop")
    with pytest.raises(WarehouseUnusable) as refused:
        asked(bench, warehouse, ResultEngine.POSTGRES)
    place = warehouse.replace(f":{PASSWORD}", "")
    assert str(refused.value) == (
        f'FAIRLOT_WAREHOUSE_URL: {place}: has no table exposures in its search_path ("$user",'
        " public); make what is missing, empty where there are no such events, as"
        " docs/how-to/warehouse.md has it, or name the schema in the URL:"
        " ?options=-csearch_path%3DSCHEMA"
    )
    named = f"{warehouse}?options=-csearch_path%3Dshop,public"
    result = asked(bench, named, ResultEngine.POSTGRES)
    assert sum(arm.exposed for arm in result.arms) == 1_200


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("spoiled", "error", "told"),
    [
        (WRONG_COLUMNS, WarehouseUnusable, TOLD_OF_COLUMNS),
        (SLOW, ResultFailed, "statement timeout; nothing was changed, so ask again, or give it"),
        (ENDED, ResultFailed, "due to administrator command; nothing was changed, so ask again"),
        (WRITING, ResultFailed, "cannot execute INSERT in a read-only transaction"),
        (
            "ALTER TABLE conversions OWNER TO super",
            ResultFailed,
            "PostgreSQL did not answer the query: permission denied for table conversions;",
        ),
    ],
    ids=["columns", "slow", "ended", "writing", "forbidden"],
)
def test_result__warehouse_that_cannot_answer__says_why_and_what_to_do(
    bench: Bench,
    warehouse: str,
    postgres: Cluster,
    spoiled: str,
    error: type[FairlotError],
    told: str,
) -> None:
    database = warehouse.rpartition("/")[2]
    postgres.administer(spoiled, database=database)
    if "VIEW" in spoiled:
        postgres.administer("GRANT ALL ON conversions TO public", database=database)
    url = f"{warehouse}?options=-cstatement_timeout%3D1500ms"
    with pytest.raises(error) as refused:
        asked(bench, url, ResultEngine.POSTGRES)
    assert told in str(refused.value)
    assert PASSWORD not in str(refused.value)


def test_result__nobody_listens_there__says_where_without_the_password(bench: Bench) -> None:
    with pytest.raises(WarehouseUnusable, match="start the server, make the database") as refused:
        asked(bench, f"postgresql://me:{PASSWORD}@127.0.0.1:1/events", ResultEngine.POSTGRES)
    assert "postgresql://me@127.0.0.1:1/events: cannot be opened" in str(refused.value)
    assert PASSWORD not in str(refused.value)


def test_result__url_that_libpq_cannot_read__is_not_shown(bench: Bench) -> None:
    with pytest.raises(WarehouseUnusable, match=r"\(not shown\): is no URL that libpq can read"):
        asked(bench, f"postgresql://me:{PASSWORD}@host/events?mode=x", ResultEngine.POSTGRES)


def test_result__no_driver__names_the_extra(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.delitem(sys.modules, "fairlot.service.results.warehouses", raising=False)
    with pytest.raises(WarehouseUnusable, match=r"pip install 'fairlot\[server,postgres\]'"):
        asked(bench, "postgresql://host/events", ResultEngine.POSTGRES)


def test_result__no_warehouse_is_set__names_the_setting(bench: Bench) -> None:
    with pytest.raises(NoWarehouse, match=r"engine: 'postgres': no warehouse is set; set wareh"):
        asked(bench, None, ResultEngine.POSTGRES)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("postgre", "engine: 'postgre': did you mean postgres?"),
        ("mysql", "engine: 'mysql': known: duckdb, postgres"),
        ("spark", "is asked from Python, with a session of yours: answer(SparkEngine(session)"),
        (
            "bigquery",
            "run what `fairlot sql` prints by --engine bigquery; results are made by duckdb",
        ),
    ],
)
def test_engine_named__one_that_makes_no_results__says_what_to_do(name: str, told: str) -> None:
    with pytest.raises(UnusableEngine) as refused:
        engine_named(name)
    assert told in str(refused.value)
    assert engine_named("postgresql") is ResultEngine.POSTGRES
