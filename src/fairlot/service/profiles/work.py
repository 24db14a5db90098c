"""What is asked of the profiles, and what came of it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, TypeAlias

import msgspec

from fairlot.events import Exposure
from fairlot.profiles import Claim, Happening, History, Identifier, Merged, Profile
from fairlot.store.profiles import ProfileStore

Step: TypeAlias = Callable[[Profile], Profile]
"""A pure change of a profile. It runs in the writer, on the profile as it is then, and may run
again when a commit failed."""


class Work(msgspec.Struct, frozen=True):
    """One change of one subject, all of it or nothing.

    `happenings` are added to its history, those that are new are shown to the reactor in their
    order; `steps` run before them. `session_id` is the session that it happened in. `account_id`
    joins the profile to an account, whose attributes are updated with `account_attributes`, or
    replaced by them with `replaces_account`; a claim without any identifier then means the account
    alone. `is_seen` false leaves `last_seen`
    and sessions as they are. `makes` false changes a known profile only. With `once` nothing is
    done when all its happenings are known already.

    `consents` run before all, and are all that is done when the subject rejects after them: of
    who rejects nothing is kept but what it is called, and nobody is made of who was deleted
    and had rejected. `is_private`: it came under the Global Privacy Control, and what is recorded
    of it says so.
    """

    project_id: str
    claim: Claim
    at_ms: int
    steps: Sequence[Step] = ()
    happenings: Sequence[Happening] = ()
    session_id: str | None = None
    account_id: str | None = None
    account_attributes: Mapping[str, Any] = {}
    replaces_account: bool = False
    is_seen: bool = True
    makes: bool = True
    once: bool = False
    consents: Sequence[Step] = ()
    is_private: bool = False


class Applied(msgspec.Struct, frozen=True, gc=False):
    """`profile` as it is now, None when there is none or nothing was done. `is_new` says that it
    was made, `new_events` which event ids had not been known, `merged` which profiles became one,
    `rejects` that nothing was recorded because the subject has rejected."""

    profile: Profile | None
    before: Profile | None = None
    is_new: bool = False
    new_events: frozenset[str] = frozenset()
    merged: tuple[Merged, ...] = ()
    rejects: bool = False


class Reaction(NamedTuple):
    """What rules made of a happening. The exposures are durable in the event log before the
    profile is: their ids have to be derived, so that a repetition counts once."""

    profile: Profile
    exposures: Sequence[Exposure] = ()


class Reactor(Protocol):
    """Rules that watch what subjects do. It runs in the writer."""

    def history_wanted(self, project_id: str, happening: Happening) -> Mapping[str, int]:
        """Of which events, by name, `react` needs the history, and how far back in ms."""

    def react(
        self,
        profile: Profile,
        happening: Happening,
        history: History,
        account: Callable[[], Mapping[str, Any]],
    ) -> Reaction:
        """`history` holds what is known of what was wanted, without the happening itself; when that
        comes late, what came after it too. `account` gives the attributes of the profile's account.
        """


@dataclass(slots=True)
class WriterFigures:
    """`switched` counts the experiments in which a merged profile had another variant, `failures`
    commits that did not go through, `refused` works that could never be stored."""

    written: int = 0
    switched: int = 0
    failures: int = 0
    refused: int = 0


class Profiles(Protocol):
    """The profiles of all projects, for one process.

    What one process writes, the others see within PROFILES_SEEN_WITHIN_S. Raises
    ProfilesUnavailable when the database fails or too much work waits, and ChangeRefused for what
    can never be stored.
    """

    @property
    def store(self) -> ProfileStore:
        """For who reads, or changes many at once; its transactions block."""

    @property
    def usable(self) -> bool:
        """False while they cannot be written; never blocks for long."""

    @property
    def queued(self) -> int:
        """How many changes wait to be written: happenings, and works without any."""

    @property
    def figures(self) -> WriterFigures:
        """Of this process."""

    def in_memory(self, project_id: str, identifiers: Sequence[Identifier]) -> Profile | None:
        """What `find` would give, if memory is enough to tell; never blocks."""

    async def find(self, project_id: str, identifiers: Sequence[Identifier]) -> Profile | None:
        """The profile that the first known one names."""

    async def subject_ids(
        self, project_id: str, identifiers: Collection[Identifier]
    ) -> Mapping[Identifier, str]:
        """Of the profiles that those of the identifiers which are known name."""

    async def history(self, profile: Profile, wanted: Mapping[str, int], now_ms: int) -> History:
        """Its events of those names, each as far back as wanted says, in ms."""

    async def account(self, project_id: str, account_id: str) -> Mapping[str, Any]:
        """The attributes of an account, none if it is not known."""

    async def apply(self, work: Work) -> Applied:
        """Durable when it returns."""

    async def apply_all(self, works: Sequence[Work]) -> list[Applied]:
        """In their order, in one commit: all of them or none. Others wait as long as it takes, so
        that many are better given CHANGES_PER_COMMIT at a time. Raises ChangeRefused for more than
        20,000 changes."""

    def post(self, work: Work) -> None:
        """Apply it soon, without waiting for it."""

    def follow(self) -> None:
        """Drop from memory what other processes have changed. Blocks; raises StoreFailed."""

    def close(self, timeout_s: float) -> None:
        """Write what waits, for so long at most."""
