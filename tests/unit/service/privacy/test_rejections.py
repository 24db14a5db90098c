"""Rejections in memory, and how the writer of profiles keeps them."""

import asyncio
from hashlib import sha256
from pathlib import Path

import msgspec
import pytest

from fairlot.profiles import (
    Claim,
    Happening,
    claim_of_source,
    claim_of_subject,
    source_identifier,
    subject_identifier,
)
from fairlot.profiles.consents import FOR_EVER_MS, GENERAL, consented
from fairlot.service.privacy import Rejections
from fairlot.service.profiles import Applied, Step, Work
from fairlot.store.profiles.rejections import RejectionRow
from support.profile_bench import NOW_MS, PROJECT, ProfileBench, profile_bench


def a_row(name: str, until_ms: int = FOR_EVER_MS, change_no: int = 1) -> RejectionRow:
    return RejectionRow(PROJECT, subject_identifier(name).digest(), until_ms, change_no)


def saying(accepted: bool, at_ms: int = NOW_MS, until_ms: int | None = None) -> Step:
    return lambda profile: consented(profile, GENERAL, accepted, at_ms, until_ms)


async def say(
    bench: ProfileBench, who: str | Claim, accepted: bool, at_ms: int = NOW_MS
) -> Applied:
    claim = claim_of_subject(who) if isinstance(who, str) else who
    work = Work(PROJECT, claim, at_ms, consents=[saying(accepted, at_ms)])
    return await bench.profiles.apply(work)


def test_rejections__of_nobody__rejects_nothing() -> None:
    rejections = Rejections(lambda: NOW_MS)

    assert not rejections.rejects(PROJECT, "ada")


def test_rejections__noted__hold_in_their_project_until_their_end() -> None:
    now = [NOW_MS]
    rejections = Rejections(lambda: now[0])

    rejections.note([a_row("ada", NOW_MS + 10)])

    assert rejections.rejects(PROJECT, "ada")
    assert not rejections.rejects("prj_2", "ada")
    assert not rejections.rejects(PROJECT, "bo")
    now[0] += 10
    assert not rejections.rejects(PROJECT, "ada")


def test_rejections__an_older_change_is_read_later__changes_nothing() -> None:
    rejections = Rejections(lambda: NOW_MS)
    rejections.note([a_row("ada", 0, change_no=5)])

    rejections.note([a_row("ada", FOR_EVER_MS, change_no=4)])

    assert not rejections.rejects(PROJECT, "ada")


def test_rejections__of_many__are_all_found_and_nobody_else() -> None:
    rejections = Rejections(lambda: NOW_MS)
    rejections.note(a_row(f"s{number}") for number in range(20_000))
    rejections.note(a_row(f"s{number}", 0, 2) for number in range(0, 20_000, 2))

    found = [number for number in range(20_100) if rejections.rejects(PROJECT, f"s{number}")]

    assert found == list(range(1, 20_000, 2))


def test_rejections__of_many__keep_no_text() -> None:
    rejections = Rejections(lambda: NOW_MS)
    rejections.note(a_row(f"s{number}") for number in range(20_000))

    assert b"s12345" not in repr(vars(rejections)).encode()
    assert len(rejections) == 20_000


def test_writer__a_subject_rejects__is_known_at_once_by_all_its_names(
    tmp_path: Path, database_url: str | None
) -> None:
    with profile_bench(tmp_path, database_url) as bench:
        asyncio.run(bench.happen(claim_of_subject("anon", user_id="ada"), "seen"))

        applied = asyncio.run(say(bench, "anon", False))

        assert applied.rejects
        assert bench.profiles.rejections.rejects(PROJECT, "anon")
        assert bench.profiles.rejections.rejects(PROJECT, "ada")


def test_writer__a_subject_accepts_again__is_recorded_again(
    tmp_path: Path, database_url: str | None
) -> None:
    with profile_bench(tmp_path, database_url) as bench:
        asyncio.run(say(bench, "ada", False))
        asyncio.run(say(bench, "ada", True, NOW_MS + 1))

        applied = asyncio.run(bench.happen("ada", "order"))

        assert not bench.profiles.rejections.rejects(PROJECT, "ada")
        assert applied.new_events == {f"order-{NOW_MS}"}


def test_writer__an_anonymous_device_turns_out_to_be_who_rejected__rejects_too(
    tmp_path: Path, database_url: str | None
) -> None:
    with profile_bench(tmp_path, database_url) as bench:
        asyncio.run(say(bench, claim_of_subject("ada", user_id="ada"), False))
        asyncio.run(bench.happen("phone", "seen"))

        asyncio.run(bench.happen(claim_of_subject("phone", user_id="ada"), "login"))

        assert bench.profiles.rejections.rejects(PROJECT, "phone")


def test_writer__another_user_on_a_device_of_who_rejected__does_not_reject(
    tmp_path: Path, database_url: str | None
) -> None:
    with profile_bench(tmp_path, database_url) as bench:
        asyncio.run(say(bench, claim_of_source("home", "tv", user_id="ada"), False))

        asyncio.run(bench.happen(claim_of_source("home", "tv", user_id="bo"), "login"))

        rejections = bench.profiles.rejections
        assert rejections.rejects(PROJECT, "ada")
        assert not rejections.rejects(PROJECT, "bo")
        assert not rejections.rejects_as(PROJECT, source_identifier("home", "tv"))
        assert rejections.rejects(PROJECT, "tv")  # by which ada is drawn


def test_writer__of_who_rejects__nothing_is_kept(tmp_path: Path, database_url: str | None) -> None:
    with profile_bench(tmp_path, database_url) as bench:
        before = asyncio.run(say(bench, "ada", False)).profile
        assert before is not None
        work = Work(
            PROJECT,
            claim_of_subject("ada"),
            NOW_MS + 5,
            steps=[lambda profile: msgspec.structs.replace(profile, attributes={"tier": "pro"})],
            happenings=[Happening(event_id="e1", name="order", at_ms=NOW_MS)],
        )

        applied = asyncio.run(bench.profiles.apply(work))

        assert applied == Applied(before, before, rejects=True)
        assert asyncio.run(bench.profiles.history(before, {"order": 1_000_000}, NOW_MS)) == {
            "order": ()
        }


@pytest.mark.parametrize("accepted", [False, True])
def test_following__what_another_process_wrote__is_known(
    tmp_path: Path, database_url: str | None, accepted: bool
) -> None:
    with (
        profile_bench(tmp_path, database_url) as here,
        profile_bench(tmp_path, database_url) as there,
    ):
        asyncio.run(say(there, "ada", not accepted))
        here.profiles.follow()
        asyncio.run(say(there, "ada", accepted, NOW_MS + 1))

        here.profiles.follow()

        assert here.profiles.rejections.rejects(PROJECT, "ada") is not accepted


def test_rows__two_processes_say_the_opposite_unseen__the_later_answer_holds(
    tmp_path: Path, database_url: str | None
) -> None:
    with (
        profile_bench(tmp_path, database_url) as here,
        profile_bench(tmp_path, database_url) as there,
    ):
        asyncio.run(say(here, "ada", False))
        asyncio.run(say(there, "ada", True, NOW_MS + 1))
        asyncio.run(say(here, "ada", False, NOW_MS + 2))  # here never heard of the acceptance

        there.profiles.follow()

        assert there.profiles.rejections.rejects(PROJECT, "ada")


def test_names__are_hashed_as_identifiers_are() -> None:
    assert subject_identifier("ada").digest() == sha256(b"subject:ada").digest()
