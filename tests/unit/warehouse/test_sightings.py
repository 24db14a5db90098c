import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fairlot.engine.model import Reason
from fairlot.events import Assignment, Exposure
from fairlot.events.records import Actor
from fairlot.warehouse import sighting_files
from fairlot.warehouse import sightings as sightings_module
from fairlot.warehouse.errors import UnusableLogFile
from fairlot.warehouse.lake import compact
from fairlot.warehouse.log_file import LogFile
from fairlot.warehouse.sighting_files import Asked, LogSlice, read_sightings, slices_of
from fairlot.warehouse.sightings import (
    ASSIGNED,
    BY_ADAPTER,
    DRAWN,
    MATCHED,
    NOTHING,
    UNKNOWN_VARIANT,
    Rows,
    Seen,
    Sightings,
    Wanted,
    experiments_in,
    kinds_in,
    label_of,
    variants_in,
)
from unit.warehouse.records import NOW_MS, assignment, exposure

DAY_MS = 86_400_000
CHECKOUT = Wanted("checkout", "exp_1", False, ("blue", "red"))
TEAMS = Wanted("teams", "exp_2", True, ("blue", "red"))
OLD_FILE = Path(__file__).with_name("schema_1.sqlite")


def write(
    directory: Path,
    *exposures: Exposure,
    assignments: Iterable[Assignment] = (),
    worker: int = 0,
) -> None:
    file = LogFile(directory / f"worker-{worker}.sqlite")
    file.append(exposures, list(assignments))
    file.close()


def asked(**changes: Any) -> Asked:
    return Asked("prj_1", NOW_MS - 28 * DAY_MS, (CHECKOUT, TEAMS), 1)._replace(**changes)


@dataclass
class Read:
    """What all slices of a log hold together: units, and (unit, experiment, variant, kind, at)."""

    subjects: set[str]
    accounts: set[str]
    rows: list[tuple[str, int, int, int, int]]


def units_of(seen: Seen) -> list[bytes]:
    text = BytesIO(seen.text)
    return [text.read(length) for length in np.frombuffer(seen.lengths, np.uint16).tolist()]


def rows_of(each: Sightings) -> list[tuple[str, int, int, int, int]]:
    return [
        (
            unit.decode(),
            int(experiments_in(label)),
            int(variants_in(label)),
            int(kinds_in(label)),
            int(at_ms),
        )
        for seen in (each.subjects, each.accounts)
        for unit, label, at_ms in zip(
            units_of(seen),
            np.frombuffer(seen.labels, np.int64),
            np.frombuffer(seen.at_ms, np.int64),
            strict=True,
        )
        if label != NOTHING
    ]


def read(directory: Path, question: Asked | None = None, rows_at_most: int = 1_000) -> Read:
    question = question or asked()
    found = Read(set(), set(), [])
    for log_slice in slices_of(directory, question.since_ms, rows_at_most, "prj_1"):
        for parts in read_sightings(log_slice, question):
            for each in parts:
                found.rows += rows_of(each)
                if each.are_exposures:
                    found.subjects |= {unit.decode() for unit in units_of(each.subjects)}
                    found.accounts |= {unit.decode() for unit in units_of(each.accounts)}
    return found


def test_sightings__exposures__subjects_and_what_their_reasons_say(tmp_path: Path) -> None:
    write(
        tmp_path,
        exposure("ann", reason=Reason.BUCKET),
        exposure("bob", reason=Reason.STICKY, variant_key="red"),
        exposure("cyd", reason=Reason.DIVERT),
        exposure("dan", reason=Reason.ADAPTER, variant_key="green"),
        exposure("eve", reason=Reason.HOLDOUT),
        exposure("fay", experiment_key="elsewhere"),
    )
    found = read(tmp_path)
    assert found.subjects == {"ann", "bob", "cyd", "dan", "eve", "fay"}
    assert sorted(found.rows) == [
        ("ann", 0, 0, DRAWN, NOW_MS),
        ("bob", 0, 1, DRAWN, NOW_MS),
        ("cyd", 0, 0, MATCHED, NOW_MS),
        ("dan", 0, UNKNOWN_VARIANT, BY_ADAPTER, NOW_MS),
    ]


