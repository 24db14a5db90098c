"""From events to sufficient statistics: one query per question, in the SQL of whichever engine.

The query is an Ibis expression over columns that each dialect takes from the public tables, and is
run by the engine's own driver. Ibis takes a second to load: it is loaded with the first name that
needs it; the errors need none.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fairlot.warehouse.queries.errors import QueryFailed, UnknownDialect, UnusableQuestion

if TYPE_CHECKING:
    from fairlot.warehouse.queries.answering import answer, sql_of
    from fairlot.warehouse.queries.dialects import DIALECTS, Dialect
    from fairlot.warehouse.queries.engines import DuckDbEngine, Engine, PostgresEngine, SparkEngine
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

_WHERE = {
    "DIALECTS": "dialects",
    "Dialect": "dialects",
    "DuckDbEngine": "engines",
    "Engine": "engines",
    "PostgresEngine": "engines",
    "SparkEngine": "engines",
    "SubjectRows": "subject_rows",
    "answer": "answering",
    "per_subject": "subject_rows",
    "sql_of": "answering",
}


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
