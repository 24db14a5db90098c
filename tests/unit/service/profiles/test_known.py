"""Profiles as one process knows them, on both databases."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from fairlot.profiles import (
    Activation,
    Claim,
    Profile,
    claim_of_source,
    claim_of_subject,
    subject_identifier,
)
from fairlot.service.profiles import KnownProfiles
from fairlot.service.reactions import NO_RULES
from fairlot.store.profiles import open_profile_store
from support.profile_bench import NOW_MS, PROJECT, ProfileBench, profile_bench


@pytest.fixture
def bench(tmp_path: Path, database_url: str | None) -> Iterator[ProfileBench]:
    with profile_bench(tmp_path, database_url) as made:
        yield made


def test_profile__first_seen__is_drawn_by_its_id(bench: ProfileBench) -> None:
    async def scenario() -> None:
        applied = await bench.happen("anna", "view")
        assert applied.is_new
        assert applied.profile is not None
        assert applied.profile.subject_id == "anna"
        assert applied.new_events == {f"view-{NOW_MS}"}
        again = await bench.happen("anna", "view")
        assert not again.is_new
        assert again.new_events == set()
        found = await bench.profiles.find(PROJECT, [subject_identifier("anna")])
        assert found == again.profile

    asyncio.run(scenario())


def test_two_devices_of_one_user__are_merged__the_older_stays(bench: ProfileBench) -> None:
    async def scenario() -> None:
        phone = await bench.happen(claim_of_source("app", "p1"), "view")
        bench.now_ms += 1000
        await bench.happen(claim_of_source("web", "w1"), "view")
        await bench.happen(claim_of_source("app", "p1", user_id="anna"))
        joined = await bench.happen(claim_of_source("web", "w1", user_id="anna"))
        assert joined.profile is not None
        assert phone.profile is not None
        assert joined.profile.id == phone.profile.id
        assert joined.profile.subject_id == "p1"
        assert [each.gone.subject_id for each in joined.merged] == ["w1"]
        history = await bench.profiles.history(joined.profile, {"view": 10_000}, bench.now_ms)
        assert len(history["view"]) == 2
        for identifier in claim_of_source("web", "w1").find:
            assert await bench.profiles.find(PROJECT, [identifier]) == joined.profile

    asyncio.run(scenario())
    assert [(each.subject_id, each.user_id) for each in bench.identities()] == [
        ("p1", "anna"),
        ("w1", "p1"),
    ]


def test_second_user_on_one_device__is_somebody_else(bench: ProfileBench) -> None:
    async def scenario() -> None:
        anna = await bench.happen(claim_of_source("web", "w1", user_id="anna"))
        bert = await bench.happen(claim_of_source("web", "w1", user_id="bert"))
        assert anna.profile is not None
        assert bert.profile is not None
        assert anna.profile.id != bert.profile.id
        assert bert.profile.subject_id == "bert"
        later = await bench.profiles.find(PROJECT, claim_of_source("web", "w1").find)
        assert later == bert.profile

    asyncio.run(scenario())


def test_other_process__has_changed_a_profile__is_seen_after_following(
    bench: ProfileBench, tmp_path: Path, database_url: str | None
) -> None:
    async def scenario() -> None:
        await bench.happen("anna", "view")
        other = KnownProfiles(
            open_profile_store(tmp_path, database_url), bench.log, NO_RULES, lambda: NOW_MS
        )
        anna = [subject_identifier("anna")]
        before = await other.find(PROJECT, anna)
        bench.now_ms += 1000
        changed = await bench.happen("anna", "view")
        assert other.in_memory(PROJECT, anna) == before != changed.profile
        other.follow()
        assert await other.find(PROJECT, anna) == changed.profile
        other.close(5)

    asyncio.run(scenario())


def test_alias__of_two_users__makes_them_one(bench: ProfileBench) -> None:
    async def scenario() -> None:
        await bench.happen(claim_of_subject("anna", user_id="anna"))
        bench.now_ms += 1
        await bench.happen(claim_of_subject("ann", user_id="ann"))
        both = Claim(
            (subject_identifier("anna"),),
            ("anna",),
            (subject_identifier("ann"),),
            merge=True,
        )
        joined = await bench.happen(both)
        assert joined.profile is not None
        assert joined.profile.subject_id == "anna"
        assert len(joined.merged) == 1

    asyncio.run(scenario())


def test_merge__activated_in_two_arms__the_identity_event_says_so(bench: ProfileBench) -> None:
    def activated(arm: str | None) -> Callable[[Profile], Profile]:
        activation = Activation(
            experiment_key="offer",
            variant_key=arm,
            at_ms=NOW_MS,
            expires_at_ms=None,
            manifest_version=1,
        )
        return lambda profile: msgspec.structs.replace(
            profile, activations={"exp_offer": activation}
        )

    async def scenario() -> None:
        await bench.happen("old", steps=(activated("banner"),))
        bench.now_ms += 1
        await bench.happen("new", steps=(activated(None),))
        await bench.happen(claim_of_subject("old", user_id="new"))

    asyncio.run(scenario())
    assert next(each.properties for each in bench.identities()) == {
        "switched": [
            {"experiment_id": "exp_offer", "experiment_key": "offer", "from": None, "to": "banner"}
        ],
        "fairlot.merged": True,
    }
