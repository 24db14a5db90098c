"""Counting over the whole event log: slices are read, then parts of the units are counted.

What goes from the one to the other is small. A large log is given to other processes, so that a
server that plans goes on serving.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from itertools import chain
from multiprocessing import get_context
from os import cpu_count
from typing import TYPE_CHECKING, Any, Final

from fairlot.engine import Unit
from fairlot.service.moves.questions import Counts, Question, Tally
from fairlot.service.moves.traces import count_part
from fairlot.warehouse.sighting_files import Asked, read_sightings, slices_of
from fairlot.warehouse.sightings import Wanted

if TYPE_CHECKING:
    from fairlot.service.moves.known_subjects import KnownSubjects

_OTHER_PROCESSES_FROM: Final = 300_000
_ROWS_A_SLICE: Final = 1_000_000
_PARTS: Final = 16  # small enough for what is looked up at random to stay in the caches

_Map = Callable[..., Iterable[Any]]


def count_known(known: "KnownSubjects", questions: Sequence[Question]) -> Counts:
    slices = slices_of(known.directory, known.since_ms, _ROWS_A_SLICE)
    if not slices:
        return Counts(0, 0, {question.experiment_key: Tally() for question in questions})
    rows = sum((each.end_seq or 0) - (each.first_seq or 0) for each in slices)
    processes = 1 if rows < _OTHER_PROCESSES_FROM else known.processes or cpu_count() or 1
    parts = 1 if processes == 1 else _PARTS
    asked = Asked(known.project_id, known.since_ms, tuple(map(_wanted, questions)), parts)
    with _sharing(processes) as run:
        seen = list(run(read_sightings, slices, [asked] * len(slices)))
        by_part = [list(chain.from_iterable(each[part] for each in seen)) for part in range(parts)]
        return _sum(run(count_part, by_part, [questions] * parts))


def _wanted(question: Question) -> Wanted:
    by_account = question.unit is Unit.ACCOUNT
    return Wanted(question.experiment_key, question.experiment_id, by_account, question.variants)


@contextmanager
def _sharing(processes: int) -> Iterator[_Map]:
    """`map`, done here or shared by so many other processes."""
    if processes == 1:
        yield map
        return
    # Spawned: a forked child would hold the connections and locks of a server.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        yield pool.map


def _sum(counted: Iterable[Counts]) -> Counts:
    subjects = accounts = 0
    tallies: defaultdict[str, Tally] = defaultdict(Tally)
    for counts in counted:
        subjects += counts.subjects
        accounts += counts.accounts
        for key, tally in counts.tallies.items():
            tallies[key].add(tally)
    return Counts(subjects, accounts, tallies)
