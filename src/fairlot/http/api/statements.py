"""The query behind a result, in the SQL of any engine."""

from dataclasses import replace
from typing import Annotated, Final

import msgspec

from fairlot.http.api.results import AsOf, moment_of
from fairlot.http.management import Call, Outcome, read
from fairlot.http.problems import invalid_fields
from fairlot.http.registry import Answer, Route
from fairlot.service.actors import Scope
from fairlot.service.results.questions import question_of
from fairlot.stats.sufficient import View

_PATH: Final = "/api/v1/orgs/{org}/projects/{project}/experiments/{key}/sql"


class SqlQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`engine` is one of `duckdb`, `postgres`, `spark`, `databricks`, `bigquery`, `snowflake` and
    `clickhouse`; `as_of` and `segment` as for results. `view` is that of the result: `so_far`
    counts those too who have not matured."""

    engine: Annotated[str, msgspec.Meta(min_length=1, max_length=32)] = "duckdb"
    as_of: AsOf | None = None
    segment: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    view: View = View.MATURED


class WrittenQuery(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`sql` reads tables with the public columns, and holds the instant it was asked for."""

    experiment: str
    engine: str
    as_of_ms: int
    sql: str


def show(call: Call[SqlQuery]) -> Outcome:
    # Imported here: what writes queries takes a second to load.
    from fairlot.service.results.fixing import fixed_caps
    from fairlot.warehouse.queries import UnknownDialect, sql_of

    tenant, key, asked = call.tenant, call.path["key"], call.asked
    as_of_ms = None
    if asked.as_of is not None:
        as_of_ms = moment_of(asked.as_of, tenant.time_zone, call.now_ms)
    with call.services.store.reading() as connection:
        question = question_of(
            connection,
            tenant,
            key,
            now_ms=call.now_ms,
            as_of_ms=as_of_ms,
            segment_by=asked.segment,
        )
        caps = fixed_caps(connection, tenant, key)
    question = replace(question, caps=caps, view=asked.view)
    try:
        sql = sql_of(question, asked.engine)
    except UnknownDialect as error:
        raise invalid_fields(f"engine: {error}") from None
    return Outcome(
        WrittenQuery(
            experiment=question.experiment_key,
            engine=asked.engine,
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
