"""What a client decides by at one moment: swapped as a whole, never changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Self

from fairlot.engine import (
    CompiledExperiment,
    CompiledManifest,
    Context,
    Decision,
    Experiment,
    Manifest,
    Reason,
    Variant,
    compile_manifest,
)
from fairlot.sdk.result import TreatmentResult, result_of

# The engine never changes a context, so all calls that know nothing may share one.
NOTHING_KNOWN: Final = Context()
_NO_MANIFEST: Final = compile_manifest(Manifest("", "", 0, "", ()))


@dataclass(frozen=True, slots=True)
class Forced:
    variant_key: str
    payload: Any


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Serving:
    """`version` is None while there is no manifest; then no experiment is known.

    `plain` holds what decides without looking at the clock or the account: everything that draws by
    subject and has no schedule, unless it is forced. `results` fills with one result for each
    decision that the engine shares; an entry keeps its decision alive, so that no other can have
    its id.
    """

    compiled: CompiledManifest = _NO_MANIFEST
    experiments: Mapping[str, CompiledExperiment] = field(default_factory=dict)
    models: Mapping[str, Experiment] = field(default_factory=dict)
    version: int | None = None
    plain: Mapping[str, CompiledExperiment] = field(default_factory=dict)
    scheduled: frozenset[str] = frozenset()
    forced: Mapping[str, TreatmentResult] = field(default_factory=dict)
    results: dict[int, TreatmentResult] = field(default_factory=dict)

    @classmethod
    def of(cls, compiled: CompiledManifest | None, forced: Mapping[str, Forced]) -> Self:
        if compiled is None:
            none: Mapping[str, Experiment] = {}
            return cls(forced={key: _forced(key, each, none, None) for key, each in forced.items()})
        known = {
            each.key: each for each in compiled.manifest.experiments if isinstance(each, Experiment)
        }
        scheduled = frozenset(key for key, each in known.items() if each.schedule is not None)
        plain = {
            key: experiment
            for key, experiment in compiled.experiments.items()
            if experiment.by_subject and key not in scheduled and key not in forced
        }
        return cls(
            compiled,
            compiled.experiments,
            known,
            compiled.version,
            plain,
            scheduled,
            {key: _forced(key, each, known, compiled.version) for key, each in forced.items()},
        )

    @property
    def manifest(self) -> CompiledManifest | None:
        return None if self.version is None else self.compiled

    def result(self, decision: Decision) -> TreatmentResult:
        """The one result of a decision that the engine shares."""
        result = self.results.get(id(decision))
        if result is None:
            result = self.results[id(decision)] = result_of(decision, self.version)
        return result

    def none(self, experiment_key: object, reason: Reason) -> TreatmentResult:
        """A result that is made for one call, also for a key that is no text."""
        key = experiment_key if isinstance(experiment_key, str) else ""
        return result_of(Decision(key, None, reason), self.version)


def _forced(
    key: str, forced: Forced, known: Mapping[str, Experiment], version: int | None
) -> TreatmentResult:
    """Also for an experiment that nobody has published: tests need no manifest."""
    experiment = known.get(key)
    variant = None if experiment is None else experiment.variant(forced.variant_key)
    if variant is None:
        variant = Variant(forced.variant_key)
    if forced.payload is not None:
        variant = replace(variant, payload=forced.payload)
    if experiment is None:
        experiment = Experiment(key, key, (variant,))
    return result_of(Decision(key, variant, Reason.DIVERT, False, experiment), version)
