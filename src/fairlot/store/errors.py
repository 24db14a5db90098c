"""What can be wrong with the control plane's database."""

from pathlib import Path

from fairlot.engine.errors import FairlotError


class StoreUnusable(FairlotError):
    """The data directory or the database in it cannot be used; nothing in it was changed."""

    code = "store_unusable"

    def __init__(self, path: Path, problem: str, fix: str) -> None:
        self.path = path
        self.problem = problem
        self.fix = fix
        super().__init__(f"{path}: {problem}; {fix}")


class NewerStore(StoreUnusable):
    """The database was migrated by a later version of Fairlot."""

    code = "store_newer"

    def __init__(self, path: Path, revision: str) -> None:
        self.revision = revision
        super().__init__(
            path,
            f"its revision {revision} is not known to this version of Fairlot",
            "run the version that wrote it, or a later one",
        )


class WrongSecret(StoreUnusable):
    """The secret at hand does not open what the database holds."""

    code = "store_wrong_secret"


class StoreFailed(FairlotError):
    """A statement failed; the transaction was rolled back."""

    code = "store_failed"

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        self.problem = problem
        super().__init__(
            f"{path}: {problem}; nothing was stored, free disk space or stop what locks the file,"
            " then try again"
        )
