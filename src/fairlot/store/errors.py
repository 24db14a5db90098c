"""What can be wrong with the control plane's database.

A place is the file, or the URL of a PostgreSQL database without its password.
"""

from pathlib import Path
from typing import ClassVar

from fairlot.engine.errors import FairlotError

Place = Path | str


class StoreUnusable(FairlotError):
    """The data directory or the database cannot be used; nothing in it was changed."""

    code = "store_unusable"

    def __init__(self, place: Place, problem: str, fix: str) -> None:
        self.place = place
        self.problem = problem
        self.fix = fix
        super().__init__(f"{place}: {problem}; {fix}")


class StoreAway(StoreUnusable):
    """The database server does not let us in, or does not answer: it may do so later."""

    code = "store_away"


class NewerStore(StoreUnusable):
    """The database was migrated by a later version of Fairlot."""

    code = "store_newer"

    def __init__(self, place: Place, revision: str) -> None:
        self.revision = revision
        super().__init__(
            place,
            f"its revision {revision} is not known to this version of Fairlot",
            "run the version that wrote it, or a later one",
        )


class WrongSecret(StoreUnusable):
    """The secret at hand does not open what the database holds."""

    code = "store_wrong_secret"


class StoreFailed(FairlotError):
    """A statement failed, or the database did not answer; the transaction was rolled back."""

    code = "store_failed"
    _advice: ClassVar = (
        "nothing was stored: free disk space, stop what locks it, or start the database server,"
        " then try again"
    )

    def __init__(self, place: Place, problem: str) -> None:
        self.place = place
        self.problem = problem
        super().__init__(f"{place}: {problem}; {self._advice}")


class StoreLocked(StoreFailed):
    """Somebody else held what a statement needs for as long as a writer waits."""

    code = "store_locked"
    _advice = "nothing was stored: end what locks it if it does not end by itself, then try again"

    def __init__(self, place: Place) -> None:
        super().__init__(place, "another process writes to it")


class CommitUnanswered(StoreFailed):
    """The connection broke before the database had confirmed the commit."""

    code = "store_commit_unanswered"
    _advice = "the commit was not confirmed: look whether it was stored before you try again"
