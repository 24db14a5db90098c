"""Counting over the whole event log: slices are read, then parts of the units are counted.

A large log is given to other processes, so that a server that plans goes on serving. What they
hand to each other goes through files, and so past the process that asks.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import chain
from multiprocessing import get_context
from os import cpu_count
from pathlib import Path
from signal import SIG_IGN, SIGINT, signal
from tempfile import TemporaryDirectory
from threading import Lock
from typing import TYPE_CHECKING, Final

import msgspec

from fairlot.engine import Unit
from fairlot.service.moves.part_counts import count_part
from fairlot.service.moves.questions import Counts, Question, Tally
from fairlot.warehouse.sighting_files import Asked, LogSlice, read_sightings, slices_of
from fairlot.warehouse.sightings import Sightings, Wanted

if TYPE_CHECKING:
    from fairlot.service.moves.known_subjects import KnownSubjects

_OTHER_PROCESSES_FROM: Final = 300_000
_MOST_PROCESSES: Final = 4
_ROWS_A_SLICE: Final = 1_000_000
_PARTS: Final = 16  # small enough for what is looked up at random to stay in the caches
_ONE_LARGE_LOG_AT_A_TIME: Final = Lock()


def count_known(known: "KnownSubjects", questions: Sequence[Question]) -> Counts:
    slices = slices_of(known.directory, known.since_ms, _ROWS_A_SLICE)
    rows = sum((each.end_seq or 0) - (each.first_seq or 0) for each in slices)
    processes = known.processes or min(cpu_count() or 1, _MOST_PROCESSES)
    wanted = tuple(map(_wanted, questions))
    if rows < _OTHER_PROCESSES_FROM or processes == 1:
        asked = Asked(known.project_id, known.since_ms, wanted, parts=1)
        seen = chain.from_iterable(read_sightings(each, asked)[0] for each in slices)
        return count_part(list(seen), questions)
    asked = Asked(known.project_id, known.since_ms, wanted, _PARTS)
    with _ONE_LARGE_LOG_AT_A_TIME:
        return _count_by_others(processes, slices, asked, questions)


def _count_by_others(
    processes: int, slices: Sequence[LogSlice], asked: Asked, questions: Sequence[Question]
) -> Counts:
    # Spawned: a forked child would hold the connections and locks of a server.
    with (
        TemporaryDirectory(prefix="fairlot-plan-") as directory,
        ProcessPoolExecutor(processes, get_context("spawn"), _leave_interrupts) as pool,
    ):
        folders = [Path(directory, str(number)) for number in range(len(slices))]
        list(pool.map(_read_into, folders, slices, [asked] * len(slices)))
        files = [[folder / str(part) for folder in folders] for part in range(asked.parts)]
        return _sum(pool.map(_count_files, files, [questions] * asked.parts))


def _leave_interrupts() -> None:
    """Ctrl-C is for the process that asks, which then gives no more to do."""
    signal(SIGINT, SIG_IGN)


def _read_into(folder: Path, log_slice: LogSlice, asked: Asked) -> None:
    """A file for each part."""
    folder.mkdir()
    for part, sightings in enumerate(read_sightings(log_slice, asked)):
        (folder / str(part)).write_bytes(msgspec.msgpack.encode(sightings))


def _count_files(files: Sequence[Path], questions: Sequence[Question]) -> Counts:
    decode = msgspec.msgpack.Decoder(list[Sightings]).decode
    sightings = chain.from_iterable(decode(file.read_bytes()) for file in files)
    return count_part(list(sightings), questions)


def _wanted(question: Question) -> Wanted:
    return Wanted(
        question.experiment_key,
        question.experiment_id,
        question.unit is Unit.ACCOUNT,
        question.variants,
    )


def _sum(counted: Iterable[Counts]) -> Counts:
    subjects = accounts = 0
    tallies: defaultdict[str, Tally] = defaultdict(Tally)
    for counts in counted:
        subjects += counts.subjects
        accounts += counts.accounts
        for key, tally in counts.tallies.items():
            tallies[key].add(tally)
    return Counts(subjects, accounts, tallies)
