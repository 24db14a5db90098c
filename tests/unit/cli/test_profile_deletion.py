from pathlib import Path

import pytest

from support.commands import Run

ASIDE = "worker-0.corrupt-20260101T000000.000000Z"


def test_profiles_delete__confirmed__says_what_was_done(shop: Run) -> None:
    ran = shop("profiles", "delete", "ada", typed="y\n")

    assert ran.code == 0, ran.err
    assert "Delete all of the subject ada in default/default?" in ran.out + ran.err
    assert "No profile; all events of the subject are deleted: del_" in ran.out


@pytest.mark.parametrize(
    ("words", "typed", "told"),
    [
        ((), None, "nobody is here to be asked: add --yes to delete"),
        ((), "n\n", "nothing was changed"),
        (("--json",), None, "nobody is asked with --json: add --yes to delete"),
    ],
)
def test_profiles_delete__not_confirmed__deletes_nothing(
    shop: Run, words: tuple[str, ...], typed: str | None, told: str
) -> None:
    ran = shop("profiles", "delete", "ada", *words, typed=typed)

    assert ran.code == 1
    assert told in ran.out + ran.err
    assert shop("audit", "list", "--action", "profile.delete", "--json").json["records"] == []


def test_profiles_delete__something_is_left__is_named_with_what_to_do(
    shop: Run, tmp_path: Path
) -> None:
    events = tmp_path / ".fairlot" / "events"
    events.mkdir(exist_ok=True)
    (events / ASIDE).write_bytes(b"damaged")

    ran = shop("profiles", "delete", "ada", "--yes")

    assert ran.code == 0
    assert f"Left: {ASIDE}: it was damaged and renamed; delete it yourself" in ran.err
    left = shop("profiles", "delete", "ada", "--yes", "--json").json
    assert (left["complete"], left["left"]) == (False, [{"file": ASIDE, "why": "set_aside"}])
