"""What differs between two contents, field by field, named as in YAML."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import UNSET

from fairlot.engine import Experiment
from fairlot.engine.model import FULL_RATE_BP
from fairlot.manifest import experiment_to_json
from fairlot.manifest.contents import same_content
from fairlot.manifest.definitions import Definition, definition_to_json
from fairlot.manifest.durations import write_duration
from fairlot.manifest.spec import ExperimentSpec
from fairlot.service.plan_document import FieldChange
from fairlot.store.experiments import ExperimentRow

Facts = Mapping[str, Any]

NOTES: Final = ("description", "hypothesis", "owner", "tags", "metrics", "analysis")
"""The fields of an experiment that manifests never carry."""
SOURCE: Final = FieldChange(path="source")
"""Only comments or layout differ."""
_IN_BASIS_POINTS: Final = "Bp"
_IN_MS: Final = "Ms"
# What no file changes, and the status, which is told apart.
_UNWRITTEN: Final = frozenset({"id", "key", "kind", "status", "hashVersion"})


def changed_fields(before: Facts, after: Facts) -> tuple[FieldChange, ...]:
    """In the order of `after`. The fields of a variant that is new or gone are not told: that it
    is, is in `variants`."""
    kept = set(before.get("variants", ())) & set(after.get("variants", ()))
    return tuple(
        FieldChange(path=name, before=before.get(name, UNSET), after=after.get(name, UNSET))
        for name in dict.fromkeys((*after, *before))
        if not _is_same(name, before, after)
        and (not name.startswith("variants.") or name.split(".")[1] in kept)
    )


def _is_same(name: str, before: Facts, after: Facts) -> bool:
    return name in before and name in after and same_content(before[name], after[name])


def served_facts(experiment: Experiment) -> dict[str, Any]:
    """What clients see of an experiment, but for its ids, its hash version and its status."""
    facts: dict[str, Any] = {}
    for name, value in msgspec.json.decode(experiment_to_json(experiment)).items():
        if name == "audience":
            facts |= (_in_yaml(f"audience.{part}", each) for part, each in value.items())
        elif name == "variants":
            facts["variants"] = [variant["key"] for variant in value]
            facts |= _variant_facts(value)
        elif name == "activation":
            facts |= (_in_yaml(part, each) for part, each in value.items())
        elif name not in _UNWRITTEN:
            facts[name] = value
    return facts


def noted_facts(holder: ExperimentSpec | ExperimentRow) -> dict[str, Any]:
    """What people have written for people."""
    notes = ((name, _plain(getattr(holder, name))) for name in NOTES)
    return {name: value for name, value in notes if value not in (None, [])}


def definition_facts(definition: Definition) -> dict[str, Any]:
    return wire_facts(msgspec.json.decode(definition_to_json(definition)))


def wire_facts(document: Mapping[str, Any]) -> dict[str, Any]:
    """Of a definition in its JSON, or of a layer, segment or holdout as a manifest has it."""
    return dict(_in_yaml(name, value) for name, value in document.items() if name not in _UNWRITTEN)


def _variant_facts(variants: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Any]]:
    for variant in variants:
        for name, value in variant.items():
            if name not in _UNWRITTEN:
                yield _in_yaml(f"variants.{variant['key']}.{name}", value)


def _in_yaml(name: str, value: Any) -> tuple[str, Any]:
    """A rate is a fraction there, a time has its unit."""
    if name.endswith(_IN_BASIS_POINTS):
        return name.removesuffix(_IN_BASIS_POINTS), value / FULL_RATE_BP
    if name.endswith(_IN_MS) and isinstance(value, int):
        return name.removesuffix(_IN_MS), write_duration(value)
    if name == "when":
        return name, dict(_in_yaml(part, each) for part, each in value.items())
    if name == "history":
        return name, [dict(_in_yaml(part, each) for part, each in one.items()) for one in value]
    return name, value


def _plain(value: object) -> object:
    return [*value] if isinstance(value, tuple) else value