def test_sightings__compacted_exposures__as_before(tmp_path: Path) -> None:
    write(
        tmp_path,
        exposure("ann", reason=Reason.BUCKET),
        exposure("bob", reason=Reason.STICKY, variant_key="red", unit_id="acme"),
        exposure("dan", actor=Actor.BOT),
        exposure("eve", received_at_ms=NOW_MS - 1),
        exposure("fay", project_id="prj_2"),
    )
    before = read(tmp_path, asked(since_ms=NOW_MS))
    compact(tmp_path)
    assert read(tmp_path, asked(since_ms=NOW_MS)) == before
    assert before.subjects == {"ann", "bob"} and before.accounts == {"acme"}
    assert sum(each.end_seq or 0 for each in slices_of(tmp_path, NOW_MS, 1_000, "prj_1")) == 4


def test_sightings__previews_bots_staff_and_other_projects__not_known(tmp_path: Path) -> None:
    write(
        tmp_path,
        exposure("ann", reason=Reason.PREVIEW),
        exposure("bob", actor=Actor.BOT),
        exposure("cyd", actor=Actor.STAFF),
        exposure("dan", project_id="prj_2"),
    )
    assert read(tmp_path) == Read(set(), set(), [])


def test_sightings__accounts__those_of_account_experiments_and_ids_that_are_no_subjects(
    tmp_path: Path,
) -> None:
    write(
        tmp_path,
        exposure("ann", experiment_key="teams", unit_id="acme"),
        exposure("bob", experiment_key="teams", unit_id="bob"),
        exposure("cyd", experiment_key="elsewhere", unit_id="corp"),
        exposure("dan", unit_id="other id of dan"),
    )
    found = read(tmp_path)
    assert found.subjects == {"ann", "bob", "cyd", "dan"}
    assert found.accounts == {"acme", "bob", "corp", "other id of dan"}
    assert {row[:2] for row in found.rows} == {("acme", 1), ("bob", 1)}


def test_sightings__assignments__rows_that_make_nobody_known(tmp_path: Path) -> None:
    write(
        tmp_path,
        assignments=(
            assignment("ann", "red", at_ms=5),
            assignment("bob", "gone", at_ms=6),
            Assignment("exp_3", "not asked about", "cyd", "blue", 1, 7),
        ),
    )
    found = read(tmp_path)
    assert found.subjects == set()
    assert sorted(found.rows) == [
        ("ann", 0, 1, ASSIGNED, 5),
        ("bob", 0, UNKNOWN_VARIANT, ASSIGNED, 6),
    ]


def test_slices__old_exposures__only_days_that_a_wrong_clock_may_have_made_old(
    tmp_path: Path,
) -> None:
    since_ms = NOW_MS - 28 * DAY_MS
    ages = (40, 30, 29.5, 28.5, 27, 1)
    write(
        tmp_path,
        *(exposure(f"{age}", received_at_ms=NOW_MS - int(age * DAY_MS)) for age in ages),
    )
    path = tmp_path / "worker-0.sqlite"
    assert slices_of(tmp_path, since_ms, 1_000, "prj_1") == [LogSlice(path, 4, 7), LogSlice(path)]
    assert read(tmp_path).subjects == {"27", "1"}


def test_slices__many_rows__none_longer_than_asked_for_and_none_twice(tmp_path: Path) -> None:
    names = {f"subject-{number}" for number in range(1_003)}
    write(tmp_path, *map(exposure, sorted(names)[:500]))
    write(tmp_path, *map(exposure, sorted(names)[500:]), worker=1)
    spans = [(each.first_seq, each.end_seq) for each in slices_of(tmp_path, 0, 300, "prj_1")]
    assert spans[:4] == [(1, 301), (301, 501), (1, 301), (301, 504)]
    assert spans[4:] == [(None, None)] * 2  # the assignments of both files come last
    found = read(tmp_path, rows_at_most=300)
    assert found.subjects == names
    assert len(found.rows) == len(names)


