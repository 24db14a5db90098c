"""The SQL of each dialect, and what happens where no query can be made or answered."""

import re
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
import sqlglot

from fairlot.stats.metrics import Aggregate, EventTotal, Metric, MetricKind, Winsorisation
from fairlot.stats.moments import Moments
from fairlot.stats.sufficient import Question, View
from fairlot.warehouse.queries import (
    DIALECTS,
    DuckDbEngine,
    PostgresEngine,
    QueryFailed,
    UnknownDialect,
    UnusableQuestion,
    answer,
    per_subject,
    sql_of,
    steps,
)
from fairlot.warehouse.queries.dialects import dialect_named
from fairlot.warehouse.queries.engines import Row
from fairlot.warehouse.queries.statement import cell_statement, group_statement
from fairlot.warehouse.queries.steps import Statement
from support.event_tables import BOUGHT, ORDERS, REVENUE, START, VALUE, Events, phase, question
from support.postgres import Cluster

TESTS = Path(__file__).parents[2]
MEDIAN = Metric("median", "Median", MetricKind.QUANTILE, REVENUE.numerator, quantile=0.5)
CAPPED = replace(REVENUE, key="capped", winsorisation=Winsorisation(quantile=0.999))
LARGE = EventTotal("purchase", Aggregate.COUNT, {"items.count": {"$gte": 3}, "kind": "gift"})
ALL = question(BOUGHT, VALUE, MEDIAN, CAPPED, replace(ORDERS, numerator=LARGE), segment_by="device")


def compiled() -> int:
    return steps._sql_of.cache_info().misses


@pytest.mark.parametrize(
    "following",
    [
        replace(ALL, as_of_ms=ALL.as_of_ms + 60_000),
        replace(ALL, view=View.SO_FAR),
        replace(ALL, caps={"capped": 12.5}),
    ],
    ids=["later", "so far", "with a cap"],
)
def test_sql__next_question_of_an_experiment__compiles_what_has_changed(
    following: Question,
) -> None:
    steps._sql_of.cache_clear()
    sql_of(ALL, "duckdb")
    first = compiled()
    sql = sql_of(following, "duckdb")
    assert 0 < compiled() - first < first / 2
    steps._sql_of.cache_clear()
    assert sql_of(following, "duckdb") == sql


@pytest.mark.parametrize("name", DIALECTS)
def test_sql__every_dialect__is_its_syntax(name: str) -> None:
    first, second = sqlglot.parse(sql_of(ALL, name), dialect=DIALECTS[name].ibis)
    for statement in (first, second):
        assert statement is not None
        settings = [each.sql() for each in statement.args.get("settings") or ()]
        assert settings == (["join_use_nulls = 1"] if name == "clickhouse" else [])
        assert not list(statement.find_all(sqlglot.exp.Command))
        read = {table.name for table in statement.find_all(sqlglot.exp.Table)}
        assert {"exposures", "conversions", "identities"} <= read
        assert all(name.startswith("fairlot_") for name in read - {"exposures", "conversions",
                   "identities"} if name[:1] != "t")  # fmt: skip


@pytest.mark.parametrize("name", DIALECTS)
def test_sql__hostile_texts__are_in_literals_only(name: str) -> None:
    texts = [
        *("it's", 'a"b', "a`b"),
        "a\\", "a\\'b", 'a\\"b', "a;b", "a--b", "a/*b", "a%sb", "a\nb", "a" * 9
    ]  # fmt: skip
    plain = {f"p{number}": f"v{number}" for number in range(len(texts))}
    shapes = []
    for where in (plain, {text: text for text in texts}):
        sql = sql_of(
            question(replace(BOUGHT, numerator=EventTotal("e", Aggregate.ANY, where))), name
        )
        (statement,) = sqlglot.parse(sql, dialect=DIALECTS[name].ibis)
        assert statement is not None
        for literal in statement.find_all(sqlglot.exp.Literal, sqlglot.exp.JSONPath):
            literal.replace(sqlglot.exp.Placeholder())
        shapes.append(statement.sql())
    assert shapes[0] == shapes[1]


