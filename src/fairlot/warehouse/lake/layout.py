"""Where the files of the lake are: `project=<id>/<kind>/date=YYYY-MM-DD/<first>[-<last>].parquet`.

The date is the UTC day of receipt. Files of a folder are numbered; one that was made of several is
named for the range of their numbers and stands for them, whether they are still there or not.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote, unquote

from fairlot.warehouse.lake.columns import EventKind

_NAME: Final = re.compile(r"(\d{8})(?:-(\d{8}))?\.parquet", re.ASCII)
_PARTIAL_SUFFIX: Final = ".partial"
_LAST_NUMBER: Final = ".last"
PLACE_KEY: Final = "fairlot_place"
"""In the metadata of a file, what it was written as; whatever else has the same is a copy."""


class Partition(NamedTuple):
    project_id: str
    kind: EventKind
    day: date

    def folder(self, directory: Path) -> Path:
        parent = kind_folder(directory, self.project_id, self.kind)
        return parent / f"date={self.day.isoformat()}"


class Numbers(NamedTuple):
    """The files that a file stands for."""

    first: int
    last: int

    def within(self, other: "Numbers") -> bool:
        return self != other and other.first <= self.first and self.last <= other.last

    @property
    def name(self) -> str:
        last = "" if self.first == self.last else f"-{self.last:08}"
        return f"{self.first:08}{last}.parquet"


def project_folder(directory: Path, project_id: str) -> Path:
    return directory / f"project={quote(project_id, safe='')}"


def kind_folder(directory: Path, project_id: str, kind: EventKind) -> Path:
    return project_folder(directory, project_id) / kind.value


def projects_in(directory: Path) -> list[str]:
    found = directory.glob("project=*")
    return sorted(unquote(each.name.removeprefix("project=")) for each in found)


def partitions_in(
    directory: Path, project_id: str, kind: EventKind, since: date = date.min
) -> list[Partition]:
    """Those of a day not before `since`, by their day."""
    days = (_day_of(each) for each in kind_folder(directory, project_id, kind).glob("date=*"))
    return [Partition(project_id, kind, day) for day in sorted(filter(None, days)) if day >= since]


def has_files(directory: Path) -> bool:
    return next(directory.glob("project=*/*/date=*/*.parquet"), None) is not None


def all_partitions(directory: Path) -> Iterator[Partition]:
    for project_id in projects_in(directory):
        for kind in EventKind:
            yield from partitions_in(directory, project_id, kind)


def files_in(directory: Path, partition: Partition) -> list[Path]:
    """By name, whatever they are, and those too that another stands for."""
    return sorted(partition.folder(directory).glob("*.parquet"))


def counting_files(paths: Iterable[Path], standing: Iterable[Path]) -> list[Path]:
    """Without those that one of `standing` stands for."""
    ranges = [numbers for path in standing if (numbers := numbers_of(path)) is not None]
    return [path for path in paths if not _is_replaced(path, ranges)]


def place_of(path: Path) -> str:
    """Of a file of the lake: its project, kind, day and name, wherever the lake is."""
    return "/".join(path.parts[-4:])


def numbers_of(path: Path) -> Numbers | None:
    """None of a file that somebody else put there."""
    found = _NAME.fullmatch(path.name)
    if found is None:
        return None
    return Numbers(int(found[1]), int(found[2] or found[1]))


def next_number(folder: Path) -> int:
    """For the next file of a folder; whoever asks is its only writer. None is given again while
    its file is away: what is put back would be in the place of another."""
    there = max((each.last for each in _numbers_in(folder)), default=0)
    return max(there, _noted_number(folder)) + 1


def note_number(folder: Path, number: int) -> None:
    """That there is a file of this number. Where it cannot be noted, the files say it."""
    draft = partial_of(folder / _LAST_NUMBER)
    with suppress(OSError):
        draft.write_text(str(number))
        draft.replace(folder / _LAST_NUMBER)


def partial_of(path: Path) -> Path:
    """What a file is called until it is whole."""
    return path.with_name(f".{path.name}{_PARTIAL_SUFFIX}")


def partial_files(directory: Path) -> list[Path]:
    """What a crash left half-written."""
    return list(directory.glob(f"project=*/*/date=*/.*{_PARTIAL_SUFFIX}"))


def _noted_number(folder: Path) -> int:
    try:
        return int((folder / _LAST_NUMBER).read_text())
    except (OSError, ValueError):
        return 0


def _numbers_in(folder: Path) -> Iterator[Numbers]:
    for path in folder.glob("*.parquet"):
        numbers = numbers_of(path)
        if numbers is not None:
            yield numbers


def _is_replaced(path: Path, ranges: Iterable[Numbers]) -> bool:
    numbers = numbers_of(path)
    return numbers is not None and any(numbers.within(other) for other in ranges)


def _day_of(folder: Path) -> date | None:
    try:
        return date.fromisoformat(folder.name.removeprefix("date="))
    except ValueError:
        return None
