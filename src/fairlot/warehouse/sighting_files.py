"""Sightings out of the files of the event log, in slices that several processes can share."""

import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from fairlot.engine import Reason
from fairlot.events.records import Actor
from fairlot.warehouse.lake.layout import has_files
from fairlot.warehouse.opening import open_read_only
from fairlot.warehouse.readers import read_files
from fairlot.warehouse.sightings import (
    ASSIGNED,
    BY_ADAPTER,
    DRAWN,
    MATCHED,
    NOTHING,
    UNKNOWN_VARIANT,
    Gathering,
    Sightings,
    Wanted,
    label_of,
)

_KIND_OF_REASON: Final[Mapping[str, int]] = {
    Reason.DIVERT.value: MATCHED,
    Reason.STICKY.value: DRAWN,
    Reason.BUCKET.value: DRAWN,
    Reason.ADAPTER.value: BY_ADAPTER,
}
_NOBODY: Final = -2
_MOST_LABELS: Final = 50_000  # senders can make up as many names as they like
_ROWS_AT_ONCE: Final = 200  # what is worked on stays in the processor's cache
# A worker's file is in the order of its clock, which is trusted to be right within a day.
_CLOCK_TRUST_MS: Final = 86_400_000

# Each by itself is found at once; both in one SELECT read the whole table.
_FIRST_AND_LAST: Final = "SELECT (SELECT min(seq) FROM exposures), (SELECT max(seq) FROM exposures)"

_Gather = Callable[[Gathering], None]


class LogSlice(NamedTuple):
    """Exposures `[first_seq, end_seq)` of a worker's file; where these are None, its assignments.
    Of a file of the lake its exposures, as many as `end_seq`."""

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
    # plain texts where the record has enums: their hashes are what the time goes to
    experiment_key: str
    subject_id: str
    unit_id: str
    variant_key: str
    reason: str
    occurred_at_ms: int
    actor: str = Actor.HUMAN.value


class _Labels(dict[tuple[str, str, str, str], int]):
    """What an exposure says, as by `label_of`, given its experiment, variant, reason and actor;
    `NOTHING` where that is nothing about an experiment that is asked about, and `_NOBODY` where it
    does not make its subject known either."""

    def __init__(self, wanted: Sequence[Wanted]) -> None:
        self._places = {each.experiment_key: place for place, each in enumerate(wanted)}
        self._codes = [_codes(each) for each in wanted]

    def __missing__(self, said: tuple[str, str, str, str]) -> int:
        if len(self) >= _MOST_LABELS:
            self.clear()
        label = self[said] = self._label_of(*said)
        return label

    def _label_of(self, experiment_key: str, variant_key: str, reason: str, actor: str) -> int:
        if actor != Actor.HUMAN or reason == Reason.PREVIEW:
            return _NOBODY
        place, kind = self._places.get(experiment_key), _KIND_OF_REASON.get(reason)
        if place is None or kind is None:
            return NOTHING
        return label_of(place, self._codes[place].get(variant_key, UNKNOWN_VARIANT), kind)


def slices_of(directory: Path, since_ms: int, rows_at_most: int, project_id: str) -> list[LogSlice]:
    """The exposures since then, of workers' files in slices of at most so many rows and of the lake
    a file each; then the assignments. They are of use for as long as the log is `undisturbed`."""
    exposures, assignments = [], []
    for file in read_files(directory, "exposures"):
        with closing(file):
            path = Path(file.execute("PRAGMA database_list").fetchone()[2])
            file.execute("BEGIN")  # a compaction may empty the table meanwhile
            first, last = file.execute(_FIRST_AND_LAST).fetchone()
            if last is not None:
                start = _first_since(file, since_ms - _CLOCK_TRUST_MS, first, last)
                exposures += [
                    LogSlice(path, begin, min(begin + rows_at_most, last + 1))
                    for begin in range(start, last + 1, rows_at_most)
                ]
            assignments.append(LogSlice(path))
    if has_files(directory):
        from fairlot.warehouse.lake.sightings import sizes_of_files  # slow, and rarely needed

        sizes = sizes_of_files(directory, project_id, since_ms)
        exposures += [LogSlice(path, 0, rows) for path, rows in sizes.items()]
    return exposures + assignments


def read_sightings(log_slice: LogSlice, asked: Asked) -> Iterator[list[Sightings]]:
    """What a slice holds, in its order and in pieces; of each piece all parts."""
    if log_slice.path.suffix == ".parquet":
        yield from _read_lake_file(log_slice.path, asked)
        return
    with closing(open_read_only(log_slice.path)) as log:
        for gathering in _gatherings(log, log_slice, asked):
            yield gathering.parted(asked.parts)


