"""The query behind a result, in the SQL of any engine."""

from typing import Annotated, Final

import msgspec

from fairlot.http.management import Call, Outcome, read
from fairlot.http.problems import invalid_fields
from fairlot.http.registry import Answer, Route
from fairlot.service.actors import Scope
from fairlot.service.results.questions import question_of

_PATH: Final = "/api/v1/orgs/{org}/projects/{project}/experiments/{key}/sql"


class SqlQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`engine` is one of `duckdb`, `postgres`, `spark`, `databricks`, `bigquery`, `snowflake` and
    `clickhouse`; `segment` as for results."""

    engine: Annotated[str, msgspec.Meta(min_length=1, max_length=32)] = "duckdb"
    segment: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None


class WrittenQuery(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`sql` reads tables with the public columns, and holds the instant it was asked for."""

    experiment: str
    engine: str
    as_of_ms: int
    sql: str


def show(call: Call[SqlQuery]) -> Outcome:
    # Imported here: what writes queries takes a second to load.
    from fairlot.warehouse.queries import UnknownDialect, sql_of

    question = question_of(
        call.connection,
        call.tenant,
        call.path["key"],
        now_ms=call.now_ms,
        segment_by=call.asked.segment,
    )
    try:
        sql = sql_of(question, call.asked.engine)
    except UnknownDialect as error:
        raise invalid_fields(f"engine: {error}") from None
    return Outcome(
        WrittenQuery(
            experiment=question.experiment_key,
            engine=call.asked.engine,
            as_of_ms=question.as_of_ms,
            sql=sql,
        )
    )


ROUTES: Final[tuple[Route, ...]] = (
    read(
        _PATH,
        "The query behind the result of an experiment, in the SQL of an engine",
        Scope.READ,
        show,
        {200: Answer("The query.", (WrittenQuery,))},
        query=SqlQuery,
        apart=True,
        errors=(409,),
    ),
)