def test_sql__the_same_question__is_the_same_text_in_every_process() -> None:
    asked = (
        "from unit.warehouse.test_queries import ALL; from fairlot.warehouse.queries import sql_of;"
        " print(sql_of(ALL, 'duckdb'))"
    )
    printed = [
        subprocess.run(
            [sys.executable, "-c", asked],
            cwd=TESTS,
            env={"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert printed[0] == printed[1]
    assert printed[0].decode().rstrip() == sql_of(ALL, "duckdb")


def test_sql__unknown_dialect__lists_the_known() -> None:
    with pytest.raises(UnknownDialect, match=r"'oracle' is no dialect.*duckdb, postgres"):
        sql_of(ALL, "oracle")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"as_of_ms": START}, "asOf: lies before the start"),
        ({"phases": ()}, "phases: 0 of them"),
        ({"segment_by": "url"}, "segment: 'url' splits nothing"),
        ({"time_zone": "Mars/Olympus"}, "timeZone: 'Mars/Olympus' is no time zone"),
        (
            {"phases": (phase(0, 0, 9, *(f"v{number}" for number in range(256))),)},
            "variants: 256 in all phases; 255 can be told",
        ),
    ],
)
def test_question__without_a_query__says_what_is_wrong(changes: dict, says: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(UnusableQuestion, match=says):
        sql_of(replace(ALL, **changes), "duckdb")


@pytest.mark.parametrize("where", [{"p": {"$regex": "a"}}, {"p": {"q": 1}}, {"$nor": []}])
def test_where__outside_the_subset__is_refused(where: dict) -> None:  # type: ignore[type-arg]
    metric = replace(ORDERS, numerator=EventTotal("purchase", Aggregate.COUNT, where))
    with pytest.raises(UnusableQuestion, match="where: "):
        sql_of(question(metric), "duckdb")


def test_engine__without_the_tables__says_so() -> None:
    engine = Events().in_duckdb()
    engine.fetch("DROP TABLE conversions")
    with pytest.raises(QueryFailed, match=r"DuckDB did not answer the query: .*conversions"):
        answer(engine, question(ORDERS))


@pytest.mark.postgres
def test_engine__several_statements__are_refused(postgres: Cluster) -> None:
    twice = "SELECT 1; SELECT 2"
    with pytest.raises(QueryFailed, match="more than one statement"):
        Events().in_duckdb().fetch(twice)
    with postgres.new_database() as url, psycopg.connect(url) as connection:
        engine = PostgresEngine(connection)
        assert engine.fetch("SELECT 'a'::text, 1.5::float8, 2::bigint, NULL") == [
            ("a", 1.5, 2, None)
        ]
        with pytest.raises(QueryFailed, match="multiple commands"):
            engine.fetch(twice)


def test_engine__interrupted__can_be_asked_again() -> None:
    engine = Events().exposed("a", "control").in_duckdb()
    endless = "SELECT count(*) FROM range(1000000000) a, range(1000000) b WHERE a.range % 7 = 3"
    ended = threading.Event()

    def interrupt() -> None:
        while not ended.wait(0.2):  # again, as one before the query has begun is lost
            engine._connection.interrupt()

    interrupting = threading.Thread(target=interrupt)
    interrupting.start()
    with pytest.raises(QueryFailed, match=r"[Ii]nterrupt"):
        engine.fetch(endless)
    ended.set()
    interrupting.join()
    assert answer(engine, question(ORDERS)).rows[0].exposed == 1


def test_subjects__one_by_one__have_the_moments_of_their_group() -> None:
    events = Events()
    for number in range(40):
        events.exposed(f"s{number}", "control")
        for each in range(number % 4):
            events.did(f"s{number}", "purchase", each, 1.5 * number + each)
    engine, asked = events.in_duckdb(), question(VALUE, CAPPED)
    (row,) = answer(engine, asked).rows
    found = per_subject(engine, asked)
    for metric in asked.metrics:
        columns = found.columns[metric.key][found.taken[metric.key]]
        apart = columns - columns.mean(axis=0)
        k = columns.shape[1]
        moments = row.metrics[metric.key].moments
        assert isinstance(moments, Moments) and moments.n == 40
        assert moments.means == pytest.approx(columns.mean(axis=0).tolist(), rel=1e-12)
        products = [(apart[:, i] * apart[:, j]).sum() for i in range(k) for j in range(i, k)]
        assert moments.products == pytest.approx(products, rel=1e-12, abs=1e-9)
        assert moments.cubes[0] == pytest.approx((apart[:, 0] ** 3).sum(), rel=1e-9)


class NullingEngine(DuckDbEngine):
    """Makes a null of each total of 2, as an engine may that has types of its own."""

    def fetch(self, sql: str) -> list[Row]:
        nulled, count = re.subn(r'("t\d+"\."after0") AS "y0"', r'NULLIF(\1, 2) AS "y0"', sql)
        assert count == 1
        return super().fetch(nulled)


def test_answer__null_where_a_number_must_be__is_refused_and_not_skipped() -> None:
    events = Events().exposed("a", "control").exposed("b", "control").did("a", "purchase", 1)
    connection = events.in_duckdb()._connection
    asked = question(ORDERS)
    assert answer(NullingEngine(connection), asked) == answer(DuckDbEngine(connection), asked)
    again = "INSERT INTO conversions SELECT * REPLACE ('again' AS event_id) FROM conversions"
    connection.execute(again)
    with pytest.raises(QueryFailed, match="a null where each must have a number"):
        answer(NullingEngine(connection), asked)


NULLED = question(REVENUE, VALUE, replace(CAPPED, window_ms=86_400_000), MEDIAN)


class HolesEngine(DuckDbEngine):
    """Leaves one column null, where it has a number."""

    hole = ""

    def run(self, statement: Statement) -> list[Row]:
        return [
            tuple(
                None if name == self.hole else value
                for name, value in zip(statement.columns, row, strict=True)
            )
            for row in super().run(statement)
        ]


def columns_of(asked: Question) -> list[str]:
    """The last of each kind, of those that are never null."""
    statements = [
        make(asked, dialect_named("duckdb"), may_repeat=False)
        for make in (group_statement, cell_statement)
    ]
    names = [name for each in statements if each is not None for name in each.columns]
    kinds = {re.sub(r"\d+", "", name): name for name in names if not name.startswith("cap")}
    return list(kinds.values())


def test_answer__a_column_is_null__is_refused_by_its_name() -> None:
    events = Events()
    for number in range(8):
        events.exposed(f"s{number}", "blue" if number % 2 else "control")
        events.did(f"s{number}", "purchase", 1_000, value=float(number))
    engine = HolesEngine(events.in_duckdb()._connection)
    columns = columns_of(NULLED)
    assert {"exposed", "step"} <= set(columns)
    assert len([name for name in columns if name.startswith("of_y")]) > 1
    assert answer(engine, NULLED).rows
    for name in columns:
        engine.hole = name
        with pytest.raises(QueryFailed, match=f"{name} is null|some have a null"):
            answer(engine, NULLED)


def test_answer__groups_in_which_nobody_did_anything__have_no_sums_and_are_answered() -> None:
    events = (
        Events().exposed("a", "control").exposed("b", "blue").did("b", "purchase", 1_000, value=2)
    )
    found = answer(events.in_duckdb(), NULLED)
    values = {row.variant_key: row.metrics["revenue"].moments for row in found.rows}
    assert {key: each.means[0] for key, each in values.items()} == {"control": 0.0, "blue": 2.0}
