"""How an experiment is to be analysed: fixed when its first result is asked for."""

from dataclasses import dataclass
from typing import Final

from fairlot.stats.results import Method

DEFAULT_ALPHA: Final = 0.05
DEFAULT_PLANNED_SIZE: Final = 10_000
DEFAULT_LOOKS: Final = 5
MAX_LOOKS: Final = 100


@dataclass(frozen=True, slots=True)
class AnalysisPlan:
    """`planned_size` counts both arms of a comparison; `looks` are those of a group sequential
    plan, at equal parts of that size."""

    method: Method = Method.SEQUENTIAL
    alpha: float = DEFAULT_ALPHA
    planned_size: int = DEFAULT_PLANNED_SIZE
    looks: int = DEFAULT_LOOKS
    cuped: bool = True
