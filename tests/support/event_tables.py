"""Small tables of events, planted by hand in each of the engines that answer questions."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Any

import duckdb
import msgspec
import psycopg

from fairlot.stats.metrics import Aggregate, EventTotal, Metric, MetricKind
from fairlot.stats.sufficient import ANY_VERSION, Arm, ArmDay, Phase, Question, Sufficient
from fairlot.warehouse.queries import DuckDbEngine, Engine, PostgresEngine, SparkEngine

if TYPE_CHECKING:
    from chdb.session import Session
    from pyspark.sql import SparkSession

    from support.clickhouse import ClickHouseEngine

MINUTE = 60_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
START = int(datetime(2026, 3, 2, tzinfo=UTC).timestamp()) * 1000
LATE = START + 60 * DAY

TEXT, NUMBER, REAL, INSTANT = "VARCHAR", "BIGINT", "DOUBLE PRECISION", "TIMESTAMPTZ"
_COMMON = {
    "event_id": TEXT,
    "project_id": TEXT,
    "subject_id": TEXT,
    "occurred_at": INSTANT,
    "received_at": INSTANT,
    "actor": TEXT,
    "trust": TEXT,
    "source": TEXT,
    "sender_id": TEXT,
    "properties": TEXT,
}
COLUMNS = {
    "exposures": _COMMON
    | {
        "experiment_id": TEXT,
        "experiment_key": TEXT,
        "unit_id": TEXT,
        "variant_key": TEXT,
        "manifest_version": NUMBER,
        "reason": TEXT,
        "device": TEXT,
    },
    "conversions": _COMMON | {"event_name": TEXT, "value": REAL},
    "identities": _COMMON | {"user_id": TEXT},
}
_SPARK_TYPES = {TEXT: "string", NUMBER: "bigint", REAL: "double", INSTANT: "timestamp"}


@dataclass
class Events:
    """Instants are milliseconds after START."""

    rows: dict[str, list[dict[str, Any]]] = field(
        default_factory=lambda: {name: [] for name in COLUMNS}
    )
    _numbers: Any = field(default_factory=count)

    def exposed(self, subject: str, variant: str, at: int = 0, **columns: Any) -> "Events":
        defaults = {
            "experiment_id": "exp_1",
            "experiment_key": "banner",
            "unit_id": subject,
            "variant_key": variant,
            "manifest_version": 1,
            "reason": "bucket",
        }
        return self._add("exposures", subject, at, defaults, columns)

    def did(
        self, subject: str, event: str, at: int, value: float | None = None, **columns: Any
    ) -> "Events":
        defaults = {"event_name": event, "value": None if value is None else float(value)}
        return self._add("conversions", subject, at, defaults, columns)

    def linked(self, subject: str, user: str, at: int = 0, **columns: Any) -> "Events":
        return self._add("identities", subject, at, {"user_id": user}, columns)

    def merged(self, gone: str, into: str, at: int = 0, **columns: Any) -> "Events":
        """Two profiles became one."""
        return self.linked(gone, into, at, properties={"fairlot.merged": True}, **columns)

    def _add(
        self, table: str, subject: str, at: int, defaults: dict[str, Any], given: dict[str, Any]
    ) -> "Events":
        occurred = datetime.fromtimestamp((START + at) / 1000, UTC)
        row = dict.fromkeys(COLUMNS[table]) | {
            "event_id": f"event-{next(self._numbers):05}",
            "project_id": "prj_1",
            "subject_id": subject,
            "occurred_at": occurred,
            "received_at": occurred,
            "actor": "human",
            "trust": "server",
            "sender_id": "sender",
        }
        row |= defaults | given
        if isinstance(row["properties"], dict):
            row["properties"] = msgspec.json.encode(row["properties"]).decode()
        self.rows[table].append(row)
        return self

    def in_duckdb(self) -> DuckDbEngine:
        """Without repeated events, as in a lake."""
        connection = duckdb.connect()
        connection.execute("SET TimeZone = 'UTC'; SET threads = 1")
        for table, columns in COLUMNS.items():
            connection.execute(_create(table, columns))
            marks = ", ".join("?" * len(columns))
            if self.rows[table]:
                listed = [list(row.values()) for row in self.rows[table]]
                connection.executemany(f"INSERT INTO {table} VALUES ({marks})", listed)  # noqa: S608
        return DuckDbEngine(connection)

    def in_postgres(self, connection: psycopg.Connection[Any]) -> PostgresEngine:
        for table, columns in COLUMNS.items():
            connection.execute(f"DROP TABLE IF EXISTS {table}".encode())
            connection.execute(_create(table, columns).encode())
            names = ", ".join(columns)
            with connection.cursor().copy(f"COPY {table} ({names}) FROM STDIN".encode()) as copy:
                for row in self.rows[table]:
                    copy.write_row(list(row.values()))
        return PostgresEngine(connection)

    def in_clickhouse(self, session: "Session") -> "ClickHouseEngine":
        from support.clickhouse import planted

        return planted(session, COLUMNS, self.rows)

    def in_spark(self, session: "SparkSession") -> SparkEngine:
        for table, columns in COLUMNS.items():
            schema = ", ".join(f"{name} {_SPARK_TYPES[kind]}" for name, kind in columns.items())
            listed = [tuple(row.values()) for row in self.rows[table]]
            session.createDataFrame(listed, schema).createOrReplaceTempView(table)
        return SparkEngine(session)


def _create(table: str, columns: dict[str, str]) -> str:
    listed = ", ".join(f"{name} {kind}" for name, kind in columns.items())
    return f"CREATE TABLE {table} ({listed})"


def phase(number: int = 0, first: int = 0, end: int = ANY_VERSION, *variants: str) -> Phase:
    keys = variants or ("control", "blue")
    arms = tuple(Arm(key, key == "control", 1 / len(keys)) for key in keys)
    return Phase(number, first, end, arms)


BOUGHT = Metric("bought", "Bought", MetricKind.CONVERSION, EventTotal("purchase", Aggregate.ANY))
ORDERS = Metric("orders", "Orders", MetricKind.COUNT, EventTotal("purchase", Aggregate.COUNT))
REVENUE = Metric("revenue", "Revenue", MetricKind.SUM, EventTotal("purchase", Aggregate.SUM))
VALUE = Metric(
    "value",
    "Order value",
    MetricKind.MEAN,
    EventTotal("purchase", Aggregate.SUM),
    EventTotal("purchase", Aggregate.COUNT),
)


def question(*metrics: Metric, **changes: Any) -> Question:
    asked = Question(
        project_id="prj_1",
        experiment_id="exp_1",
        experiment_key="banner",
        phases=(phase(),),
        metrics=metrics,
        started_at_ms=START,
        as_of_ms=LATE,
    )
    return replace(asked, **changes)


Plant = Callable[[Events], Engine]
BUY = "purchase"


def of_arm(found: Sufficient, variant: str) -> ArmDay:
    """The only group of a variant."""
    (row,) = (row for row in found.rows if row.variant_key == variant)
    return row


def exclusions(found: Sufficient) -> set[tuple[str, str, int]]:
    return {(each.variant_key, each.exclusion.value, each.subjects) for each in found.excluded}


def orders_of(found: Sufficient, variant: str = "control") -> float:
    """How many orders all subjects of a variant had."""
    moments = of_arm(found, variant).metrics["orders"].moments
    return round(moments.means[0] * moments.n, 9)
