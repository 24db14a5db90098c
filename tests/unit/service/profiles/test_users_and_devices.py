"""Users who are called like devices, on both databases: nobody becomes somebody else."""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import permutations
from pathlib import Path
from random import Random

import pytest

from fairlot.events.properties import MERGED
from fairlot.profiles import (
    Claim,
    Profile,
    claim_of_source,
    claim_of_subject,
    source_identifier,
    subject_identifier,
    user_identifier,
)
from support.profile_bench import PROJECT, ProfileBench, profile_bench

Seen = tuple[str | None, str | None]
"""A device and a user: one of them alone, or a login."""


@pytest.fixture
def bench(tmp_path: Path, database_url: str | None) -> Iterator[ProfileBench]:
    with profile_bench(tmp_path, database_url) as made:
        yield made


def claim_of(seen: Seen) -> Claim:
    device, user = seen
    if device is None:
        assert user is not None
        return claim_of_subject(user, user_id=user)
    return claim_of_source("web", device, user_id=user)


async def user_called(bench: ProfileBench, user_id: str) -> Profile | None:
    """As this process and as the database has it: they must agree."""
    found = await bench.profiles.find(PROJECT, [user_identifier(user_id)])
    assert bench.stored(user_identifier(user_id)) == found
    subject_ids = await bench.profiles.subject_ids(PROJECT, [user_identifier(user_id)])
    assert [*subject_ids.values()] == ([] if found is None else [found.subject_id])
    return found


def person_in_results(bench: ProfileBench, subject_id: str) -> str:
    """Whom the identities of the log make of an id, as people.py says it."""
    merges: dict[str, str] = {}
    firsts: dict[str, str] = {}
    users = set()
    for each in sorted(bench.identities(), key=lambda one: (one.occurred_at_ms, one.event_id)):
        if MERGED in (each.properties or {}):
            merges[each.subject_id] = each.user_id
        else:
            firsts.setdefault(each.subject_id, each.user_id)
            users.add(each.user_id)
    into = merges.get(subject_id, subject_id)
    into = merges.get(into, into)
    return into if into in users else firsts.get(into, into)


async def check_apart(bench: ProfileBench, history: Sequence[Seen]) -> None:
    """What is known after a history, said by its logins alone."""
    known_as: dict[str, str | None] = {}
    for device, user in history:
        if device is not None:
            known_as[device] = user or known_as.get(device)
    users = {user for _, user in history if user is not None}
    profiles = {}
    for user in users:
        found = await user_called(bench, user)
        assert found is not None, (user, history)
        assert found.user_id == user, history
        profiles[user] = found
    assert len({each.id for each in profiles.values()}) == len(users)
    people = [person_in_results(bench, each.subject_id) for each in profiles.values()]
    assert len(set(people)) == len(users), (people, history)
    for device, logged_in in known_as.items():
        found = bench.stored(source_identifier("web", device))
        assert found is not None
        assert found.user_id == logged_in, (device, history)
        if device not in users:
            assert await user_called(bench, device) is None, (device, history)


@pytest.mark.parametrize("order", list(permutations(range(3))))
@pytest.mark.parametrize("is_anonymous_first", [True, False])
def test_user__called_like_a_device_of_another__stays_apart_in_every_order(
    bench: ProfileBench, order: tuple[int, ...], is_anonymous_first: bool
) -> None:
    async def scenario() -> None:
        steps: list[list[Seen]] = [
            [(None, "u1")],
            [("17", None), ("17", "u1")] if is_anonymous_first else [("17", "u1")],
            [("d2", "17"), ("d3", "17")],
        ]
        history: list[Seen] = []
        for seen in (each for place in order for each in steps[place]):
            history.append(seen)
            await bench.happen(claim_of(seen))
            bench.now_ms += 1000
            await check_apart(bench, history)

    asyncio.run(scenario())


def test_device__whose_id_is_nobodys_else__is_its_user_until_a_user_is_called_so(
    bench: ProfileBench,
) -> None:
    async def scenario() -> None:
        await bench.happen(claim_of(("app", "u1")))
        await bench.happen(claim_of(("17", "u1")))
        by_its_id = (await bench.happen("17", "view")).profile
        assert by_its_id is not None
        assert by_its_id.user_id == "u1"
        assert person_in_results(bench, "17") == "u1"
        await bench.happen(claim_of(("d2", "17")))
        by_its_id = (await bench.happen("17", "view")).profile
        assert by_its_id is not None
        assert by_its_id.user_id == "17"
        assert person_in_results(bench, "17") == person_in_results(bench, "d2") == "17"

    asyncio.run(scenario())


def test_alias__of_a_user_and_a_device__makes_the_user_called_so_the_same(
    bench: ProfileBench,
) -> None:
    async def scenario() -> None:
        await bench.happen(claim_of((None, "u1")))
        await bench.happen(claim_of(("17", None)))
        both = Claim((subject_identifier("u1"),), (), (subject_identifier("17"),), merge=True)
        joined = await bench.happen(both)
        assert joined.profile is not None
        later = await bench.happen(claim_of((None, "17")))
        assert later.profile is not None
        assert later.profile.id == joined.profile.id

    asyncio.run(scenario())


def test_histories__at_random_of_users_and_devices_of_the_same_ids__keep_users_apart(
    bench: ProfileBench,
) -> None:
    async def scenario(seed: int) -> None:
        chance = Random(seed)  # noqa: S311 - the same each time
        ids = [f"{seed}-{number}" for number in range(3)]
        history: list[Seen] = []
        for _ in range(10):
            device, user = chance.choice([*ids, None]), chance.choice([*ids, None])
            if device is None and user is None:
                continue
            history.append((device, user))
            await bench.happen(claim_of((device, user)))
            bench.now_ms += 1000
        await check_apart(bench, history)

    for seed in range(30):
        asyncio.run(scenario(seed))
