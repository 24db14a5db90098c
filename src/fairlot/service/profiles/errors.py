"""What can go wrong with profiles."""

from fairlot.engine.errors import FairlotError


class ProfilesUnavailable(FairlotError):
    """Nothing of what was asked has been done; it may be asked again."""

    code = "profiles_unavailable"

    def __init__(self, problem: str) -> None:
        self.problem = problem
        super().__init__(f"the profiles cannot be used: {problem}; try again")