def test_slices__a_compaction_meanwhile__are_of_one_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, exposure("a"), exposure("b"))
    first_since = sighting_files._first_since

    def after_compaction(*asked: Any) -> int:
        assert compact(tmp_path) is not None
        return first_since(*asked)

    monkeypatch.setattr(sighting_files, "_first_since", after_compaction)
    found = slices_of(tmp_path, 0, 10, "prj_1")
    assert (found[0].first_seq, found[0].end_seq) == (1, 3)


def test_slices__nothing_in_a_file__its_assignments(tmp_path: Path) -> None:
    write(tmp_path)
    assert slices_of(tmp_path, 0, 10, "prj_1") == [LogSlice(tmp_path / "worker-0.sqlite")]
    assert slices_of(tmp_path / "not there", 0, 10, "prj_1") == []


def test_slices__no_database__named(tmp_path: Path) -> None:
    (tmp_path / "worker-0.sqlite").write_bytes(b"not a database, but long enough to be read")
    with pytest.raises(UnusableLogFile, match=r"worker-0\.sqlite: cannot be read"):
        slices_of(tmp_path, 0, 10, "prj_1")


def test_sightings__file_of_schema_1__read_as_it_is(tmp_path: Path) -> None:
    shutil.copyfile(OLD_FILE, tmp_path / "worker-0.sqlite")
    found = read(tmp_path, asked(since_ms=0))
    assert found.subjects == {"anna", "cleo"}  # bert is of another project
    assert {(unit, kind) for unit, _, _, kind, _ in found.rows} >= {
        ("anna", DRAWN),
        ("anna", ASSIGNED),
    }


def test_sightings__parts__each_unit_in_one_and_the_same_in_every_slice(tmp_path: Path) -> None:
    names = [f"unit {number}" for number in range(200)]
    for worker in range(2):
        write(
            tmp_path,
            *map(exposure, names),
            *(exposure("ann", experiment_key="teams", unit_id=name) for name in names),
            worker=worker,
        )
    (first,), (second,) = (
        read_sightings(each, asked(parts=4)) for each in slices_of(tmp_path, 0, 1_000, "prj_1")[:2]
    )
    assert len(first) == len(second) == 4
    for one, other in zip(first, second, strict=True):
        assert set(units_of(one.subjects)) == set(units_of(other.subjects))
        assert set(units_of(one.accounts)) == set(units_of(other.accounts))
        assert rows_of(one) == rows_of(other)
    together = sorted(row for part in first for row in rows_of(part))
    assert together == sorted(
        (name, experiment, 0, DRAWN, NOW_MS) for name in names for experiment in (0, 1)
    )


def test_sightings__more_than_are_held_at_once__in_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sightings_module, "_FULL_FROM", 200)
    names = [f"{number:04d}" for number in range(650)]
    write(tmp_path, *map(exposure, names))
    (log_slice, _) = slices_of(tmp_path, 0, 1_000, "prj_1")
    pieces = [each for (each,) in read_sightings(log_slice, asked())]
    assert [len(units_of(each.subjects)) for each in pieces] == [200, 200, 200, 50]
    assert [row[0] for each in pieces for row in rows_of(each)] == names


def test_labels__more_names_than_are_kept__forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sighting_files, "_MOST_LABELS", 3)
    labels = sighting_files._Labels((CHECKOUT,))
    for name in ("checkout", "a", "b", "c", "checkout"):
        told = labels[name, "red", "bucket", "human"]
        assert told == (label_of(0, 1, DRAWN) if name == "checkout" else NOTHING)
        assert len(labels) <= 3


def test_rows__lone_surrogates__the_bytes_that_are_hashed() -> None:
    rows = Rows()
    rows.units += ["\ud83d", "ann"]
    rows.labels.extend([NOTHING, NOTHING])
    rows.at_ms.extend([1, 2])
    (seen,) = rows.parted(1)
    assert units_of(seen) == ["\ufffd".encode(), b"ann"]
