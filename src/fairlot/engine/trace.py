"""Steps that note what they saw: how a decision becomes an explanation.

Explaining decides with recorded steps; the deciding code is the same and knows nothing of it.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from fairlot.engine.model import Context, Decision, TraceStep
from fairlot.engine.step import Seen, Step, asking_step

PASSED: Final = "passed"
ANSWERED: Final = "answered"
SKIPPED: Final = "skipped"


class Trace:
    """What each step that ran saw, in the order in which they ran."""

    def __init__(self) -> None:
        self._rows: dict[str, TraceStep] = {}

    def add(self, name: str, decision: Decision | None, seen: Seen) -> None:
        if decision is None:
            self._rows[name] = TraceStep(name, PASSED, seen.note, seen.details)
        else:
            note = f"{seen.note}: {_answer_text(decision)}"
            self._rows[name] = TraceStep(name, ANSWERED, note, seen.details)

    def recorded(self, step: Step) -> Step:
        """`step` with the same answers, each noted together with what it was drawn from."""
        run_step = step.run()

        def run(unit_id: str, subject_id: str, context: Context) -> Decision | None:
            decision = run_step(unit_id, subject_id, context)
            self.add(step.name, decision, step.describe(unit_id, subject_id, context))
            return decision

        return asking_step(step.name, run, step.describe)

    def steps(self, order: tuple[str, ...], omitted: Mapping[str, str]) -> Iterator[TraceStep]:
        """Rows in table order up to the last that ran; `omitted` says why a step did not."""
        last = max(order.index(name) for name in self._rows)
        for name in order[: last + 1]:
            row = self._rows.get(name)
            yield row or TraceStep(name, SKIPPED, omitted[name])


def _answer_text(decision: Decision) -> str:
    chosen = "no variant" if decision.variant is None else f"variant {decision.variant.key}"
    return f"{chosen}, reason {decision.reason}"
