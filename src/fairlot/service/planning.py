"""What applying one experiment file would do to what is stored: a new row, or why not."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import msgspec

from fairlot.engine import Experiment, InvalidExperiment, Layer, Status, check_experiment
from fairlot.engine.errors import shorten
from fairlot.manifest import experiment_from_json, experiment_to_json
from fairlot.manifest.problems import SpecProblem
from fairlot.manifest.spec import ExperimentSpec, TargetStatus
from fairlot.service.draws import draw_of
from fairlot.store.experiments import ExperimentRow

_STARTED = frozenset({TargetStatus.RUNNING, TargetStatus.PAUSED, TargetStatus.COMPLETED})
_NOTES = ("description", "hypothesis", "owner", "tags", "metrics")
_AFRESH = "start afresh under a new key"
_ABSENT = object()


class ChangeKind(StrEnum):
    """`STATUS`: nothing but the status."""

    CREATED = "created"
    UPDATED = "updated"
    STATUS = "status"
    UNCHANGED = "unchanged"


@dataclass(frozen=True, slots=True)
class Change:
    """`fields` are named as in YAML: `audience.rule`, `variants.blue.weight`, `status`; `source`
    stands alone when only comments or layout differ."""

    key: str
    kind: ChangeKind
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    spec: ExperimentSpec
    experiment: Experiment
    row: ExperimentRow
    change: Change


@dataclass(frozen=True, slots=True)
class Planner:
    """`layers` are the salts of all layers by key, those that the specs name included."""

    project_id: str
    layers: Mapping[str, str]
    now_ms: int
    new_id: Callable[[str], str]

    def plan(
        self, spec: ExperimentSpec, stored: ExperimentRow | None
    ) -> tuple[Plan | None, list[SpecProblem]]:
        if stored is not None and stored.deleted_at_ms is not None:
            fix = "was deleted, and a deleted key is never used again: choose another"
            return None, [problem_of(spec, "key", stored.key, fix)]
        before = None if stored is None else experiment_from_json(stored.document)
        experiment = self._completed(spec, stored, before)
        problems = self._invalid(spec, experiment)
        if stored is None or before is None:
            row = self._new_row(spec, experiment)
            change = Change(experiment.key, ChangeKind.CREATED)
        else:
            fields = _changed_fields(spec, stored, before, experiment)
            problems += _forbidden(spec, stored, before, fields)
            change = _change(experiment.key, fields)
            row = stored
            if change.kind is not ChangeKind.UNCHANGED:
                row = self._next_row(spec, stored, experiment)
        return (None if problems else Plan(spec, experiment, row, change)), problems

    def _completed(
        self, spec: ExperimentSpec, stored: ExperimentRow | None, before: Experiment | None
    ) -> Experiment:
        """The experiment with its ids, and with the salt that it was created with."""
        known = {} if stored is None else stored.variant_ids
        written = spec.experiment
        return replace(
            written,
            id=self.new_id("exp") if stored is None else stored.id,
            salt=written.salt if spec.explicit_salt or before is None else before.salt,
            status=Status.RUNNING
            if spec.target is TargetStatus.DRAFT
            else Status(spec.target.value),
            variants=tuple(
                replace(variant, id=known.get(variant.key) or self.new_id("var"))
                for variant in written.variants
            ),
        )

    def _invalid(self, spec: ExperimentSpec, experiment: Experiment) -> list[SpecProblem]:
        layers = tuple(Layer(key, salt) for key, salt in self.layers.items())
        try:
            check_experiment(experiment, layers)
        except InvalidExperiment as error:
            return [problem_of(spec, error.path, error.value, error.fix)]
        return []

    def _new_row(self, spec: ExperimentSpec, experiment: Experiment) -> ExperimentRow:
        blank = ExperimentRow(
            id=experiment.id,
            project_id=self.project_id,
            key=experiment.key,
            status=TargetStatus.DRAFT,
            document=b"",
            variant_ids={},
            description=None,
            hypothesis=None,
            owner=None,
            tags=(),
            metrics=(),
            source="",
            created_at_ms=self.now_ms,
            updated_at_ms=self.now_ms,
        )
        return self._next_row(spec, blank, experiment)

    def _next_row(
        self, spec: ExperimentSpec, row: ExperimentRow, experiment: Experiment
    ) -> ExperimentRow:
        layer = experiment.layer
        draw = draw_of(experiment, None if layer is None else self.layers[layer.key])
        starts = row.started_at_ms is None and spec.target in _STARTED
        at_start = draw if starts else row.draw_at_start
        ids = {variant.key: variant.id for variant in experiment.variants}
        return replace(
            row,
            status=spec.target.value,
            document=experiment_to_json(experiment),
            variant_ids=dict(row.variant_ids) | ids,
            description=spec.description,
            hypothesis=spec.hypothesis,
            owner=spec.owner,
            tags=list(spec.tags),
            metrics=[dict(metric) for metric in spec.metrics],
            source=spec.source,
            updated_at_ms=self.now_ms,
            started_at_ms=self.now_ms if starts else row.started_at_ms,
            draw_at_start=at_start,
            draw_changed=row.draw_changed or (at_start is not None and draw != at_start),
        )


def problem_of(spec: ExperimentSpec, path: str, value: object, message: str) -> SpecProblem:
    text = value if isinstance(value, str) else shorten(value)
    return SpecProblem(spec.file, spec.line, path, text, message)


def _change(key: str, fields: tuple[str, ...]) -> Change:
    if not fields:
        return Change(key, ChangeKind.UNCHANGED)
    return Change(key, ChangeKind.STATUS if fields == ("status",) else ChangeKind.UPDATED, fields)


def _changed_fields(
    spec: ExperimentSpec, stored: ExperimentRow, before: Experiment, after: Experiment
) -> tuple[str, ...]:
    old, new = _facts(before), _facts(after)
    both = {variant.key for variant in before.variants} & {v.key for v in after.variants}
    fields = [
        name
        for name in dict.fromkeys((*new, *old))
        if old.get(name, _ABSENT) != new.get(name, _ABSENT)
        and (not name.startswith("variants.") or name.split(".")[1] in both)
    ]
    fields += [name for name in _NOTES if _note(spec, name) != _note(stored, name)]
    if stored.status != spec.target:
        fields.append("status")
    if not fields and stored.source != spec.source:
        fields.append("source")
    return tuple(fields)


def _note(holder: ExperimentSpec | ExperimentRow, name: str) -> object:
    value = getattr(holder, name)
    return [*value] if isinstance(value, tuple) else value


def _facts(experiment: Experiment) -> dict[str, Any]:
    """What clients see, one entry a field; ids and status are looked at elsewhere."""
    facts: dict[str, Any] = {}
    document = msgspec.json.decode(experiment_to_json(experiment))
    for name, value in document.items():
        if name == "audience":
            facts |= {_yaml_name(f"audience.{part}"): each for part, each in value.items()}
        elif name == "variants":
            facts["variants"] = [variant["key"] for variant in value]
            facts |= dict(_variant_facts(value))
        elif name not in ("id", "status"):
            facts[name] = value
    return facts


def _variant_facts(variants: list[dict[str, Any]]) -> Iterator[tuple[str, Any]]:
    for variant in variants:
        for name, value in variant.items():
            if name not in ("id", "key"):
                yield _yaml_name(f"variants.{variant['key']}.{name}"), value


def _yaml_name(name: str) -> str:
    return name.removesuffix("Bp")


def _forbidden(
    spec: ExperimentSpec, stored: ExperimentRow, before: Experiment, fields: tuple[str, ...]
) -> list[SpecProblem]:
    """What the life of an experiment does not allow."""
    status, target = TargetStatus(stored.status), spec.target
    if stored.started_at_ms is None:
        return []
    if target is TargetStatus.DRAFT:
        fix = f"it is {status.value}, and what has started is never a draft again: {_AFRESH}"
        return [problem_of(spec, "status", target.value, fix)]
    if status is TargetStatus.COMPLETED:
        return list(_thawed(spec, fields))
    return [*_unsettled(spec, fields), *_lowered(spec, before)]


def _thawed(spec: ExperimentSpec, fields: tuple[str, ...]) -> Iterator[SpecProblem]:
    for name in fields:
        if name == "status":
            fix = f"it is completed, and does not run again: {_AFRESH}"
            yield problem_of(spec, name, spec.target.value, fix)
        elif name not in ("rollout", "source"):
            fix = f"it is completed, and only rollout may change: {_AFRESH}"
            yield problem_of(spec, name, spec.experiment.key, fix)


def _unsettled(spec: ExperimentSpec, fields: tuple[str, ...]) -> Iterator[SpecProblem]:
    """The salt, the hash version and the unit stay as they were at the start."""
    written = spec.experiment
    fixed = {"salt": written.salt, "hashVersion": written.hash_version, "unit": written.unit.value}
    for name, value in fixed.items():
        if name in fields:
            fix = f"it has started, and a new {name} would deal all subjects anew: {_AFRESH}"
            yield problem_of(spec, name, value, fix)


def _lowered(spec: ExperimentSpec, before: Experiment) -> Iterator[SpecProblem]:
    for variant in spec.experiment.variants:
        earlier = before.variant(variant.key)
        if earlier is not None and variant.recipe_sample_rate_bp < earlier.recipe_sample_rate_bp:
            yield problem_of(
                spec,
                f"variants.{variant.key}.recipeSampleRate",
                variant.recipe_sample_rate_bp / 10_000,
                f"while an experiment runs it may only rise: write"
                f" {earlier.recipe_sample_rate_bp / 10_000} or more",
            )
