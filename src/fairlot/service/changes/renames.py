"""Whether what is new may be meant to be something that runs already, under another key."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from fairlot.engine import Experiment, Variant
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


def rename_warnings(
    after: ProjectState, changes: Sequence[PlannedChange], absent: Sequence[NotInFiles]
) -> Iterator[PlanWarning]:
    """`absent` is what is stored and in no file."""
    known = {key: each.readable for key, each in after.experiments.items()}
    left = [each for each in absent if each.status in STARTED]
    for change in changes:
        if change.kind is not ChangedKind.EXPERIMENT or change.action is not ChangeAction.CREATE:
            continue
        for each in left:
            what = _shared(known[change.key], known[each.key])
            if what is not None:
                yield _warning(change.key, what, each)


def _shared(new: Experiment | None, old: Experiment | None) -> str | None:
    """What both have, and two experiments hardly would."""
    if new is None or old is None:
        return None
    if new.name == old.name:
        return "name"
    return "variants" if _variants(new) == _variants(old) else None


def _variants(experiment: Experiment) -> list[Variant]:
    return [replace(variant, id="") for variant in experiment.variants]


def _warning(key: str, what: str, old: NotInFiles) -> PlanWarning:
    sentence = (
        f"has the {what} of {old.key}, which is {old.status} and in no file: a key cannot change,"
        f" and {old.key} stays as it is beside it; write key: {old.key} if it is the same"
        " experiment"
    )
    return PlanWarning(code=_CODE, about=f"experiment:{key}", sentence=sentence)
