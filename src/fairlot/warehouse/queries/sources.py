"""The first step of a query: the columns it needs, out of the public tables, in plain types.

Instants become whole milliseconds here and JSON becomes text, so that all that follows is integer
arithmetic and comparison, the same in every engine.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from ibis.expr.types import Table

from fairlot.events.properties import EXCLUDED, MERGED, SWITCHED
from fairlot.stats.sufficient import Question
from fairlot.warehouse.queries.dialects import Dialect
from fairlot.warehouse.queries.errors import UnusableQuestion
from fairlot.warehouse.queries.measures import COVARIATE_WINDOW_MS, Measures
from fairlot.warehouse.queries.steps import Steps

PROPERTIES: Final = "properties."
_SEGMENT_COLUMNS: Final = {
    "device": "device",
    "source": "source",
    # the doctor's
    "reason": "reason",
    "manifest_version": "CONCAT('', manifest_version)",
}


@dataclass(frozen=True, slots=True)
class Sources:
    """The first steps of a query."""

    exposures: Table
    conversions: Table
    identities: Table


Column = tuple[str, str]  # its type, and the SQL of it


def sources_of(question: Question, measures: Measures, steps: Steps) -> Sources:
    """Raises UnusableQuestion."""
    to = steps.dialect
    paths = measures.property_paths

    def step(name: str, columns: Mapping[str, Column], where: Sequence[str]) -> Table:
        kinds = {key: kind for key, (kind, _) in columns.items()}
        return steps.written(name, kinds, _select(name, columns, where, to))

    return Sources(
        step("exposures", _exposure_columns(question, to), _exposure_filter(question, to)),
        step("conversions", _conversion_columns(paths, to), _conversion_filter(question, to)),
        step("identities", _identity_columns(to), _identity_filter(question, to)),
    )


def property_column(number: int, form: str) -> str:
    """The name of the column that holds a property as `raw` or `text`."""
    return f"{form}{number}"


def _select(table: str, columns: Mapping[str, Column], where: Sequence[str], to: Dialect) -> str:
    listed = ", ".join(f"{sql} AS {to.quoted(name)}" for name, (_, sql) in columns.items())
    return f"SELECT {listed} FROM {table} WHERE {' AND '.join(where)}"  # noqa: S608 - ours


def _exposure_columns(question: Question, to: Dialect) -> dict[str, Column]:
    columns = {
        "subject": ("string", "subject_id"),
        "ms": ("int64", to.millis("occurred_at")),
        "variant": ("string", "variant_key"),
        "version": ("int64", "COALESCE(manifest_version, 0)"),
        "reason": ("string", "COALESCE(reason, '')"),
        "actor": ("string", "COALESCE(actor, 'human')"),
        "trust": ("string", "COALESCE(trust, 'server')"),
        "source": ("string", "COALESCE(source, '')"),
        "sender": ("int64", to.hashed("COALESCE(sender_id, '')")),
        "switched": ("string", to.raw("properties", (SWITCHED,))),
        "left_by_login": ("string", to.raw("properties", (EXCLUDED,))),
    }
    if question.by_unit:
        columns["unit"] = ("string", "unit_id")
    if question.segment_by is not None:
        columns["segment"] = ("string", _segment(question.segment_by, to))
    return columns


def _segment(segment_by: str, to: Dialect) -> str:
    if segment_by in _SEGMENT_COLUMNS:
        return _SEGMENT_COLUMNS[segment_by]
    if segment_by.startswith(PROPERTIES) and len(segment_by) > len(PROPERTIES):
        return to.text("properties", segment_by.removeprefix(PROPERTIES).split("."))
    raise UnusableQuestion(
        "segment",
        f"{segment_by!r} splits nothing: write device, source, or properties. and the name of a"
        " property of exposures",
    )


def _exposure_filter(question: Question, to: Dialect) -> list[str]:
    return [
        f"project_id = {to.string(question.project_id)}",
        *of_experiment(question, to),
        *_between(question.started_at_ms, exposures_end_ms(question), to),
        *_received(question, to),
    ]


def of_experiment(question: Question, to: Dialect) -> list[str]:
    """Exposures by a manifest without ids have an empty one, and are told by the key."""
    return [
        f"experiment_id IN ({to.string(question.experiment_id)}, '')",
        f"(experiment_id <> '' OR experiment_key = {to.string(question.experiment_key)})",
    ]


def exposures_end_ms(question: Question) -> int:
    """Before which exposures count."""
    ended_ms = question.ended_at_ms
    return question.as_of_ms if ended_ms is None else min(ended_ms, question.as_of_ms)


def _conversion_columns(paths: Mapping[str, int], to: Dialect) -> dict[str, Column]:
    columns = {
        "subject": ("string", "subject_id"),
        "event_id": ("string", "event_id"),
        "ms": ("int64", to.millis("occurred_at")),
        "received": ("int64", to.millis("received_at")),
        "event": ("string", "event_name"),
        "value": ("float64", "value"),
        "trust": ("string", "COALESCE(trust, 'server')"),
        "sender": ("int64", to.hashed("COALESCE(sender_id, '')")),
    }
    for path, number in paths.items():
        names = path.split(".")
        columns[property_column(number, "raw")] = ("string", to.raw("properties", names))
        columns[property_column(number, "text")] = ("string", to.text("properties", names))
    return columns


def _conversion_filter(question: Question, to: Dialect) -> list[str]:
    earliest_ms = question.started_at_ms - COVARIATE_WINDOW_MS
    return [
        f"project_id = {to.string(question.project_id)}",
        "(actor IS NULL OR actor = 'human')",
        *_between(earliest_ms, question.as_of_ms, to),
        *_received(question, to),
    ]


def _identity_columns(to: Dialect) -> dict[str, Column]:
    return {
        "subject": ("string", "subject_id"),
        "user": ("string", "user_id"),
        "event_id": ("string", "event_id"),
        "ms": ("int64", to.millis("occurred_at")),
        "received": ("int64", to.millis("received_at")),
        "merged": ("string", to.raw("properties", (MERGED,))),
    }


def _identity_filter(question: Question, to: Dialect) -> list[str]:
    """Who may be anyone links nobody: to be two subjects of two variants leaves both out."""
    return [
        f"project_id = {to.string(question.project_id)}",
        "COALESCE(trust, 'server') <> 'public'",
        "COALESCE(actor, 'human') = 'human'",
        "subject_id <> user_id",
        f"occurred_at < {to.instant(question.as_of_ms)}",
        *_received(question, to),
    ]


def _between(from_ms: int, before_ms: int, to: Dialect) -> list[str]:
    return [f"occurred_at >= {to.instant(from_ms)}", f"occurred_at < {to.instant(before_ms)}"]


def _received(question: Question, to: Dialect) -> list[str]:
    before_ms = question.received_before_ms
    return [] if before_ms is None else [f"received_at < {to.instant(before_ms)}"]