def _read_lake_file(path: Path, asked: Asked) -> Iterator[list[Sightings]]:
    from fairlot.warehouse.lake.sightings import read_exposures_of_file  # as above

    labels, account_keys = _Labels(asked.wanted), _by_account(asked)
    gathering = Gathering(are_exposures=True)
    for rows in read_exposures_of_file(path, asked.since_ms):
        _gather_exposures([_Exposure(*row) for row in rows], labels, account_keys, gathering)
        if gathering.is_full:
            yield gathering.parted(asked.parts)
            gathering = Gathering(are_exposures=True)
    yield gathering.parted(asked.parts)


def _by_account(asked: Asked) -> frozenset[str]:
    return frozenset(each.experiment_key for each in asked.wanted if each.by_account)


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
    batches = _exposures(log, log_slice, asked) if are_exposures else _assignments(log, asked)
    gathering = Gathering(are_exposures=are_exposures)
    for gather in batches:
        gather(gathering)
        if gathering.is_full:
            yield gathering
            gathering = Gathering(are_exposures=are_exposures)
    yield gathering


def _exposures(log: sqlite3.Connection, log_slice: LogSlice, asked: Asked) -> Iterator[_Gather]:
    """Many bodies are read as one JSON array, which is faster than each alone."""
    decode = msgspec.json.Decoder(list[_Exposure]).decode
    labels = _Labels(asked.wanted)
    account_keys = _by_account(asked)
    columns = {row[1] for row in log.execute("PRAGMA table_info(exposures)")}
    project = "project_id"
    if project not in columns:  # a file of schema 1 that no worker has opened since
        project = "json_extract(CAST(body AS TEXT), '$.project_id')"
    statement = (
        "SELECT '[' || group_concat(CAST(body AS TEXT)) || ']' FROM exposures"  # noqa: S608
        f" WHERE seq >= ? AND seq < ? AND received_at_ms >= ? AND {project} = ?"
    )
    log.text_factory = bytes
    first, end = log_slice.first_seq or 0, log_slice.end_seq or 0
    for begin in range(first, end, _ROWS_AT_ONCE):
        chosen = (begin, min(begin + _ROWS_AT_ONCE, end), asked.since_ms, asked.project_id)
        (bodies,) = log.execute(statement, chosen).fetchone()
        if bodies is not None:
            yield partial(_gather_exposures, decode(bodies), labels, account_keys)


def _gather_exposures(
    exposures: list[_Exposure],
    labels: _Labels,
    account_keys: Collection[str],
    into: Gathering,
) -> None:
    """A unit that is not the subject is an account, and one of an experiment by account."""
    subjects, accounts = into.subjects, into.accounts
    for one in exposures:
        label = labels[one.experiment_key, one.variant_key, one.reason, one.actor]
        if label == _NOBODY:
            continue
        is_by_account = one.experiment_key in account_keys
        if is_by_account or one.unit_id != one.subject_id:
            accounts.units.append(one.unit_id)
            accounts.labels.append(label if is_by_account else NOTHING)
            accounts.at_ms.append(one.occurred_at_ms)
            label = NOTHING
        subjects.units.append(one.subject_id)
        subjects.labels.append(label)
        subjects.at_ms.append(one.occurred_at_ms)


def _assignments(log: sqlite3.Connection, asked: Asked) -> Iterator[_Gather]:
    for place, wanted in enumerate(asked.wanted):
        labels = {key: label_of(place, code, ASSIGNED) for key, code in _codes(wanted).items()}
        unknown = label_of(place, UNKNOWN_VARIANT, ASSIGNED)
        rows = log.execute(
            "SELECT unit_id, variant_key, assigned_at_ms FROM assignments WHERE experiment_id = ?",
            (wanted.experiment_id,),
        )
        while some := rows.fetchmany(_ROWS_AT_ONCE):
            units, variants, at_ms = zip(*some, strict=True)
            told = [labels.get(variant, unknown) for variant in variants]
            yield partial(_gather_assignments, units, told, at_ms, by_account=wanted.by_account)


def _gather_assignments(
    units: Sequence[str],
    labels: Sequence[int],
    at_ms: Sequence[int],
    into: Gathering,
    *,
    by_account: bool,
) -> None:
    rows = into.accounts if by_account else into.subjects
    rows.units.extend(units)
    rows.labels.extend(labels)
    rows.at_ms.extend(at_ms)


def _codes(wanted: Wanted) -> dict[str, int]:
    return {variant: code for code, variant in enumerate(wanted.variants)}
