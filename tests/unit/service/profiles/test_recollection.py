"""What the writer remembers between commits: what is stored, and only as long as that is so."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event

from fairlot.engine import History, Occurrence
from fairlot.profiles import (
    Claim,
    Happening,
    Profile,
    claim_of_subject,
    subject_identifier,
)
from fairlot.service.profiles import Reaction
from fairlot.service.profiles.known_history import KnownHistory, ReadHistory
from fairlot.service.profiles.recollection import Recalled, Recollection
from fairlot.store.profiles.changes import next_change
from fairlot.store.profiles.deletions import erase_profiles
from fairlot.store.profiles.event_rows import HISTORY_PER_NAME, FoundHistory
from support.profile_bench import NOW_MS, PROJECT, ProfileBench, profile_bench

DAY_MS = 86_400_000


@dataclass
class Asking:
    """Asks for a day of `view`, and notes the moments that it is shown."""

    shown: list[list[int]] = field(default_factory=list)

    def history_wanted(self, _project_id: str, _happening: Happening) -> Mapping[str, int]:
        return {"view": DAY_MS}

    def react(
        self,
        profile: Profile,
        _happening: Happening,
        history: History,
        _account: Callable[[], Mapping[str, Any]],
    ) -> Reaction:
        self.shown.append([each.at_ms - NOW_MS for each in history["view"]])
        return Reaction(profile)


@dataclass
class Process:
    bench: ProfileBench
    reactor: Asking

    def sees(self, name: str, after_ms: int, claim: Claim | str = "anna") -> list[int]:
        """The history that rules are shown with that event."""
        asyncio.run(self.bench.happen(claim, name, at_ms=NOW_MS + after_ms))
        return self.reactor.shown[-1]


@pytest.fixture
def two(tmp_path: Path, database_url: str | None) -> Iterator[tuple[Process, Process]]:
    """Over one database."""
    with ExitStack() as stack:
        one, other = (
            Process(
                stack.enter_context(
                    profile_bench(tmp_path / name, database_url, reactor, beside=tmp_path)
                ),
                reactor,
            )
            for name, reactor in (("one", Asking()), ("other", Asking()))
        )
        yield one, other


@contextmanager
def statements() -> Iterator[list[str]]:
    made: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        made.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    yield made
    event.remove(Engine, "before_cursor_execute", note)


def test_subject__active_again__is_not_read_again(two: tuple[Process, Process]) -> None:
    one, _ = two
    assert one.sees("view", 1) == []
    assert one.sees("buy", 2) == [1]
    with statements() as made:
        assert one.sees("view", 3) == [1]
    assert [each for each in made if "profile_identifiers" in each or "row_number" in each] == []
    assert [each for each in made if each.startswith("SELECT") and "body" in each] == []


def test_subject__changed_by_another_process__is_read_again(two: tuple[Process, Process]) -> None:
    one, other = two
    assert one.sees("view", 1) == []
    assert other.sees("view", 2) == [1]
    assert one.sees("view", 3) == [2, 1]
    for _ in range(120):  # more changes than are looked at one by one
        asyncio.run(other.bench.happen("berta"))
    assert other.sees("view", 4) == [3, 2, 1]
    assert one.sees("view", 5) == [4, 3, 2, 1]


def test_transaction__that_failed__leaves_nothing_of_it(two: tuple[Process, Process]) -> None:
    one, _ = two
    assert one.sees("view", 1) == []
    fails = one.bench.work("anna", "view", at_ms=NOW_MS + 2)

    def raises(_profile: Profile) -> Profile:
        raise RuntimeError("strange")

    async def scenario() -> None:
        with pytest.raises(Exception, match="could not be made"):
            await one.bench.profiles.apply_all(
                [fails, one.bench.work("anna", at_ms=NOW_MS + 3, steps=[raises])]
            )

    asyncio.run(scenario())
    assert one.sees("view", 4) == [1]


def test_subject__merged_and_deleted__is_what_it_is_now(two: tuple[Process, Process]) -> None:
    one, other = two
    assert one.sees("view", 1, "phone") == []
    assert one.sees("view", 2, "laptop") == []
    alias = Claim(
        find=(subject_identifier("phone"),), names=(subject_identifier("laptop"),), merge=True
    )
    assert one.sees("buy", 3, alias) == [2, 1]
    assert one.sees("view", 4, "laptop") == [2, 1]
    store = other.bench.profiles.store
    with store.writing() as connection:
        digests = [subject_identifier(each).digest() for each in ("phone", "laptop")]
        erase_profiles(connection, PROJECT, digests, next_change(connection), NOW_MS)
    assert one.sees("view", 5, "laptop") == []
    assert one.sees("view", 6, "phone") == []


def test_history__further_back_than_was_read__is_read_whole(
    tmp_path: Path, database_url: str | None
) -> None:
    reactor = Asking()
    with profile_bench(tmp_path / "one", database_url, beside=tmp_path) as maker:
        for after_ms in (-DAY_MS, 0):
            asyncio.run(maker.happen("anna", "view", at_ms=NOW_MS + after_ms))
    with profile_bench(tmp_path / "other", database_url, reactor, beside=tmp_path) as bench:
        late = Process(bench, reactor)
        assert late.sees("buy", 5) == [0]
        assert late.sees("buy", -1) == [0, -DAY_MS]


def recalled(name: str, size: int, events: int = 0) -> Recalled:
    claim = claim_of_subject(name)
    profile = Profile(
        id=f"pro_{name}",
        project_id=PROJECT,
        subject_id=name,
        created_at_ms=NOW_MS,
        last_seen_at_ms=NOW_MS,
        identifiers=claim.identifiers,
    )
    latest = [Occurrence(NOW_MS - number) for number in range(events)]
    history = KnownHistory(is_whole=True)
    history.put("view", ReadHistory(0, FoundHistory(latest, 100 * events)))
    return Recalled(profile, size, history)


def test_recollection__over_its_bytes__forgets_who_was_active_the_longest_ago() -> None:
    kept = Recollection(bytes_kept=1_000)
    kept.begin(1, lambda _since: ())
    kept.keep([recalled("anna", 400), recalled("berta", 100, events=3)], 1)
    kept.begin(2, lambda _since: ())
    assert kept.take(PROJECT, subject_identifier("anna")) is not None
    kept.keep([recalled("anna", 401), recalled("carla", 400)], 2)
    kept.begin(3, lambda _since: ())
    assert kept.take(PROJECT, subject_identifier("berta")) is None
    assert kept.take(PROJECT, subject_identifier("anna")) is not None
    assert kept.take(PROJECT, subject_identifier("carla")) is not None


def test_recollection__a_history_longer_than_is_read__is_not_kept() -> None:
    kept = Recollection()
    kept.begin(1, lambda _since: ())
    kept.keep([recalled("anna", 100, events=HISTORY_PER_NAME + 1)], 1)
    kept.begin(2, lambda _since: ())
    found = kept.take(PROJECT, subject_identifier("anna"))
    assert found is not None
    assert (found.history.of("view"), found.history.is_whole) == (None, False)


def test_recollection__numbers_went_back__knows_nothing() -> None:
    """As in a database that was restored."""
    kept = Recollection()
    kept.begin(7, lambda _since: ())
    kept.keep([recalled("anna", 100)], 7)
    kept.begin(5, lambda _since: ())
    assert kept.take(PROJECT, subject_identifier("anna")) is None


def test_recollection__changed_by_another_process__is_out_of_memory_at_once() -> None:
    """Who was deleted is not kept until somebody else does something."""
    kept = Recollection()
    kept.begin(1, lambda _since: ())
    kept.keep([recalled("anna", 100), recalled("berta", 100)], 1)
    kept.forget({"pro_anna": 2, "pro_berta": 1}, up_to=2)
    kept.begin(3, lambda _since: ())
    assert kept.take(PROJECT, subject_identifier("anna")) is None
    assert kept.take(PROJECT, subject_identifier("berta")) is not None


def test_recollection__commit_heard_of_after_a_later_one__is_not_kept() -> None:
    kept = Recollection()
    kept.begin(1, lambda _since: ())
    kept.forget({"pro_anna": 2}, up_to=2)
    kept.keep([recalled("anna", 100)], 1)
    kept.begin(3, lambda _since: ())
    assert kept.take(PROJECT, subject_identifier("anna")) is None
