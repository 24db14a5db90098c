"""What a treatment came out as."""

from dataclasses import dataclass, field
from typing import Any

from fairlot.engine import Decision, Reason


@dataclass(frozen=True, slots=True)
class TreatmentResult:
    """The variant that a subject gets, or that it gets none, and why.

    `in_experiment` is True also for reason `recipe`: in the test, though nothing is served.
    `manifest_version` is None while no manifest is there. Results are shared between calls.
    """

    experiment_key: str
    variant_key: str | None
    variant_id: str | None
    reason: Reason
    in_experiment: bool
    manifest_version: int | None
    decision: Decision = field(repr=False, compare=False)

    @property
    def payload(self) -> Any:
        """The variant's payload, a copy that the caller may change; None when there is none."""
        variant = self.decision.variant
        return None if variant is None else copied(variant.payload)


def result_of(decision: Decision, manifest_version: int | None) -> TreatmentResult:
    variant = decision.variant
    return TreatmentResult(
        experiment_key=decision.experiment_key,
        variant_key=None if variant is None else variant.key,
        variant_id=None if variant is None else variant.id,
        reason=decision.reason,
        in_experiment=decision.in_experiment,
        manifest_version=manifest_version,
        decision=decision,
    )


def copied(value: Any) -> Any:
    """A deep copy of a JSON value."""
    if isinstance(value, dict):
        return {key: copied(member) for key, member in value.items()}
    if isinstance(value, list):
        return [copied(member) for member in value]
    return value
