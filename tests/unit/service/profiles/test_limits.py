"""What is refused before, or when, it would be stored, on both databases."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fairlot.profiles import (
    MAX_ATTRIBUTES_BYTES,
    Claim,
    Happening,
    Profile,
    claim_of_source,
    claim_of_subject,
    subject_identifier,
)
from fairlot.service.profiles import ChangeRefused, Step, Work
from support.profile_bench import NOW_MS, PROJECT, ProfileBench, profile_bench

LONGEST = "ü" * 398 + "\U0001f9ea\u202e"


@pytest.fixture
def bench(tmp_path: Path, database_url: str | None) -> Iterator[ProfileBench]:
    with profile_bench(tmp_path, database_url) as made:
        yield made


def attributes(**values: Any) -> Step:
    return lambda profile: msgspec.structs.replace(
        profile, attributes={**profile.attributes, **values}
    )


def test_longest_ids__of_any_characters__are_kept_and_found(bench: ProfileBench) -> None:
    async def scenario() -> None:
        claim = claim_of_source(LONGEST, LONGEST, user_id=LONGEST[::-1])
        done = await bench.happen(claim, "naïve \u202e", account_id=LONGEST)
        assert done.profile is not None
        for identifier in done.profile.identifiers:
            assert bench.stored(identifier) == done.profile
        history = await bench.profiles.history(done.profile, {"naïve \u202e": 1_000}, bench.now_ms)
        assert len(history["naïve \u202e"]) == 1

    asyncio.run(scenario())


UNSTORABLE = {
    "subject": Work(PROJECT, claim_of_subject("a\0"), NOW_MS),
    "source": Work(PROJECT, Claim((subject_identifier("\ud83d"),)), NOW_MS),
    "long": Work(PROJECT, claim_of_subject("x" * 1_201), NOW_MS),
    "empty": Work(PROJECT, claim_of_subject(""), NOW_MS),
    "account": Work(PROJECT, claim_of_subject("a"), NOW_MS, account_id="\ude00"),
    "session": Work(PROJECT, claim_of_subject("a"), NOW_MS, session_id="s" * 401),
    "moment": Work(PROJECT, claim_of_subject("a"), 1 << 60),
    "before": Work(PROJECT, claim_of_subject("a"), -1),
    "event": Work(
        PROJECT,
        claim_of_subject("a"),
        NOW_MS,
        happenings=[Happening(event_id="e1", name="vi\0ew", at_ms=NOW_MS)],
    ),
    "event id": Work(
        PROJECT,
        claim_of_subject("a"),
        NOW_MS,
        happenings=[Happening(event_id="e" * 37, name="view", at_ms=NOW_MS)],
    ),
    "event moment": Work(
        PROJECT,
        claim_of_subject("a"),
        NOW_MS,
        happenings=[Happening(event_id="e1", name="view", at_ms=1 << 60)],
    ),
}


@pytest.mark.parametrize("work", UNSTORABLE.values(), ids=UNSTORABLE)
def test_work__that_no_database_takes__is_refused_before_it_is_queued(
    bench: ProfileBench, work: Work
) -> None:
    async def scenario() -> None:
        with pytest.raises(ChangeRefused):
            await bench.profiles.apply(work)
        with pytest.raises(ChangeRefused):
            bench.profiles.post(work)
        assert bench.profiles.queued == 0

    asyncio.run(scenario())


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("x" * MAX_ATTRIBUTES_BYTES, "over 65536 bytes"),
        ("x" * 10_000_000, "over 65536 bytes"),
        ("half \ud83d", "half a surrogate pair"),
        ({"deep": ["nul\0"]}, r"U\+0000"),
        (float("nan"), "NaN"),
    ],
)
def test_attributes__that_cannot_be_kept__are_refused_and_nothing_changes(
    bench: ProfileBench, value: object, told: str
) -> None:
    async def scenario() -> None:
        before = await bench.happen("anna", steps=[attributes(tier="pro")])
        with pytest.raises(ChangeRefused, match=told):
            await bench.happen("anna", "view", steps=[attributes(bio=value)])
        replaced = Work(
            PROJECT,
            Claim(()),
            NOW_MS,
            account_id="acme",
            account_attributes={"bio": value},
            replaces_account=True,
        )
        with pytest.raises(ChangeRefused, match=told):
            await bench.profiles.apply(replaced)
        assert bench.stored(subject_identifier("anna")) == before.profile
        assert (await bench.happen("anna", "view")).new_events
        assert await bench.profiles.account(PROJECT, "acme") == {}

    asyncio.run(scenario())


def test_attributes__that_are_refused__take_nobody_else_along(bench: ProfileBench) -> None:
    async def scenario() -> None:
        works = [
            bench.work(f"s{each}", steps=[attributes(bio="x" * (70_000 if each == 7 else 7))])
            for each in range(20)
        ]
        outcomes = await asyncio.gather(
            *(bench.profiles.apply(work) for work in works), return_exceptions=True
        )
        refused = [each for each in outcomes if isinstance(each, BaseException)]
        assert [type(each) for each in refused] == [ChangeRefused]
        assert isinstance(outcomes[7], ChangeRefused)

    asyncio.run(scenario())
    assert bench.profiles.figures.refused == 1
    assert bench.profiles.figures.failures == 0


def test_attributes__that_fill_the_room__are_kept(bench: ProfileBench) -> None:
    async def scenario() -> None:
        room = MAX_ATTRIBUTES_BYTES - len('{"bio":""}')
        done = await bench.happen("anna", steps=[attributes(bio="x" * room)])
        assert bench.stored(subject_identifier("anna")) == done.profile

    asyncio.run(scenario())


@pytest.mark.parametrize("value", ["half \ud83d", {"deep": ["nul\0"]}, float("nan")])
def test_account__attributes_that_are_unsound__are_refused(
    bench: ProfileBench, value: object
) -> None:
    async def scenario() -> None:
        with pytest.raises(ChangeRefused):
            await bench.happen("anna", account_id="acme", account_attributes={"bio": value})

    asyncio.run(scenario())


def test_event_name__that_no_index_takes__is_refused(bench: ProfileBench) -> None:
    async def scenario() -> None:
        def called(name: str) -> Work:
            happening = Happening(event_id=str(len(name)), name=name, at_ms=NOW_MS)
            return Work(PROJECT, claim_of_subject("anna"), NOW_MS, happenings=[happening])

        for name in ("e" * 1_001, "\U0001f9ea" * 601):
            with pytest.raises(ChangeRefused, match="event_name"):
                await bench.profiles.apply(called(name))
        for name in ("e" * 1_000, "".join(chr(0x1F000 + each) for each in range(600))):
            assert (await bench.profiles.apply(called(name))).new_events

    asyncio.run(scenario())


def test_account__older_news__say_nothing_against_newer(bench: ProfileBench) -> None:
    async def scenario() -> None:
        async def says(at_ms: int, **values: object) -> None:
            claim = Claim((), ())
            await bench.happen(claim, at_ms=at_ms, account_id="acme", account_attributes=values)

        await says(bench.now_ms, plan="pro")
        await says(bench.now_ms - 1000, plan="free", seats=3)
        assert await bench.profiles.account(PROJECT, "acme") == {"plan": "pro", "seats": 3}
        await says(bench.now_ms + 1, plan="team")
        assert await bench.profiles.account(PROJECT, "acme") == {"plan": "team", "seats": 3}

    asyncio.run(scenario())


def test_profile__made_ahead_of_the_clock__is_not_younger_than_now(bench: ProfileBench) -> None:
    async def scenario() -> None:
        done = await bench.happen("anna", at_ms=bench.now_ms + 60_000)
        assert isinstance(done.profile, Profile)
        assert done.profile.created_at_ms == bench.now_ms

    asyncio.run(scenario())
