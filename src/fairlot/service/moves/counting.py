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
from fairlot.warehouse.lake.locks import undisturbed
from fairlot.warehouse.sighting_files import Asked, LogSlice, read_sightings, slices_of
from fairlot.warehouse.sightings import Sightings, Wanted

if TYPE_CHECKING:
    from fairlot.service.moves.known_subjects import KnownSubjects

_LARGE_ROWS: Final = 300_000
_LARGE_BYTES: Final = 500_000_000
_MOST_PROCESSES: Final = 4
_ROWS_A_SLICE: Final = 1_000_000
_PARTS: Final = 16  # small enough for what is looked up at random to stay in the caches
_ONE_LARGE_LOG_AT_A_TIME: Final = Lock()


def count_known(known: "KnownSubjects", questions: Sequence[Question]) -> Counts:
    with undisturbed(known.directory):
        return _count_undisturbed(known, questions)


def _count_undisturbed(known: "KnownSubjects", questions: Sequence[Question]) -> Counts:
    slices = slices_of(known.directory, known.since_ms, _ROWS_A_SLICE, known.project_id)
    wanted = tuple(map(_wanted, questions))
    asked = Asked(known.project_id, known.since_ms, wanted, _PARTS)
    processes = known.processes or min(cpu_count() or 1, _MOST_PROCESSES)
    if processes > 1 and _is_large(slices):
        with _ONE_LARGE_LOG_AT_A_TIME:
            return _count_by_others(processes, slices, asked, questions)
    whole = asked._replace(parts=1)
    pieces = chain.from_iterable(read_sightings(each, whole) for each in slices)
    return count_part(chain.from_iterable(pieces), questions)


def _is_large(slices: Sequence[LogSlice]) -> bool:
    """How many assignments there are is not known; the size of the files tells when many."""
    rows = sum((each.end_seq or 0) - (each.first_seq or 0) for each in slices)
    size = sum(path.stat().st_size for path in {each.path for each in slices})
    return rows >= _LARGE_ROWS or size >= _LARGE_BYTES


def _count_by_others(
    processes: int, slices: Sequence[LogSlice], asked: Asked, questions: Sequence[Question]
) -> Counts:
    # Spawned: a forked child would hold the connections and locks of a server.
    with (
        TemporaryDirectory(prefix="fairlot-plan-") as directory,
        ProcessPoolExecutor(processes, get_context("spawn"), _leave_interrupts) as pool,
    ):
        folders = [Path(directory, str(number)) for number in range(len(slices))]
        pieces = list(pool.map(_read_into, folders, slices, [asked] * len(slices)))
        files = zip(*chain.from_iterable(pieces), strict=True)
        return _sum(pool.map(_count_files, files, [questions] * asked.parts))


def _leave_interrupts() -> None:
    """Ctrl-C is for the process that asks, which then gives no more to do."""
    signal(SIGINT, SIG_IGN)


def _read_into(folder: Path, log_slice: LogSlice, asked: Asked) -> list[list[Path]]:
    """The files of each piece, one for each part."""
    folder.mkdir()
    pieces = enumerate(read_sightings(log_slice, asked))
    return [
        [_write(folder / f"{number}-{part}", sightings) for part, sightings in enumerate(parts)]
        for number, parts in pieces
    ]


def _write(path: Path, sightings: Sightings) -> Path:
    path.write_bytes(msgspec.msgpack.encode(sightings))
    return path


def _count_files(files: Sequence[Path], questions: Sequence[Question]) -> Counts:
    decode = msgspec.msgpack.Decoder(Sightings).decode
    return count_part((decode(file.read_bytes()) for file in files), questions)


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
