"""Sightings out of the files of the event log, in slices that several processes can share."""

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from fairlot.engine import Reason
from fairlot.events.records import Actor
from fairlot.warehouse.readers import open_read_only, read_files
from fairlot.warehouse.sightings import (
    ASSIGNED,
    BY_ADAPTER,
    DRAWN,
    MATCHED,
    UNKNOWN_VARIANT,
    Gathering,
    Sightings,
    Wanted,
    label_of,
)

_KIND_OF_REASON: Final = {
    Reason.DIVERT: MATCHED,
    Reason.STICKY: DRAWN,
    Reason.BUCKET: DRAWN,
    Reason.ADAPTER: BY_ADAPTER,
}
_NOTHING: Final = -1
_ROWS_AT_ONCE: Final = 2_000
# A worker's file is in the order of its clock, which is trusted to be right within a day.
_CLOCK_TRUST_MS: Final = 86_400_000

_Row = tuple[Any, ...]
_Gather = Callable[[list[_Row], Gathering], None]


class LogSlice(NamedTuple):
    """Exposures `[first_seq, end_seq)` of a file; or, where these are None, its assignments."""

    path: Path
    first_seq: int | None = None
    end_seq: int | None = None


class Asked(NamedTuple):
    """What is read out of every slice: of exposures those of the project, received at `since_ms`
    or later. It is parted into so many `parts`."""

    project_id: str
    since_ms: int
    wanted: tuple[Wanted, ...]
    parts: int


class _Exposure(msgspec.Struct, frozen=True, gc=False):
    experiment_key: str
    subject_id: str
    unit_id: str
    variant_key: str
    reason: Reason
    occurred_at_ms: int
    actor: Actor = Actor.HUMAN


class _Labels(dict[tuple[str, str, Reason], int]):
    """What an exposure with these says, as by `label_of`; `_NOTHING` where it says nothing about
    an experiment that is asked about."""

    def __init__(self, wanted: Sequence[Wanted]) -> None:
        self._places = {each.experiment_key: place for place, each in enumerate(wanted)}
        self._codes = [_codes(each) for each in wanted]

    def __missing__(self, said: tuple[str, str, Reason]) -> int:
        experiment_key, variant_key, reason = said
        place, kind = self._places.get(experiment_key), _KIND_OF_REASON.get(reason)
        label = _NOTHING
        if place is not None and kind is not None:
            variant = self._codes[place].get(variant_key, UNKNOWN_VARIANT)
            label = label_of(place, variant, kind)
        self[said] = label
        return label


def slices_of(directory: Path, since_ms: int, rows_at_most: int) -> list[LogSlice]:
    """The exposures since then, in slices of at most so many rows, and the assignments."""
    slices = []
    for file in read_files(directory, "exposures"):
        with closing(file):
            path = Path(file.execute("PRAGMA database_list").fetchone()[2])
            first, last = file.execute("SELECT min(seq), max(seq) FROM exposures").fetchone()
            if last is not None:
                start = _first_since(file, since_ms - _CLOCK_TRUST_MS, first, last)
                slices += [
                    LogSlice(path, begin, min(begin + rows_at_most, last + 1))
                    for begin in range(start, last + 1, rows_at_most)
                ]
            slices.append(LogSlice(path))
    return slices


def read_sightings(log_slice: LogSlice, asked: Asked) -> list[list[Sightings]]:
    """Per part what the slice holds, in its order."""
    parts: list[list[Sightings]] = [[] for _ in range(asked.parts)]
    with closing(open_read_only(log_slice.path)) as log:
        for gathering in _gatherings(log, log_slice, asked):
            for part, sightings in zip(parts, gathering.parted(asked.parts), strict=True):
                part.append(sightings)
    return parts


def _first_since(file: sqlite3.Connection, since_ms: int, first: int, last: int) -> int:
    """The first row that was received since then, found by halving; `last` + 1 if none was."""
    end = last + 1
    while first < end:
        middle = (first + end) // 2
        seq, received_at_ms = file.execute(
            "SELECT seq, received_at_ms FROM exposures WHERE seq >= ? ORDER BY seq LIMIT 1",
            (middle,),
        ).fetchone()
        if received_at_ms < since_ms:
            first = seq + 1
        else:
            end = middle
    return first


def _gatherings(log: sqlite3.Connection, log_slice: LogSlice, asked: Asked) -> Iterator[Gathering]:
    are_exposures = log_slice.first_seq is not None
    rows = _exposures(log, log_slice, asked) if are_exposures else _assignments(log, asked)
    gather = _exposure_gatherer(asked) if are_exposures else _assignment_gatherer(asked)
    gathering = Gathering(asked.wanted, are_exposures=are_exposures)
    while some := list(islice(rows, _ROWS_AT_ONCE)):
        gather(some, gathering)
        if gathering.is_full:
            yield gathering
            gathering = Gathering(asked.wanted, are_exposures=are_exposures)
    yield gathering


def _exposures(log: sqlite3.Connection, log_slice: LogSlice, asked: Asked) -> Iterator[_Row]:
    columns = {row[1] for row in log.execute("PRAGMA table_info(exposures)")}
    project = "project_id"
    if project not in columns:  # a file of schema 1 that no worker has opened since
        project = "json_extract(CAST(body AS TEXT), '$.project_id')"
    return log.execute(
        "SELECT body FROM exposures WHERE seq >= ? AND seq < ? AND received_at_ms >= ?"  # noqa: S608
        f" AND {project} = ?",
        (log_slice.first_seq, log_slice.end_seq, asked.since_ms, asked.project_id),
    )


def _exposure_gatherer(asked: Asked) -> _Gather:
    decode = msgspec.json.Decoder(_Exposure).decode
    labels = _Labels(asked.wanted)

    def gather(rows: list[_Row], into: Gathering) -> None:
        subjects, accounts, add = into.subjects, into.accounts, into.add
        for (body,) in rows:
            one = decode(body)
            if one.actor is not Actor.HUMAN or one.reason is Reason.PREVIEW:
                continue
            subjects[one.subject_id]
            label = labels[one.experiment_key, one.variant_key, one.reason]
            if label != _NOTHING:
                add(label, one.unit_id, one.occurred_at_ms)
            elif one.unit_id != one.subject_id:
                accounts[one.unit_id]

    return gather


def _assignments(log: sqlite3.Connection, asked: Asked) -> Iterator[_Row]:
    for place, wanted in enumerate(asked.wanted):
        yield from log.execute(
            "SELECT ?, unit_id, variant_key, assigned_at_ms FROM assignments"
            " WHERE experiment_id = ?",
            (place, wanted.experiment_id),
        )


def _assignment_gatherer(asked: Asked) -> _Gather:
    codes = [_codes(each) for each in asked.wanted]

    def gather(rows: list[_Row], into: Gathering) -> None:
        for place, unit_id, variant_key, assigned_at_ms in rows:
            variant = codes[place].get(variant_key, UNKNOWN_VARIANT)
            into.add(label_of(place, variant, ASSIGNED), unit_id, assigned_at_ms)

    return gather


def _codes(wanted: Wanted) -> dict[str, int]:
    return {variant: code for code, variant in enumerate(wanted.variants)}
