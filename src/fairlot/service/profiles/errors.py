"""What can go wrong with profiles."""

from fairlot.engine.errors import FairlotError


class ProfilesUnavailable(FairlotError):
    """Nothing of what was asked has been done; it may be asked again."""

    code = "profiles_unavailable"

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"the profiles cannot be used: {problem}; try again")


class ProfilesUnconfirmed(ProfilesUnavailable):
    """The database went away before it had answered: what was asked has been done, or it has not.
    Asking again does what has been done already a second time, but for events with their ids."""

    code = "profiles_unconfirmed"

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.args = (f"it is not known whether the profiles were changed: {problem}",)


class ChangeRefused(FairlotError):
    """What was asked can never be stored; nothing of it has been done."""

    code = "profile_change_refused"

    def __init__(self, field: str, problem: str) -> None:
        self.field = field
        self.problem = problem
        super().__init__(f"{field}: {problem}")
