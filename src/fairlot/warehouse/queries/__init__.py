"""From events to sufficient statistics: one query per question, in the SQL of whichever engine.

The query is an Ibis expression over columns that each dialect takes from the public tables, and is
run by the engine's own driver. Nothing here is imported before a result is asked for: Ibis takes a
second to load.
"""

from fairlot.warehouse.queries.answering import answer, sql_of
from fairlot.warehouse.queries.dialects import DIALECTS, Dialect
from fairlot.warehouse.queries.engines import DuckDbEngine, Engine, PostgresEngine, SparkEngine
from fairlot.warehouse.queries.errors import QueryFailed, UnknownDialect, UnusableQuestion
from fairlot.warehouse.queries.subject_rows import SubjectRows, per_subject

__all__ = [
    "DIALECTS",
    "Dialect",
    "DuckDbEngine",
    "Engine",
    "PostgresEngine",
    "QueryFailed",
    "SparkEngine",
    "SubjectRows",
    "UnknownDialect",
    "UnusableQuestion",
    "answer",
    "per_subject",
    "sql_of",
]
