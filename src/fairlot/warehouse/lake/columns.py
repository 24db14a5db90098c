"""The public columns of each kind of events, and how the JSON of the log becomes them."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from fairlot.events import Conversion, Event, Exposure, Identity

_RECORDS: Final[dict[str, type[Event]]] = {
    "exposures": Exposure,
    "conversions": Conversion,
    "identities": Identity,
}
_JSON_TYPES: Final = {
    "manifest_version": "BIGINT",
    "hash_version": "BIGINT",
    "batch_seq": "BIGINT",
    "occurred_at_ms": "BIGINT",
    "received_at_ms": "BIGINT",
    "value": "DOUBLE",
    "properties": "JSON",
}
_SQL_TYPES: Final = {
    "manifest_version": "BIGINT",
    "hash_version": "BIGINT",
    "batch_seq": "BIGINT",
    "value": "DOUBLE",
    "occurred_at": "TIMESTAMP WITH TIME ZONE",
    "received_at": "TIMESTAMP WITH TIME ZONE",
}
_KEYS: Final = {
    "exposures": ("experiment_id", "experiment_key", "variant_key"),
    "conversions": ("event_name",),
    "identities": ("user_id",),
}
# What a record leaves out is its default.
_EXPRESSIONS: Final = {
    "occurred_at_ms": "make_timestamptz(occurred_at_ms * 1000) AS occurred_at",
    "received_at_ms": "make_timestamptz(received_at_ms * 1000) AS received_at",
    "actor": "coalesce(actor, 'human') AS actor",
    "trust": "coalesce(trust, 'server') AS trust",
    "properties": "CAST(properties AS VARCHAR) AS properties",
}


class EventKind(StrEnum):
    """The tables of the log, and the folders and relations of the lake."""

    EXPOSURES = "exposures"
    CONVERSIONS = "conversions"
    IDENTITIES = "identities"

    @property
    def record(self) -> type[Event]:
        return _RECORDS[self]

    @property
    def columns(self) -> dict[str, str]:
        """The names of the public columns and their types in DuckDB."""
        names = (name.removesuffix("_ms") for name in self.record.__struct_fields__)
        return {name: _SQL_TYPES.get(name, "VARCHAR") for name in names}

    @property
    def keys(self) -> tuple[str, ...]:
        """The columns without which an event is of nobody, of no time or about nothing."""
        return ("event_id", "project_id", "subject_id", "occurred_at", "received_at", *_KEYS[self])

    @property
    def column_list(self) -> str:
        return ", ".join(self.columns)

    def select_json(self, source: str) -> str:
        """The columns of the records that are a line each in a file of newline-delimited JSON."""
        fields = self.record.__struct_fields__
        types = ", ".join(f"'{name}': '{_JSON_TYPES.get(name, 'VARCHAR')}'" for name in fields)
        picked = ", ".join(_EXPRESSIONS.get(name, name) for name in fields)
        return (
            f"SELECT {picked} FROM read_json({quoted(source)},"  # noqa: S608 - names of ours
            f" format = 'newline_delimited', auto_detect = false, columns = {{{types}}})"
        )


def kind_of(event: Event) -> EventKind:
    return next(kind for kind in EventKind if isinstance(event, kind.record))


def quoted(text: object) -> str:
    """A literal, where SQL takes no bound value: in views, and in COPY."""
    return "'" + str(text).replace("'", "''") + "'"


def quoted_list(texts: Iterable[object]) -> str:
    return "[" + ", ".join(quoted(each) for each in texts) + "]"
