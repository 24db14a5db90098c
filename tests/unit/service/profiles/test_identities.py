"""Whom a request is about, on both databases."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from fairlot.profiles import (
    Claim,
    Identifier,
    IdentifierKind,
    KeptAssignment,
    Profile,
    claim_of_source,
    claim_of_subject,
    source_identifier,
    subject_identifier,
)
from fairlot.profiles.records import MAX_IDENTIFIERS
from fairlot.service.profiles import Step
from support.profile_bench import PROJECT, ProfileBench, profile_bench


@pytest.fixture
def bench(tmp_path: Path, database_url: str | None) -> Iterator[ProfileBench]:
    with profile_bench(tmp_path, database_url) as made:
        yield made


def given(variant_key: str) -> Step:
    """It remembers a variant of one experiment."""

    def step(profile: Profile) -> Profile:
        kept = KeptAssignment(
            experiment_key="hero", variant_key=variant_key, manifest_version=1, at_ms=1
        )
        return msgspec.structs.replace(profile, assignments={"exp_1": kept})

    return step


async def known(bench: ProfileBench, identifier: Identifier) -> Profile | None:
    """As this process and as the database has it: they must agree."""
    found = await bench.profiles.find(PROJECT, [identifier])
    assert bench.stored(identifier) == found
    return found


def alias(one: str, other: str) -> Claim:
    return Claim((subject_identifier(one),), (one,), (subject_identifier(other),), merge=True)


def test_merge__second_device_with_another_variant__is_switched_counted_and_recorded(
    bench: ProfileBench,
) -> None:
    async def scenario() -> None:
        await bench.happen(claim_of_source("app", "p1"), steps=[given("red")])
        bench.now_ms += 1000
        await bench.happen(claim_of_source("web", "w1"), steps=[given("blue")])
        await bench.happen(claim_of_source("app", "p1", user_id="anna"))
        joined = await bench.happen(claim_of_source("web", "w1", user_id="anna"))
        assert joined.profile is not None
        kept = joined.profile.assignments["exp_1"]
        assert (kept.variant_key, kept.switched) == ("red", True)
        again = await bench.happen(claim_of_source("web", "w1", user_id="anna"))
        assert again.merged == ()

    asyncio.run(scenario())
    assert bench.profiles.figures.switched == 1
    (switch,) = [each for each in bench.identities() if each.properties is not None]
    assert (switch.subject_id, switch.user_id) == ("w1", "p1")
    assert switch.properties == {
        "fairlot.merged": True,
        "switched": [
            {"experiment_id": "exp_1", "experiment_key": "hero", "from": "blue", "to": "red"}
        ],
    }


@pytest.mark.parametrize("first", ["p1", "w1"])
def test_merge__whoever_logged_in_first__all_ids_lead_to_the_older_and_that_one_to_the_user(
    bench: ProfileBench, first: str
) -> None:
    async def scenario() -> None:
        for name in ("p1", "w1"):
            await bench.happen(name)
            bench.now_ms += 1000
        await bench.happen(claim_of_subject(first, user_id="anna"))
        other = {"p1": "w1", "w1": "p1"}[first]
        await bench.happen(claim_of_subject(other, user_id="anna"))

    asyncio.run(scenario())
    recorded = [
        (each.subject_id, each.user_id, "fairlot.merged" in (each.properties or {}))
        for each in bench.identities()
    ]
    assert ("w1", "p1", True) in recorded and ("p1", "anna", False) in recorded
    assert {each for each in recorded if each[0] == "p1"} == {("p1", "anna", False)}
    assert len(recorded) == len(set(recorded))


def test_login__on_a_device_that_is_new__is_told_of_what_the_device_does_by_its_id(
    bench: ProfileBench,
) -> None:
    async def scenario() -> None:
        await bench.happen(claim_of_source("app", "p1", user_id="anna"))
        await bench.happen("stranger")
        for device in ("w1", "stranger"):
            await bench.happen(claim_of_source("web", device, user_id="anna"))
        anna = await known(bench, subject_identifier("anna"))
        assert anna is not None
        assert anna.subject_id == "p1"
        assert sorted(anna.subject_ids()) == ["anna", "p1", "w1"]
        assert (await bench.happen("w1", "view")).profile == await known(
            bench, source_identifier("web", "w1")
        )
        other = await known(bench, subject_identifier("stranger"))
        assert other is not None
        assert other.id != anna.id

    asyncio.run(scenario())
    links = {(each.subject_id, each.user_id) for each in bench.identities()}
    assert links == {("p1", "anna"), ("w1", "anna")}


def test_login__that_names_the_new_device_too__names_it_once(bench: ProfileBench) -> None:
    async def scenario() -> None:
        await bench.happen(claim_of_subject("anna", user_id="anna"))
        web = claim_of_source("web", "w1", user_id="anna")
        both = Claim(web.find, web.subject_ids, (*web.names, subject_identifier("w1")), (), "anna")
        await bench.happen(both)
        anna = await known(bench, subject_identifier("anna"))
        assert anna is not None
        assert sorted(anna.subject_ids()) == ["anna", "w1"]

    asyncio.run(scenario())


def test_merge__of_three__leaves_the_oldest_with_everything(bench: ProfileBench) -> None:
    async def scenario() -> None:
        for name in ("b", "a", "c"):
            await bench.happen(name, f"view-{name}")
            bench.now_ms += 1
        all_three = Claim(
            (subject_identifier("c"),),
            ("c",),
            (subject_identifier("a"), subject_identifier("b")),
            merge=True,
        )
        joined = await bench.happen(all_three)
        assert joined.profile is not None
        assert joined.profile.subject_id == "b"
        assert sorted(each.gone.subject_id for each in joined.merged) == ["a", "c"]
        names = dict.fromkeys(("view-a", "view-b", "view-c"), 10_000)
        history = await bench.profiles.history(joined.profile, names, bench.now_ms)
        assert [len(each) for each in history.values()] == [1, 1, 1]
        for name in ("a", "b", "c"):
            assert await known(bench, subject_identifier(name)) == joined.profile

    asyncio.run(scenario())
    links = sorted((each.subject_id, each.user_id) for each in bench.identities())
    assert links == [("a", "b"), ("c", "b")]


def test_merge__loop_of_aliases__ends_in_one(bench: ProfileBench) -> None:
    async def scenario() -> None:
        for one, other in (("a", "b"), ("b", "c"), ("c", "a"), ("b", "a")):
            await bench.happen(alias(one, other))
        found = await known(bench, subject_identifier("a"))
        assert found is not None
        for name in ("b", "c"):
            assert await known(bench, subject_identifier(name)) == found

    asyncio.run(scenario())


def test_alias__to_oneself__changes_nothing(bench: ProfileBench) -> None:
    async def scenario() -> None:
        first = await bench.happen(alias("a", "a"))
        again = await bench.happen(alias("a", "a"))
        assert again.merged == ()
        assert first.profile == again.profile
        assert first.profile is not None
        assert first.profile.identifiers == (subject_identifier("a"),)

    asyncio.run(scenario())
    assert bench.identities() == []


def test_shared_device__whose_visitor_id_is_the_first_users__keeps_drawing_that_user(
    bench: ProfileBench,
) -> None:
    async def scenario() -> None:
        await bench.happen(claim_of_subject("v1", user_id="anna"))
        bert = await bench.happen(claim_of_subject("v1", user_id="bert"))
        assert bert.profile is not None
        assert bert.profile.subject_id == "bert"
        anna = await known(bench, subject_identifier("v1"))
        assert anna is not None
        assert anna.user_id == "anna"
        assert subject_identifier("v1") in anna.identifiers
        later = await bench.happen(claim_of_subject("anna"))
        assert later.profile is not None
        assert later.profile.id == anna.id
        assert await known(bench, subject_identifier("v1")) == later.profile

    asyncio.run(scenario())


def test_shared_device__of_a_source__belongs_to_whoever_logged_in_last(
    bench: ProfileBench,
) -> None:
    async def scenario() -> None:
        device = source_identifier("web", "w1")
        for user_id in ("anna", "bert", "anna"):
            await bench.happen(claim_of_source("web", "w1", user_id=user_id))
            found = await known(bench, device)
            assert found is not None
            assert found.user_id == user_id
            for name in ("anna", "bert"):
                named = await known(bench, subject_identifier(name))
                assert named is None or (device in named.identifiers) == (name == user_id)

    asyncio.run(scenario())


def test_login__as_a_user_known_by_the_id_alone__finds_that_profile(bench: ProfileBench) -> None:
    async def scenario() -> None:
        await bench.happen(claim_of_source("web", "w1", user_id="anna"))
        bert = await bench.happen("bert")
        there = await bench.happen(claim_of_source("web", "w1", user_id="bert"))
        assert bert.profile is not None
        assert there.profile is not None
        assert there.profile.id == bert.profile.id

    asyncio.run(scenario())


def test_name_of_another_user__claimed_without_merging__stays_where_it_is(
    bench: ProfileBench,
) -> None:
    async def scenario() -> None:
        await bench.happen(claim_of_subject("a", user_id="anna"))
        bert = await bench.happen(claim_of_subject("b", user_id="bert"))
        both = Claim((subject_identifier("a"),), ("a",), (subject_identifier("bert"),))
        anna = await bench.happen(both)
        assert anna.merged == ()
        assert await known(bench, subject_identifier("bert")) == bert.profile

    asyncio.run(scenario())


def test_profile_id__clash_inside_the_project__is_drawn_with_its_source(
    bench: ProfileBench,
) -> None:
    async def scenario() -> None:
        await bench.happen(claim_of_source("app", "p1"))
        other = await bench.happen(claim_of_source("web", "p1"))
        assert other.profile is not None
        assert other.profile.subject_id == "web.p1"

    asyncio.run(scenario())


def test_user_id__that_everybody_has__takes_in_so_many_devices_and_no_more(
    bench: ProfileBench,
) -> None:
    async def scenario() -> None:
        user = subject_identifier("undefined")
        for device in range(MAX_IDENTIFIERS + 20):
            await bench.happen(claim_of_source("web", f"w{device}", user_id="undefined"))
        everybody = await known(bench, user)
        assert everybody is not None
        assert len(everybody.identifiers) == MAX_IDENTIFIERS
        assert everybody.subject_id == "w0"
        assert user in everybody.identifiers
        assert await known(bench, source_identifier("web", "w5")) is None
        latest = source_identifier("web", f"w{MAX_IDENTIFIERS + 19}")
        assert await known(bench, latest) == everybody

    asyncio.run(scenario())


def test_two_with_many_names__are_not_merged(bench: ProfileBench) -> None:
    async def scenario() -> None:
        def named(name: str) -> Claim:
            more = (
                Identifier(IdentifierKind.EXTERNAL, f"{name}{each}")
                for each in range(MAX_IDENTIFIERS // 2)
            )
            return Claim((subject_identifier(name),), (name,), also=tuple(more))

        await bench.happen(named("a"))
        await bench.happen(named("b"))
        joined = await bench.happen(alias("a", "b"))
        assert joined.merged == ()
        other = await known(bench, subject_identifier("b"))
        assert other is not None
        assert other.subject_id == "b"

    asyncio.run(scenario())


def test_works_of_one_commit__make_name_and_merge_the_same_subjects(bench: ProfileBench) -> None:
    async def scenario() -> None:
        works = [
            bench.work(claim_of_source("app", "p1"), "view", at_ms=bench.now_ms - 1),
            bench.work(claim_of_source("web", "w1"), "view"),
            bench.work(claim_of_source("app", "p1", user_id="anna")),
            bench.work(claim_of_source("web", "w1", user_id="anna")),
            bench.work("anna", "order"),
        ]
        applied = await bench.profiles.apply_all(works)
        assert [each.is_new for each in applied] == [True, True, False, False, False]
        anna = applied[-1].profile
        assert anna is not None
        assert anna.subject_id == "p1"
        assert await known(bench, source_identifier("web", "w1")) == anna
        history = await bench.profiles.history(anna, {"view": 9_000, "order": 9_000}, bench.now_ms)
        assert {name: len(each) for name, each in history.items()} == {"view": 2, "order": 1}

    asyncio.run(scenario())
