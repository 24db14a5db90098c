"""What subjects did, as rows."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, func, select

from fairlot.profiles import Happening, Occurrence
from fairlot.store.profiles.chunks import chunks
from fairlot.store.profiles.tables import profile_events

HISTORY_PER_NAME: Final = 1_000
"""Of one profile and one name, the latest: as many as a rule may count."""
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
    known: set[str] = set()
    for chunk in chunks(event_ids):
        known.update(
            connection.execute(
                select(profile_events.c.event_id).where(
                    profile_events.c.project_id == project_id,
                    profile_events.c.event_id.in_(chunk),
                )
            ).scalars()
        )
    return frozenset(known)


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
    if rows:
        connection.execute(profile_events.insert(), [row._asdict() for row in rows])


def move_events(connection: Connection, from_id: str, to_id: str) -> None:
    connection.execute(
        profile_events.update()
        .where(profile_events.c.profile_id == from_id)
        .values(profile_id=to_id)
    )


def read_histories(
    connection: Connection, profile_ids: Iterable[str], names: Iterable[str], since_ms: int
) -> dict[tuple[str, str], list[Occurrence]]:
    """By profile and name the latest HISTORY_PER_NAME, the latest first; nothing where there is
    none."""
    found: defaultdict[tuple[str, str], list[Occurrence]] = defaultdict(list)
    named = sorted(set(names))
    for some_names in chunks(named):
        for some_ids in chunks(profile_ids):
            for row in _latest(connection, some_ids, some_names, since_ms):
                found[row.profile_id, row.name].append(occurrence(row.at_ms, row.properties))
    return dict(found)


def _latest(
    connection: Connection, profile_ids: list[str], names: list[str], since_ms: int
) -> Sequence[Row[str, str, int, bytes]]:
    columns = profile_events.c
    numbered = (
        select(
            columns.profile_id,
            columns.name,
            columns.at_ms,
            columns.properties,
            func.row_number()
            .over(partition_by=(columns.profile_id, columns.name), order_by=columns.at_ms.desc())
            .label("nth"),
        )
        .where(
            columns.profile_id.in_(profile_ids),
            columns.name.in_(names),
            columns.at_ms >= since_ms,
        )
        .subquery()
    )
    return connection.execute(
        select(numbered.c.profile_id, numbered.c.name, numbered.c.at_ms, numbered.c.properties)
        .where(numbered.c.nth <= HISTORY_PER_NAME)
        .order_by(numbered.c.at_ms.desc())
    ).all()
