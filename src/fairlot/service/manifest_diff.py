"""What differs between two published manifests, named as in YAML."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any, Final

import msgspec

from fairlot.engine import BrokenExperiment, Experiment
from fairlot.manifest import manifest_from_json
from fairlot.service.changes.fields import Facts, changed_fields, served_facts, wire_facts
from fairlot.service.plan_document import ChangedKind, FieldChange


class DifferenceKind(StrEnum):
    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """Of one experiment, layer, segment, property or feed, or of the holdout. `fields` are of what
    is in both."""

    kind: ChangedKind
    key: str
    change: DifferenceKind
    fields: tuple[FieldChange, ...] = ()


class ManifestDiff(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """In the order of kinds, then keys. `keysAdded` and `keysRemoved` are ids of signing keys."""

    differences: tuple[Difference, ...]
    keys_added: tuple[str, ...]
    keys_removed: tuple[str, ...]


# What is only in the payload that the server decides by.
_OF_THE_SERVER: Final = {ChangedKind.PROPERTY: "properties", ChangedKind.FEED: "feeds"}
_NO_MANIFEST: Final = b'{"experiments":[]}'


def diff_manifests(before: bytes | None, after: bytes) -> ManifestDiff:
    """Of two payloads that the server decides by; None is before the first version."""
    old, new = (msgspec.json.decode(each or _NO_MANIFEST) for each in (before, after))
    old_keys, new_keys = (each.get("keys", []) for each in (old, new))
    return ManifestDiff(
        differences=(
            *_differences(ChangedKind.EXPERIMENT, _experiments(before), _experiments(after)),
            *_differences(ChangedKind.LAYER, _listed(old, "layers"), _listed(new, "layers")),
            *_differences(ChangedKind.SEGMENT, _listed(old, "segments"), _listed(new, "segments")),
            *_differences(ChangedKind.HOLDOUT, _holdout(old), _holdout(new)),
            *(
                difference
                for kind, name in _OF_THE_SERVER.items()
                for difference in _differences(kind, _listed(old, name), _listed(new, name))
            ),
        ),
        keys_added=tuple(key for key in new_keys if key not in old_keys),
        keys_removed=tuple(key for key in old_keys if key not in new_keys),
    )


def _differences(
    kind: ChangedKind, before: Mapping[str, Facts], after: Mapping[str, Facts]
) -> Iterator[Difference]:
    for key in sorted({*before, *after}):
        if key not in before:
            yield Difference(kind=kind, key=key, change=DifferenceKind.ADDED)
        elif key not in after:
            yield Difference(kind=kind, key=key, change=DifferenceKind.REMOVED)
        elif fields := changed_fields(before[key], after[key]):
            yield Difference(kind=kind, key=key, change=DifferenceKind.CHANGED, fields=fields)


def _experiments(payload: bytes | None) -> dict[str, Facts]:
    experiments = () if payload is None else manifest_from_json(payload).experiments
    return {each.key: _facts(each) for each in experiments}


def _facts(experiment: Experiment | BrokenExperiment) -> Facts:
    if isinstance(experiment, BrokenExperiment):
        return {"problem": experiment.problem}
    return {"status": experiment.status.value, **served_facts(experiment)}


def _listed(document: Mapping[str, Any], name: str) -> dict[str, Facts]:
    return {each["key"]: wire_facts(each) for each in document.get(name, [])}


def _holdout(document: Mapping[str, Any]) -> dict[str, Facts]:
    found = document.get("holdout")
    return {} if found is None else {found["key"]: wire_facts(found)}
