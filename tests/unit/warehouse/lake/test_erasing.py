"""Deleting subjects from Parquet: what is gone is in no row, no dictionary and no statistics."""

from pathlib import Path

import pytest

from fairlot.profiles import subject_identifier
from fairlot.warehouse.erasing import RECEIVED_LATER_MS, Erasure
from fairlot.warehouse.errors import UnusableLogFile
from fairlot.warehouse.lake import EventKind, erasing, write_events
from fairlot.warehouse.lake.erasing import (
    erase_in_lake,
    is_erased_in_lake,
    unreadable_at_erasure,
)
from fairlot.warehouse.lake.layout import Numbers
from fairlot.warehouse.lake.locks import writing
from support.traces import traces_in
from unit.warehouse.lake.planting import DAY_MS, files_of, subjects
from unit.warehouse.records import NOW_MS, conversion, exposure, identity

ADA = "ada-lovelace-7c1f"


def digest_of(subject_id: str) -> bytes:
    return subject_identifier(subject_id).digest()


def erasure(name: str = ADA, deletion_id: str = "del_1", project_id: str = "prj_1") -> Erasure:
    digests = frozenset({digest_of(name)})
    return Erasure(deletion_id, project_id, digests, frozenset(), frozenset({"exp_team"}), NOW_MS)


def erase(directory: Path, *erasures: Erasure, since: str = "") -> bool:
    return erase_in_lake(directory, erasures or [erasure()], digest_of, since=since)


def test_erase__a_subject_a_unit_and_a_user__are_gone_from_every_byte(tmp_path: Path) -> None:
    written = write_events(
        tmp_path,
        [
            exposure(ADA, url=f"/{ADA}"),
            exposure("bo", unit_id=ADA),
            exposure("bo"),
            conversion(ADA, properties={"text": ADA}),
            conversion("bo"),
            identity("phone", user_id=ADA),
            identity("bo"),
            exposure("bo", received_at_ms=NOW_MS - DAY_MS),
        ],
    )
    untouched = min(written, key=lambda path: path.parent.name)
    before = untouched.stat().st_ino
    assert traces_in(tmp_path, ADA)
    assert erase(tmp_path)
    assert traces_in(tmp_path, ADA) == set()
    assert subjects(tmp_path) == ["bo", "bo"]
    assert [subjects(tmp_path, kind=kind) for kind in list(EventKind)[1:]] == [["bo"], ["bo"]]
    assert untouched.stat().st_ino == before, "a file that holds nothing of her stays"
    assert is_erased_in_lake(tmp_path, ["del_1"])


def test_erase__an_account_that_is_called_so__stays(tmp_path: Path) -> None:
    write_events(
        tmp_path,
        [
            exposure("bo", unit_id=ADA, experiment_id="exp_team"),
            exposure("cy", unit_id=ADA),
            exposure(ADA, unit_id="team", experiment_id="exp_team"),
        ],
    )
    erase(tmp_path)
    assert subjects(tmp_path) == ["bo"]


def test_erase__other_projects_and_what_came_later__stay(tmp_path: Path) -> None:
    write_events(
        tmp_path,
        [
            exposure(ADA, project_id="prj_2"),
            exposure(ADA, received_at_ms=NOW_MS + RECEIVED_LATER_MS),
            exposure(ADA, received_at_ms=NOW_MS + RECEIVED_LATER_MS - 1),
        ],
    )
    erase(tmp_path)
    assert subjects(tmp_path) == subjects(tmp_path, "prj_2") == [ADA]


def test_erase__all_that_a_file_holds__leaves_an_empty_one(tmp_path: Path) -> None:
    write_events(tmp_path, [exposure(ADA)])
    erase(tmp_path)
    assert len(files_of(tmp_path)) == 1 and subjects(tmp_path) == []


def test_erase__what_crashes_left__is_erased_too(tmp_path: Path) -> None:
    (path,) = write_events(tmp_path, [exposure(ADA)])
    path.with_name(".00000002.parquet.partial").write_bytes(ADA.encode())
    path.with_name(Numbers(1, 3).name).write_bytes(path.read_bytes())
    erase(tmp_path)
    assert traces_in(tmp_path, ADA) == set()


def test_erase__again__is_known_and_old_notes_are_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_events(tmp_path, [exposure(ADA)])
    erase(tmp_path)
    made: list[list[str]] = []

    def note(_directory: Path, wanted: list[Erasure], _digest_of: object) -> list[Path]:
        made.append([each.id for each in wanted])
        return []

    monkeypatch.setattr(erasing, "_erase", note)
    erase(tmp_path, erasure(), erasure("bo", "del_2"), since="del_2")
    assert made == [["del_2"]]
    assert is_erased_in_lake(tmp_path, ["del_2"])
    assert not is_erased_in_lake(tmp_path, ["del_1", "del_2"])


def test_erase__while_somebody_writes_to_the_lake__is_left_for_later(tmp_path: Path) -> None:
    with writing(tmp_path):
        assert not erase(tmp_path)
    assert not is_erased_in_lake(tmp_path, ["del_1"])


@pytest.mark.parametrize("damage", [b"PAR1", None], ids=["at the end", "in the middle"])
def test_erase__a_damaged_file__is_named_until_it_is_gone(
    tmp_path: Path, damage: bytes | None
) -> None:
    many = [exposure(f"{at:05}") for at in range(2_000)]
    (path,) = write_events(tmp_path, [exposure(ADA), *many])
    content = path.read_bytes()
    path.write_bytes(damage or content[:100] + bytes(2_000) + content[2_100:])
    assert erase(tmp_path)
    assert unreadable_at_erasure(tmp_path) == [path]
    path.unlink()
    assert unreadable_at_erasure(tmp_path) == []


def test_erase__a_file_that_cannot_be_written_anew__is_an_error_and_nothing_is_noted(
    tmp_path: Path,
) -> None:
    (path,) = write_events(tmp_path, [exposure(ADA)])
    path.with_name(f".{path.name}.partial").mkdir()
    with pytest.raises((UnusableLogFile, OSError)):
        erase(tmp_path)
    assert not is_erased_in_lake(tmp_path, ["del_1"])


def test_erase__of_a_directory_that_is_not_there__has_nothing_to_do(tmp_path: Path) -> None:
    assert is_erased_in_lake(tmp_path / "none", ["del_1"])


def test_erase__in_a_copy__is_done_and_it_stays_a_copy(tmp_path: Path) -> None:
    (path,) = write_events(tmp_path, [exposure(ADA), exposure("bo")])
    path.with_name("00000002.parquet").write_bytes(path.read_bytes())
    assert erase(tmp_path)
    assert subjects(tmp_path) == ["bo"]
    assert traces_in(tmp_path, ADA) == set()
