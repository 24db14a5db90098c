"""Several processes over one database of profiles, and one that is killed."""

import asyncio
import signal
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from fairlot.profiles import Profile, claim_of_subject, subject_identifier
from fairlot.service.profiles import ProfilesUnavailable, ProfilesUnconfirmed
from support.profile_bench import PROJECT, profile_bench

TESTS = Path(__file__).parents[3]
WRITER = """
import asyncio, sys
from pathlib import Path
from support.profile_bench import profile_bench
from fairlot.profiles import claim_of_subject

async def scenario(bench):
    for number in range(100_000):
        await bench.happen(claim_of_subject(f"v{number}", user_id=f"u{number}"), "view")
        print(number, flush=True)

with profile_bench(Path(sys.argv[1]), sys.argv[2] or None) as bench:
    asyncio.run(scenario(bench))
"""


def counted(profile: Profile) -> Profile:
    count = profile.attributes.get("count", 0)
    return msgspec.structs.replace(profile, attributes={"count": count + 1})


def test_two_processes__change_one_subject__lose_nothing(
    tmp_path: Path, database_url: str | None
) -> None:
    with ExitStack() as stack:
        benches = [
            stack.enter_context(profile_bench(tmp_path / name, database_url, beside=tmp_path))
            for name in ("one", "other")
        ]

        async def scenario() -> None:
            works = [
                each.profiles.apply(each.work("anna", steps=[counted]))
                for _ in range(20)
                for each in benches
            ]
            await asyncio.gather(*works)

        asyncio.run(scenario())
        anna = benches[0].stored(subject_identifier("anna"))
        assert anna is not None
        assert anna.attributes == {"count": 40}
        for each in benches:
            each.profiles.follow()
            found = asyncio.run(each.profiles.find(PROJECT, [subject_identifier("anna")]))
            assert found == anna


def test_process__killed__has_written_all_that_it_answered(
    tmp_path: Path, database_url: str | None
) -> None:
    running = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path), database_url or ""],
        stdout=subprocess.PIPE,
        text=True,
        cwd=TESTS,
    )
    assert running.stdout is not None
    answered = [int(running.stdout.readline()) for _ in range(20)]
    running.send_signal(signal.SIGKILL)
    answered += [int(line) for line in running.stdout.read().split()]
    running.wait(10)
    running.stdout.close()
    with profile_bench(tmp_path, database_url) as bench:
        for number in answered:
            stored = bench.stored(subject_identifier(f"u{number}"))
            assert stored is not None
            assert stored.subject_id == f"v{number}"
        told = {each.subject_id for each in bench.identities()}
        assert {f"v{number}" for number in answered} <= told
        again = asyncio.run(bench.happen(claim_of_subject("v0", user_id="u0"), "view"))
        assert not again.is_new
        assert not again.new_events


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ProfilesUnavailable("the disk is full"), "the profiles cannot be used: the disk is full"),
        (ProfilesUnconfirmed("it broke"), "not known whether the profiles were changed: it broke"),
    ],
)
def test_errors__say_what_is_known(error: ProfilesUnavailable, told: str) -> None:
    assert told in str(error)
