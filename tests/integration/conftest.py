"""Where events are planted and asked about: every engine that runs here."""

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from support.event_tables import Plant
from support.postgres import Cluster

if TYPE_CHECKING:
    from chdb.session import Session
    from pyspark.sql import SparkSession

ENGINES = [
    pytest.param("duckdb", id="duckdb"),
    pytest.param("postgres", id="postgres", marks=pytest.mark.postgres),
    *([pytest.param("spark", id="spark")] if os.environ.get("TESTS_SPARK") else []),
    *([pytest.param("clickhouse", id="clickhouse")] if os.environ.get("TESTS_CLICKHOUSE") else []),
]


@pytest.fixture(scope="module")
def tables(postgres: Cluster) -> Iterator[psycopg.Connection[Any]]:
    with postgres.new_database() as url, psycopg.connect(url) as connection:
        yield connection


@pytest.fixture(scope="module")
def spark() -> Iterator["SparkSession"]:
    from support.spark import local_session

    with local_session() as session:
        yield session


@pytest.fixture(scope="module")
def clickhouse() -> Iterator["Session"]:
    from support.clickhouse import embedded_session

    with embedded_session() as session:
        yield session


@pytest.fixture(params=ENGINES)
def plant(request: pytest.FixtureRequest) -> Plant:
    if request.param == "duckdb":
        return lambda events: events.in_duckdb()
    if request.param == "postgres":
        connection = request.getfixturevalue("tables")
        return lambda events: events.in_postgres(connection)
    if request.param == "clickhouse":
        embedded = request.getfixturevalue("clickhouse")
        return lambda events: events.in_clickhouse(embedded)
    session = request.getfixturevalue("spark")
    return lambda events: events.in_spark(session)
