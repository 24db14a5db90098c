"""What stands in the way of a change, told at once."""

from collections.abc import Sequence

from fairlot.engine import FairlotError
from fairlot.manifest.problems import SpecProblem


class Refused(FairlotError):
    """Nothing was applied; `problems` are all that stand in the way."""

    code = "apply_refused"

    def __init__(self, problems: Sequence[SpecProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in problems))
