"""One YAML document of an experiment: every field of it, read and checked."""

from dataclasses import replace
from typing import Final

from fairlot.engine import (
    ActivationRule,
    Audience,
    EventRule,
    Experiment,
    ExperimentType,
    LayerRange,
    Status,
    Unit,
    Variant,
)
from fairlot.manifest import experiment_fields as written
from fairlot.manifest.activation_reader import is_triggered, read_activation
from fairlot.manifest.analysis_reader import read_analysis
from fairlot.manifest.audience_reader import read_audience
from fairlot.manifest.engine_check import SOUND, EngineCheck
from fairlot.manifest.experiment_fields import Display, OnLogin
from fairlot.manifest.fields import Fields
from fairlot.manifest.metric_reader import read_metrics
from fairlot.manifest.names import Names
from fairlot.manifest.nodes import MapNode
from fairlot.manifest.problems import Problems
from fairlot.manifest.schedule_reader import read_schedule
from fairlot.manifest.spec import ExperimentSpec, TargetStatus
from fairlot.manifest.variant_reader import read_variants

PERSONALIZATION: Final = ExperimentType.PERSONALIZATION
SOME_ACTIVATION: Final = ActivationRule(EventRule("any"))


def read_experiment(root: MapNode, source: str, problems: Problems, names: Names) -> ExperimentSpec:
    """The experiment at `root`; only worth using if nothing was added to the problems."""
    reader = _ExperimentReader(root, problems, names)
    spec = reader.read(source)
    if not problems:
        reader.engine.check_shape(spec.experiment)
    return spec


class _ExperimentReader:
    def __init__(self, root: MapNode, problems: Problems, names: Names) -> None:
        self.problems = problems
        self.names = names
        self.engine = EngineCheck(root, problems, names.lists)
        self.top = Fields(root, "", problems, written.EXPERIMENT_TABLE)

    def read(self, source: str) -> ExperimentSpec:
        top = self.top
        target = top.read(written.STATUS) or TargetStatus.RUNNING
        return ExperimentSpec(
            experiment=self.experiment(target),
            target=target,
            description=top.read(written.DESCRIPTION),
            hypothesis=top.read(written.HYPOTHESIS),
            owner=top.read(written.OWNER),
            tags=tuple(tag.text for tag in top.read(written.TAGS) or ()),
            metrics=read_metrics(top, self.names),
            analysis=read_analysis(top),
            source=source,
            file=self.problems.file,
            line=top.map.line,
            explicit_salt=top.has(written.SALT.name),
            explicit_status=top.has(written.STATUS.name),
            root=top.map,
        )

    def experiment(self, target: TargetStatus) -> Experiment:
        top = self.top
        key = self.key()
        divert_to, rollout = top.read(written.DIVERT_TO), self.rollout(target)
        kind = top.read(written.TYPE) or ExperimentType.AB
        return Experiment(
            key=key,
            salt=top.read(written.SALT) or key,
            name=top.read(written.NAME) or "",
            type=kind,
            status=Status.RUNNING if target is TargetStatus.DRAFT else Status(target),
            unit=top.read(written.UNIT) or Unit.SUBJECT,
            audience=self.audience(),
            layer=self.layer(),
            schedule=read_schedule(top),
            recheck_audience=top.read(written.RECHECK_AUDIENCE) or False,
            adapter_is_randomised=top.read(written.ADAPTER_IS_RANDOMISED) or False,
            manual_exposure=top.read(written.MANUAL_EXPOSURE) or False,
            metadata=top.read(written.METADATA),
            group=top.read(written.GROUP),
            priority=top.read(written.PRIORITY) or 0,
            display=(top.read(written.DISPLAY) or Display.ALWAYS).value,
            on_login=(top.read(written.ON_LOGIN) or OnLogin.KEEP).value,
            trigger=top.read(written.TRIGGER),
            shared_js=top.read(written.SHARED_JS),
            shared_css=top.read(written.SHARED_CSS),
            variants=self.variants(kind, divert_to, rollout),
            divert_to=divert_to,
            rollout=rollout,
            activation=read_activation(top, kind, self.engine, self.names),
        )

    def key(self) -> str:
        top = self.top
        if not top.has(written.ID.name):
            return top.read(written.KEY) or ""
        if top.has(written.KEY.name):
            top.refuse(written.ID.name, "another name of `key`; keep one of them")
            return top.read(written.KEY) or ""
        return top.read(written.ID) or ""

    def rollout(self, target: TargetStatus) -> str | None:
        name = written.ROLLOUT.name
        if self.top.has(name) and target is not TargetStatus.COMPLETED:
            self.top.refuse(name, "only a completed experiment rolls out; or use divertTo")
        return self.top.read(written.ROLLOUT)

    def audience(self) -> Audience:
        audience = read_audience(self.top, self.names)
        self.engine.check_audience(audience)
        return audience

    def layer(self) -> LayerRange | None:
        before = len(self.problems)
        part = self.top.read(written.LAYER)
        if part is None:
            return None
        key = part.read(written.LAYER_KEY)
        start, end = part.read(written.LAYER_START), part.read(written.LAYER_END)
        if key is None or start is None or end is None:
            return None
        layer = LayerRange(key, start, end)
        if len(self.problems) == before:
            self.engine.check_shape(replace(SOUND, layer=layer))
        return layer

    def variants(
        self, kind: ExperimentType, divert_to: str | None, rollout: str | None
    ) -> tuple[Variant, ...]:
        """The variants; `divert_to` and `rollout` must each name one."""
        before = len(self.problems)
        triggered = is_triggered(self.top)
        variants = read_variants(self.top, self.names.feeds, has_control=not triggered)
        with_variants = replace(SOUND, type=kind, variants=variants)
        if triggered:
            with_variants = replace(with_variants, type=PERSONALIZATION, activation=SOME_ACTIVATION)
        if len(self.problems) == before:
            self.engine.check_shape(with_variants)
        if len(self.problems) == before:
            self.engine.check_shape(replace(with_variants, divert_to=divert_to))
            self.engine.check_shape(replace(with_variants, rollout=rollout))
        return variants
