"""Whether what is new may be meant to be something that runs already, under another key."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

import msgspec

from fairlot.engine import Variant
from fairlot.service.lifecycle import STARTED
from fairlot.service.plan_document import (
    ChangeAction,
    ChangedKind,
    NotInFiles,
    PlannedChange,
    PlanWarning,
)
from fairlot.service.project_state import ProjectState

_CODE: Final = "another_key"
_Trait: TypeAlias = tuple[str, bytes]
"""What people call it, and the trait itself in a form that can be looked up."""


def rename_warnings(
    after: ProjectState, changes: Sequence[PlannedChange], absent: Sequence[NotInFiles]
) -> Iterator[PlanWarning]:
    """At most one for each new key. `absent` is what is stored and in no file."""
    new = [
        change.key
        for change in changes
        if change.kind is ChangedKind.EXPERIMENT and change.action is ChangeAction.CREATE
    ]
    left = {each.key: each for each in absent if each.status in STARTED}
    if not new or not left:
        return
    first = _first_with(after, left)
    for key in new:
        traits = _traits_of(after, key)
        found = next((trait for trait in traits if trait in first), None)
        if found is not None:
            yield _warning(key, found[0], left[first[found]])


def _first_with(state: ProjectState, keys: Iterable[str]) -> dict[_Trait, str]:
    first: dict[_Trait, str] = {}
    for key in keys:
        for trait in _traits_of(state, key):
            first.setdefault(trait, key)
    return first


def _traits_of(state: ProjectState, key: str) -> list[_Trait]:
    """What two experiments hardly have in common, the most telling first."""
    experiment = state.experiments[key].readable
    if experiment is None:
        return []
    traits: list[_Trait] = [("name", experiment.name.encode())]
    if any(_is_telling(variant) for variant in experiment.variants):
        variants = [replace(variant, id="") for variant in experiment.variants]
        traits.append(("variants", msgspec.json.encode(variants, order="deterministic")))
    return traits


def _is_telling(variant: Variant) -> bool:
    """Control and treatment, off and on, are the variants of most experiments."""
    has_payload = variant.payload is not None and not isinstance(variant.payload, bool)
    return has_payload or any((variant.redirect, variant.js, variant.css, variant.dom_ops))


def _warning(key: str, what: str, old: NotInFiles) -> PlanWarning:
    sentence = (
        f"has the {what} of {old.key}, which is {old.status} and in no file: a key cannot change,"
        f" and {old.key} stays as it is beside it; write key: {old.key} if it is the same"
        " experiment"
    )
    return PlanWarning(code=_CODE, about=f"experiment:{key}", sentence=sentence)
