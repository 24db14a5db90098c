"""The exposures of an experiment, as replay looks at them: all of a unit together."""

from collections.abc import Iterator
from itertools import groupby, islice
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_UNITS_AT_ONCE: Final = 20_000
_ROWS_AT_ONCE: Final = 1_000_000
_OWN: Final = " FROM exposures WHERE project_id = ? AND experiment_key = ?"
_COUNT: Final = f"SELECT count(*){_OWN}"
_READ: Final = f"""
    SELECT unit_id, epoch_ms(occurred_at), event_id, epoch_ms(received_at), subject_id,
        experiment_id, variant_key, variant_id, manifest_version, hash_version, reason, source,
        sender_id{_OWN} AND hash(unit_id) % ? = ? ORDER BY unit_id, occurred_at, event_id
"""


class Shown(NamedTuple):
    """An exposure, by the columns of the log."""

    unit_id: str
    at_ms: int
    event_id: str
    received_at_ms: int
    subject_id: str
    experiment_id: str
    variant_key: str
    variant_id: str
    version: int
    hash_version: int
    reason: str
    source: str | None
    sender_id: str | None


Units = list[tuple[str, list[Shown]]]


def units_of(
    connection: "DuckDBPyConnection", project_id: str, experiment_key: str
) -> Iterator[Units]:
    """Many units at once, each with all of its exposures, the earliest first. About a million
    exposures are in memory at a time."""
    own = [project_id, experiment_key]
    row = connection.execute(_COUNT, own).fetchone()
    parts = 1 + (0 if row is None else row[0]) // _ROWS_AT_ONCE
    for part in range(parts):
        found = map(Shown._make, connection.execute(_READ, [*own, parts, part]).fetchall())
        units = ((unit, list(rows)) for unit, rows in groupby(found, key=lambda each: each[0]))
        while some := list(islice(units, _UNITS_AT_ONCE)):
            yield some
