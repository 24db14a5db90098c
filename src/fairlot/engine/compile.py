"""From a manifest to lookup-ready experiments: everything that can be checked or bound is, once.

One broken experiment never spoils the others: it decides nothing, with reason `invalid`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from fairlot.engine.audience import Segments, compile_page, compile_person, compile_segments
from fairlot.engine.checks import check_shape
from fairlot.engine.errors import InvalidExperiment, located
from fairlot.engine.history import compile_event_rule
from fairlot.engine.model import (
    BrokenExperiment,
    Decision,
    Experiment,
    Holdout,
    Layer,
    Manifest,
    Reason,
    Segment,
    Unit,
)
from fairlot.engine.step import LastRun, Seen, Step, asking_step, first_answer
from fairlot.engine.steps import (
    CONTEXT_STEPS,
    GATED_STEPS,
    OVERRIDE_STEPS,
    Parts,
    gated,
    holdout_draw,
    table_for,
)


@dataclass(frozen=True, slots=True)
class CompiledExperiment:
    """The steps that can answer, in order, and why the other rows of the table cannot.

    `answer_plain` runs the steps that need no overrides and no memory, `answer_remembering` those
    that need no overrides, `answer` runs all.
    """

    by_subject: bool
    answer_plain: LastRun
    answer_remembering: LastRun
    answer: LastRun
    steps: tuple[Step, ...]
    order: tuple[str, ...]
    omitted: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CompiledManifest:
    """A manifest ready to decide; `broken` says per experiment key what is wrong with it."""

    manifest: Manifest
    experiments: Mapping[str, CompiledExperiment]
    broken: Mapping[str, str]
    holdout_arm: Callable[[str], str] | None

    @property
    def version(self) -> int:
        return self.manifest.version


def compile_manifest(manifest: Manifest) -> CompiledManifest:
    layers = {layer.key: layer for layer in manifest.layers}
    segments = compile_segments(manifest.segments)
    compiled: dict[str, CompiledExperiment] = {}
    broken: dict[str, str] = {}
    for experiment in manifest.experiments:
        try:
            if experiment.key in compiled:
                raise InvalidExperiment("key", experiment.key, "use each key once")
            if isinstance(experiment, BrokenExperiment):
                raise InvalidExperiment("", experiment.key, experiment.problem)
            compiled[experiment.key] = compile_experiment(
                experiment, layers, segments, manifest.holdout
            )
        except InvalidExperiment as error:
            broken[experiment.key] = str(error)
            compiled[experiment.key] = constant(experiment.key, Reason.INVALID)
    arm = holdout_draw(manifest.holdout, "held", "open") if manifest.holdout else None
    return CompiledManifest(manifest, compiled, broken, arm.outcome_for() if arm else None)


def check_experiment(
    experiment: Experiment,
    layers: tuple[Layer, ...] = (),
    segments: tuple[Segment, ...] = (),
) -> None:
    """Raise InvalidExperiment, naming field, value and fix, if it would not compile."""
    compile_experiment(
        experiment, {layer.key: layer for layer in layers}, compile_segments(segments), None
    )


def compile_experiment(
    experiment: Experiment,
    layers: Mapping[str, Layer],
    segments: Segments,
    holdout: Holdout | None,
) -> CompiledExperiment:
    check_shape(experiment, layers)
    if experiment.server_only:
        return constant(experiment.key, Reason.SERVER_ONLY)
    with located("audience"):
        page = compile_page(experiment.audience)
        person = compile_person(experiment.audience, segments)
    if experiment.activation is not None:
        with located("when"):
            compile_event_rule(experiment.activation.when, segments.lists)
    layer = layers[experiment.layer.key] if experiment.layer is not None else None
    return bind(Parts(experiment, page, person, holdout, layer))


def bind(parts: Parts) -> CompiledExperiment:
    """The decision table of one experiment, with the rows left out that cannot answer."""
    table = table_for(parts.experiment)
    built = {name: build(parts) for name, build in table}
    steps = tuple(
        gated(step, parts) if step.name in GATED_STEPS else step
        for step in built.values()
        if isinstance(step, Step)
    )
    return CompiledExperiment(
        by_subject=parts.experiment.unit is Unit.SUBJECT,
        answer_plain=first_answer([s for s in steps if s.name not in CONTEXT_STEPS]),
        answer_remembering=first_answer([s for s in steps if s.name not in OVERRIDE_STEPS]),
        answer=first_answer(steps),
        steps=steps,
        order=tuple(built),
        omitted={name: why for name, why in built.items() if isinstance(why, str)},
    )


def constant(key: str, reason: Reason) -> CompiledExperiment:
    """An experiment that answers every question with the same reason and no variant."""
    decision = Decision(key, None, reason)
    step = asking_step("manifest", lambda *_: decision, lambda *_: Seen(f"experiment {key}", {}))
    answer = first_answer((step,))
    return CompiledExperiment(True, answer, answer, answer, (step,), (step.name,), {})
