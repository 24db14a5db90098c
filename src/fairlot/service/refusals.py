"""Why a change is not made."""

from collections.abc import Sequence

from fairlot.engine import FairlotError
from fairlot.manifest.problems import SpecProblem


class Refused(FairlotError):
    """Nothing was applied; `problems` are all that stand in the way."""

    code = "apply_refused"

    def __init__(self, problems: Sequence[SpecProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))


class NotThere(FairlotError):
    """The project has no such experiment, definition or revision, or has deleted it."""

    code = "not_there"

    def __init__(self, kind: str, key: str, what_to_do: str = "check the spelling") -> None:
        self.kind = kind
        self.key = key
        super().__init__(f"{key}: there is no such {kind}; {what_to_do}")


class NotDeletable(FairlotError):
    """An experiment that clients may be served, or that is under review."""

    code = "not_deletable"

    def __init__(self, key: str, status: str, what_to_do: str) -> None:
        self.key = key
        self.status = status
        super().__init__(f"{key}: it is {status}, and is not deleted so: {what_to_do}")


class StalePlan(FairlotError):
    """The project is not what it was when the plan was made; `since` says what has happened."""

    code = "stale_plan"

    def __init__(self, base: str, since: str) -> None:
        self.base = base
        self.since = since
        super().__init__(f"the plan is stale: {since}; plan again, and look at what it shows")


class ReasonMissing(FairlotError):
    code = "reason_missing"

    def __init__(self, key: str, action: str) -> None:
        self.key = key
        self.action = action
        super().__init__(f"{key}: {action} needs a reason: say in a few words why")


class MissingScope(FairlotError):
    """An actor that may do other things, but not this."""

    code = "missing_scope"

    def __init__(self, action: str, scope: str) -> None:
        self.action = action
        self.scope = scope
        super().__init__(f"{action} needs the scope {scope}: use a key that has it")
