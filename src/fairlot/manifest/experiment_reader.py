"""One YAML document of an experiment: every field of it, read and checked."""

import re
from dataclasses import replace
from enum import StrEnum
from typing import Any, Final

from fairlot.engine import (
    Audience,
    Experiment,
    ExperimentType,
    LayerRange,
    Status,
    Unit,
    Variant,
)
from fairlot.engine.checks import EXPERIMENT_KEY
from fairlot.engine.hashing import SALT_PATTERN
from fairlot.engine.model import BUCKETS
from fairlot.manifest.audience_reader import read_audience
from fairlot.manifest.engine_check import SOUND, EngineCheck
from fairlot.manifest.fields import KEY_FIX, MAX_PROSE_CHARS, SALT_FIX, Fields
from fairlot.manifest.metric_reader import read_metrics
from fairlot.manifest.names import Names
from fairlot.manifest.nodes import MapNode, Scalar
from fairlot.manifest.problems import Problems
from fairlot.manifest.schedule_reader import read_schedule
from fairlot.manifest.spec import ExperimentSpec, TargetStatus
from fairlot.manifest.variant_reader import read_variants

EXPERIMENT_FIELDS: Final = (
    "kind",
    "key",
    "id",
    "name",
    "description",
    "hypothesis",
    "owner",
    "tags",
    "type",
    "status",
    "rollout",
    "group",
    "priority",
    "unit",
    "salt",
    "sampleRate",
    "holdback",
    "audience",
    "layer",
    "schedule",
    "divertTo",
    "display",
    "onLogin",
    "recheckAudience",
    "adapterIsRandomised",
    "manualExposure",
    "trigger",
    "sharedJs",
    "sharedCss",
    "metadata",
    "variants",
    "metrics",
)
LAYER_FIELDS: Final = ("key", "start", "end")
MAX_PRIORITY: Final = 1_000_000

_GROUP: Final = re.compile(r"[A-Za-z0-9_-]{1,128}")


class Display(StrEnum):
    ALWAYS = "always"
    ONCE = "once"
    ONCE_PER_VISIT = "once_per_visit"


class OnLogin(StrEnum):
    KEEP = "keep"
    SWITCH = "switch"
    EXCLUDE = "exclude"


class TriggerKind(StrEnum):
    AUTO = "auto"
    URL_MATCH = "urlMatch"
    WAIT_FOR_SELECTOR = "waitForSelector"
    EVENT = "event"


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
        self.top = Fields(root, "", problems, EXPERIMENT_FIELDS)

    def read(self, source: str) -> ExperimentSpec:
        top = self.top
        target = top.choice("status", TargetStatus) or TargetStatus.RUNNING
        return ExperimentSpec(
            experiment=self.experiment(target),
            target=target,
            description=top.text("description", most=MAX_PROSE_CHARS),
            hypothesis=top.text("hypothesis", most=MAX_PROSE_CHARS),
            owner=top.text("owner"),
            tags=tuple(tag for _, _, tag in top.item_texts("tags")),
            metrics=read_metrics(top, self.names.metrics),
            source=source,
            file=self.problems.file,
            line=top.map.line,
            explicit_salt=top.has("salt"),
        )

    def experiment(self, target: TargetStatus) -> Experiment:
        top = self.top
        key = self.key()
        divert_to, rollout = top.text("divertTo"), self.rollout(target)
        kind = top.choice("type", ExperimentType) or ExperimentType.AB
        return Experiment(
            key=key,
            salt=top.matching("salt", SALT_PATTERN, SALT_FIX) or key,
            name=self.name(),
            type=kind,
            status=Status.RUNNING if target is TargetStatus.DRAFT else Status(target),
            unit=top.choice("unit", Unit) or Unit.SUBJECT,
            audience=self.audience(),
            layer=self.layer(),
            schedule=read_schedule(top),
            recheck_audience=top.flag("recheckAudience") or False,
            adapter_is_randomised=top.flag("adapterIsRandomised") or False,
            manual_exposure=top.flag("manualExposure") or False,
            metadata=top.json_object("metadata"),
            group=top.matching("group", _GROUP, "use 1 to 128 of A-Z a-z 0-9 _ -"),
            priority=top.whole("priority", -MAX_PRIORITY, MAX_PRIORITY) or 0,
            display=self.display(),
            on_login=(top.choice("onLogin", OnLogin) or OnLogin.KEEP).value,
            trigger=_read_trigger(top),
            shared_js=top.text("sharedJs"),
            shared_css=top.text("sharedCss"),
            variants=self.variants(kind, divert_to, rollout),
            divert_to=divert_to,
            rollout=rollout,
        )

    def key(self) -> str:
        top = self.top
        if top.has("key") and top.has("id"):
            top.refuse("id", "another name of `key`; keep one of them")
        name = "id" if top.has("id") and not top.has("key") else "key"
        top.require(name)
        return top.matching(name, EXPERIMENT_KEY, KEY_FIX) or ""

    def name(self) -> str:
        self.top.require("name")
        return self.top.text("name") or ""

    def rollout(self, target: TargetStatus) -> str | None:
        if self.top.has("rollout") and target is not TargetStatus.COMPLETED:
            self.top.refuse("rollout", "only a completed experiment rolls out; or use divertTo")
        node = self.top.node("rollout")
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            self.top.refuse("rollout", "name the variant that everybody gets, by its key")
            return None
        return self.top.text("rollout")

    def display(self) -> str:
        display = self.top.choice("display", Display) or Display.ALWAYS
        if display is not Display.ALWAYS:
            self.top.refuse("display", "this server keeps no visitor profiles yet; leave it out")
        return display.value

    def audience(self) -> Audience:
        audience = read_audience(self.top, self.names)
        self.engine.check_audience(audience)
        return audience

    def layer(self) -> LayerRange | None:
        before = len(self.problems)
        part = self.top.fields("layer", LAYER_FIELDS)
        if part is None:
            return None
        part.require(*LAYER_FIELDS)
        key = part.matching("key", EXPERIMENT_KEY, KEY_FIX)
        start, end = part.whole("start", 0, BUCKETS), part.whole("end", 0, BUCKETS)
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
        self.top.require("variants")
        variants = read_variants(self.top)
        with_variants = replace(SOUND, type=kind, variants=variants)
        if len(self.problems) == before:
            self.engine.check_shape(with_variants)
        if len(self.problems) == before:
            self.engine.check_shape(replace(with_variants, divert_to=divert_to))
            self.engine.check_shape(replace(with_variants, rollout=rollout))
        return variants


def _read_trigger(top: Fields) -> dict[str, Any] | None:
    """Its kind is checked; the parameters of a kind are the browser's affair."""
    node = top.map_node("trigger")
    if node is None:
        return None
    trigger = Fields(node, top.at("trigger"), top.problems)
    trigger.require("kind")
    trigger.choice("kind", TriggerKind)
    value: dict[str, Any] | None = top.json("trigger")
    return value
