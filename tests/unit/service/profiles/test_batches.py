"""What many rows at once ask of the profiles, on both databases."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from fairlot.profiles import (
    Claim,
    Happening,
    Identifier,
    IdentifierKind,
    Profile,
    claim_of_subject,
    subject_identifier,
)
from fairlot.service.profiles import KnownProfiles, Work
from fairlot.service.reactions import NO_RULES
from fairlot.store.profiles import open_profile_store
from support.profile_bench import NOW_MS, PROJECT, ProfileBench, profile_bench

EMAIL = Identifier(IdentifierKind.EMAIL, "anna@shop.example")
NOBODY = Identifier(IdentifierKind.EMAIL, "nobody@shop.example")


@pytest.fixture
def bench(tmp_path: Path, database_url: str | None) -> Iterator[ProfileBench]:
    with profile_bench(tmp_path, database_url) as made:
        yield made


def counted(profile: Profile) -> Profile:
    times = profile.attributes.get("times", 0) + 1
    return msgspec.structs.replace(profile, attributes={"times": times})


def work(event_id: str, *, once: bool) -> Work:
    happening = Happening(event_id=event_id, name="paid", at_ms=NOW_MS)
    return Work(PROJECT, claim_of_subject("anna"), NOW_MS, (counted,), (happening,), once=once)


@pytest.mark.parametrize(("once", "times"), [(True, 2), (False, 3)])
def test_work__with_once__of_known_events_does_nothing(
    bench: ProfileBench, once: bool, times: int
) -> None:
    async def scenario() -> int:
        first = await bench.profiles.apply_all([work("e1", once=once), work("e1", once=once)])
        assert (first[1].profile is None) is once
        await bench.profiles.apply(work("e2", once=once))
        found = await bench.profiles.find(PROJECT, [subject_identifier("anna")])
        assert found is not None
        return int(found.attributes["times"])

    assert asyncio.run(scenario()) == times


def test_subject_ids__of_many__those_that_are_known(
    bench: ProfileBench, tmp_path: Path, database_url: str | None
) -> None:
    async def scenario() -> None:
        claim = Claim((subject_identifier("anna"),), ("anna",), also=(EMAIL,))
        await bench.happen(claim, "view")
        asked = {EMAIL, NOBODY}
        assert await bench.profiles.subject_ids(PROJECT, asked) == {EMAIL: "anna"}
        assert await bench.profiles.subject_ids("prj_other", asked) == {}
        other = KnownProfiles(
            open_profile_store(tmp_path, database_url), bench.log, NO_RULES, lambda: NOW_MS
        )
        assert await other.subject_ids(PROJECT, asked) == {EMAIL: "anna"}
        other.close(5)

    asyncio.run(scenario())


def test_apply_all__more_names_than_a_statement_may_hold__all_are_applied(
    bench: ProfileBench,
) -> None:
    def named(number: int) -> Work:
        names = [Identifier(IdentifierKind.EMAIL, f"{number}.{each}@a.example") for each in "ab"]
        claim = Claim((subject_identifier(f"v{number}"),), (f"v{number}",), also=tuple(names))
        happening = Happening(event_id=f"e{number}", name="view", at_ms=NOW_MS)
        return Work(PROJECT, claim, NOW_MS, happenings=(happening,))

    async def scenario() -> None:
        works = [named(number) for number in range(12_000)]
        applied = await bench.profiles.apply_all(works)
        assert all(each.is_new for each in applied)
        again = await bench.profiles.apply_all(works)
        assert not any(each.is_new or each.new_events for each in again)

    asyncio.run(scenario())
