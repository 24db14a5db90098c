"""`fairlot profiles` and `fairlot accounts`, on both databases."""

import asyncio
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from fairlot.events import Assignment
from fairlot.profiles import KeptAssignment, Profile, claim_of_source, claim_of_subject
from fairlot.service.profiles import KnownProfiles, Step, Work
from fairlot.service.reactions import NO_RULES
from fairlot.store import open_store
from fairlot.store.profiles import open_profile_store
from fairlot.store.tenants import all_projects
from fairlot.warehouse.log import EventLog, read_identities
from support.commands import Run
from unit.warehouse.records import exposure

NOW_MS = 1_790_000_000_000


def given(variant_key: str) -> Step:
    kept = KeptAssignment(
        experiment_key="hero", variant_key=variant_key, manifest_version=1, at_ms=1
    )

    def step(profile: Profile) -> Profile:
        return msgspec.structs.replace(
            profile, assignments={"exp_1": kept}, attributes={"tier": "pro"}
        )

    return step


@pytest.fixture
def people(shop: Run, tmp_path: Path, database_url: str | None) -> Run:
    """The shop, with `phone` (user anna, of the account acme) and the younger `laptop`."""
    data = tmp_path / ".fairlot"
    with closing(open_store(data, None, database_url)) as store, store.reading() as connection:
        (project,) = all_projects(connection)
    log = EventLog.open(data / "events")
    profiles = KnownProfiles(open_profile_store(data, database_url), log, NO_RULES, lambda: NOW_MS)
    phone = claim_of_source("app", "phone", user_id="anna")
    works = [
        Work(
            project.id,
            phone,
            NOW_MS - 1000,
            steps=[given("red")],
            account_id="acme",
            account_attributes={"plan": "team"},
        ),
        Work(project.id, claim_of_subject("laptop"), NOW_MS, steps=[given("blue")]),
    ]
    asyncio.run(profiles.apply_all(works))
    profiles.close(5)
    log.close(5)
    return shop


def test_profiles_show__by_user_id__prints_what_is_known(people: Run) -> None:
    shown = people("profiles", "show", "anna").out
    for text in ("phone", "anna", "acme", "source phone", "attribute tier", "assigned hero", "red"):
        assert text in shown
    assert people("profiles", "show", "phone", "--json").json["userId"] == "anna"


def test_profiles_show__nobody__says_what_to_do(people: Run) -> None:
    ran = people("profiles", "show", "nobody")
    assert ran.code == 1
    assert "nobody: there is no such subject; check the spelling" in ran.err


def test_profiles_list__limited__shows_so_many(people: Run) -> None:
    listed = people("profiles", "list").out
    assert "phone" in listed
    assert "laptop" in listed
    (first,) = people("profiles", "list", "--limit", "1", "--json").json["profiles"]
    assert first["subjectId"] == "phone"


def test_profiles_export__prints_history_and_events(people: Run) -> None:
    found = people("profiles", "export", "anna").json
    assert found["profile"]["subjectId"] == "phone"
    assert [each["kind"] for each in found["events"]] == ["identity"]


def test_profiles_export__no_profile__prints_its_assignments_and_events(
    people: Run, tmp_path: Path
) -> None:
    (project_id,) = {each.project_id for each in read_identities(tmp_path / ".fairlot" / "events")}
    published = people("manifest", "show", "--json").json["experiments"]
    (experiment_id,) = [each["id"] for each in published if each["key"] == "loyalty-price"]
    log = EventLog.open(tmp_path / ".fairlot" / "events")
    log.record(
        exposure("only-asked", project_id=project_id),
        Assignment(experiment_id, "loyalty-price", "only-asked", "member-price", 1, NOW_MS),
    )
    log.close(5)

    ran = people("profiles", "export", "only-asked")

    assert ran.code == 0, ran.err
    assert ran.json["profile"] is None
    assert [each["subject_id"] for each in ran.json["events"]] == ["only-asked"]
    assert [each["variantKey"] for each in ran.json["assignments"]] == ["member-price"]
    nobody = people("profiles", "export", "nobody")
    assert "nobody: there is no such subject; check the spelling" in nobody.err


def test_profiles_merge__without_a_server__records_it_and_says_who_switched(
    people: Run, tmp_path: Path
) -> None:
    ran = people("profiles", "merge", "laptop", "anna")
    assert ran.code == 0, ran.err
    assert "laptop and anna are phone." in ran.out
    assert "hero: blue became red" in ran.out
    told = [each.subject_id for each in read_identities(tmp_path / ".fairlot" / "events")]
    assert told == ["phone", "laptop"]
    assert "red switched" in people("profiles", "show", "laptop").out
    again = people("profiles", "merge", "laptop", "anna", "--json").json
    assert again["merged"] == []


def test_accounts_show__known_and_unknown__are_told(people: Run) -> None:
    assert "attribute plan" in people("accounts", "show", "acme").out
    assert people("accounts", "show", "acme", "--json").json["attributes"] == {"plan": "team"}
    ran = people("accounts", "show", "nobody")
    assert ran.code == 1
    assert "there is no such account" in ran.err
