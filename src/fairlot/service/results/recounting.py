"""The subjects of a stored look, counted again."""

from dataclasses import dataclass, field, replace

from fairlot.stats.recounts import Counted, subjects_until
from fairlot.stats.sufficient import Question, Sufficient
from fairlot.warehouse.queries import Engine, answer


@dataclass(frozen=True)
class Recounts:
    """A `Recount` by the events that `engine` has now; of looks that were taken at one moment it is
    asked once. Raises QueryFailed."""

    engine: Engine
    question: Question
    _answered: dict[int, Sufficient] = field(default_factory=dict)

    def __call__(self, metric: str, variant: str, look: Counted) -> int | None:
        if look.taken_at_ms is None:
            return None
        (measured,) = [each for each in self.question.metrics if each.key == metric]
        of_then = self._received_before(look.taken_at_ms)
        return subjects_until(of_then, measured, variant, look.day)

    def _received_before(self, moment_ms: int) -> Sufficient:
        if moment_ms not in self._answered:
            asked = replace(self.question, metrics=(), received_before_ms=moment_ms)
            self._answered[moment_ms] = answer(self.engine, asked)
        return self._answered[moment_ms]
