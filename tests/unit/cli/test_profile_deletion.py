import asyncio
from contextlib import closing
from pathlib import Path

import pytest

from fairlot.profiles import Claim, Identifier, IdentifierKind, claim_of_subject
from fairlot.service.profiles import KnownProfiles, Work
from fairlot.service.reactions import NO_RULES
from fairlot.store import open_store
from fairlot.store.profiles import open_profile_store
from fairlot.store.tenants import all_projects
from fairlot.warehouse.log import EventLog
from support.commands import Run

ASIDE = "worker-0.corrupt-20260101T000000.000000Z"


def test_profiles_delete__confirmed__says_what_was_done(shop: Run) -> None:
    ran = shop("profiles", "delete", "ada", typed="y\n")

    assert ran.code == 0, ran.err
    assert "Delete all of the subject ada in default/default?" in ran.out + ran.err
    assert "No profile; all events of the subject are deleted: del_" in ran.out


def test_profiles_delete__others_are_called_so__deletes_the_subject_and_names_them(
    shop: Run, tmp_path: Path, database_url: str | None
) -> None:
    know(tmp_path / ".fairlot", database_url, claim_of_subject("17"), of_address("17", "ada"))

    ran = shop("profiles", "delete", "17", typed="y\n")

    assert ran.code == 0, ran.err
    assert "Delete all of the subject 17 in default/default?" in ran.out + ran.err
    assert "The profile and all events of the subject are deleted: del_" in ran.out
    assert "Others are called 17 too, and stay: ada" in ran.err
    assert shop("profiles", "show", "ada").code == 0


def test_profiles_delete__several_have_the_name__is_refused_and_names_them(
    shop: Run, tmp_path: Path, database_url: str | None
) -> None:
    external = Claim((Identifier(IdentifierKind.EXTERNAL, "17"),), ("bo",))
    know(tmp_path / ".fairlot", database_url, external, of_address("17", "ada"))

    ran = shop("profiles", "delete", "17", "--yes")

    assert ran.code == 1
    assert "17: 2 subjects are called so, and none is deleted" in ran.err
    assert "delete by subject id whom you mean: bo, ada" in ran.err
    assert shop("profiles", "show", "bo").code == shop("profiles", "show", "ada").code == 0


def test_profiles_delete__by_address__says_who_it_is_and_deletes_whoever_has_it(
    shop: Run, tmp_path: Path, database_url: str | None
) -> None:
    know(tmp_path / ".fairlot", database_url, of_address("ada@x.example", "ada"))

    ran = shop("profiles", "delete", "ADA@x.example", typed="y\n")

    asked = "Delete all of the subject ada, who is called ADA@x.example, in default/default?"
    assert asked in ran.out + ran.err
    assert "The profile and all events of the subject are deleted: del_" in ran.out
    assert shop("profiles", "show", "ada").code == 1


def of_address(mail: str, subject_id: str) -> Claim:
    return Claim((Identifier(IdentifierKind.EMAIL, mail),), (subject_id,))


def know(data: Path, database_url: str | None, *claims: Claim) -> None:
    with closing(open_store(data, None, database_url)) as store, store.reading() as connection:
        (project,) = all_projects(connection)
    log = EventLog.open(data / "events")
    profiles = KnownProfiles(open_profile_store(data, database_url), log, NO_RULES, lambda: 0)
    asyncio.run(profiles.apply_all([Work(project.id, each, 0) for each in claims]))
    profiles.close(5)
    log.close(5)


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
