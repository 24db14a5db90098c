"""What subjects did, as rows."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import BindParameter, Connection, Select, bindparam, func, select

from fairlot.profiles import Happening, Occurrence
from fairlot.store.profiles.statements import Listing, Prepared
from fairlot.store.profiles.tables import profile_events

HISTORY_PER_NAME: Final = 1_000
"""Of one profile and one name, the latest: as many as a rule may count."""
_OCCURRENCE_BYTES: Final = 150
_TIMES_THE_JSON: Final = 4
_encode: Final = msgspec.json.Encoder(enc_hook=dict).encode
_properties_of: Final = msgspec.json.Decoder(dict).decode


class EventRow(NamedTuple):
    """`properties` is JSON."""

    project_id: str
    event_id: str
    profile_id: str
    name: str
    at_ms: int
    properties: bytes | None


_KNOWN: Final = Listing(
    lambda event_ids: select(profile_events.c.event_id).where(
        profile_events.c.project_id == bindparam("project"),
        profile_events.c.event_id.in_(event_ids),
    ),
    "project",
)
_ADD: Final = Prepared(
    profile_events.insert().values({name: bindparam(name) for name in EventRow._fields}),
    *EventRow._fields,
)


@dataclass(slots=True)
class FoundHistory:
    """The latest first. `size` is what it takes in memory, about."""

    latest: list[Occurrence] = field(default_factory=list)
    size: int = 0


def event_row(project_id: str, profile_id: str, happening: Happening) -> EventRow:
    properties = _encode(happening.properties) if happening.properties else None
    return EventRow(
        project_id, happening.event_id, profile_id, happening.name, happening.at_ms, properties
    )


def occurrence(at_ms: int, properties: bytes | None) -> Occurrence:
    return Occurrence(at_ms, _properties_of(properties) if properties else {})


def known_events(
    connection: Connection, project_id: str, event_ids: Iterable[str]
) -> frozenset[str]:
    rows = _KNOWN.rows(connection, event_ids, project_id)
    return frozenset(event_id for (event_id,) in rows)


def events_of(connection: Connection, profile_id: str) -> list[Happening]:
    """All of them, the earliest first."""
    rows = connection.execute(
        select(profile_events)
        .where(profile_events.c.profile_id == profile_id)
        .order_by(profile_events.c.at_ms, profile_events.c.event_id)
    )
    return [
        Happening(
            event_id=row.event_id,
            name=row.name,
            at_ms=row.at_ms,
            properties=occurrence(row.at_ms, row.properties).properties,
        )
        for row in rows
    ]


def add_events(connection: Connection, rows: Sequence[EventRow]) -> None:
    """None of them may be known."""
    _ADD.run_all(connection, rows)


def move_events(connection: Connection, from_id: str, to_id: str) -> None:
    connection.execute(
        profile_events.update()
        .where(profile_events.c.profile_id == from_id)
        .values(profile_id=to_id)
    )


def read_histories(
    connection: Connection, profile_ids: Iterable[str], name: str, since_ms: int
) -> dict[str, FoundHistory]:
    """By profile the latest HISTORY_PER_NAME of that name, the latest first; nothing where there is
    none."""
    found: dict[str, FoundHistory] = {}
    for row in _LATEST.rows(connection, profile_ids, name, since_ms, HISTORY_PER_NAME):
        profile_id, at_ms, properties, _ = row
        history = found.setdefault(profile_id, FoundHistory())
        history.latest.append(occurrence(at_ms, properties))
        history.size += size_of(properties)
    return found


def size_of(properties: bytes | None) -> int:
    """What an event takes in memory, about."""
    return _OCCURRENCE_BYTES + (_TIMES_THE_JSON * len(properties) if properties else 0)


def _latest(ids: Sequence[BindParameter[str]]) -> Select[tuple[str, int, bytes | None, int]]:
    columns = profile_events.c
    numbered = (
        select(
            columns.profile_id,
            columns.at_ms,
            columns.properties,
            func.row_number()
            .over(partition_by=columns.profile_id, order_by=columns.at_ms.desc())
            .label("nth"),
        )
        .where(
            columns.profile_id.in_(ids),
            columns.name == bindparam("name"),
            columns.at_ms >= bindparam("since_ms"),
        )
        .subquery()
    )
    return (
        select(numbered)
        .where(numbered.c.nth <= bindparam("most"))
        .order_by(numbered.c.profile_id, numbered.c.nth)
    )


_LATEST: Final = Listing(_latest, "name", "since_ms", "most")
