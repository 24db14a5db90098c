"""The reactor: what the rules of a project make of what its subjects do."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from fairlot.engine import History
from fairlot.events import Exposure, derived_event_id
from fairlot.profiles import Happening, Profile, Property
from fairlot.profiles.properties import property_after
from fairlot.service.holdouts import holdout_exposure
from fairlot.service.personalization.activating import Evaluated, evaluate, unit_of
from fairlot.service.personalization.happening import counted_in, holds_now
from fairlot.service.personalization.rules import Triggered, Watching
from fairlot.service.privacy.recording import is_private, without_details
from fairlot.service.profiles import Reaction
from fairlot.service.snapshot import ProjectServing, Snapshot

SOURCE: Final = "personalization"
CONTROL_KEY: Final = "control"
"""The variant key of the control share in exposures; its variant id is empty."""


class RuleReactor:
    """Follows the current snapshot: a rule that has gone from it activates nobody any more."""

    def __init__(self, snapshot: Callable[[], Snapshot], clock_ms: Callable[[], int]) -> None:
        self._snapshot = snapshot
        self._clock_ms = clock_ms
        self._projects: tuple[Snapshot | None, Mapping[str, ProjectServing]] = (None, {})

    def history_wanted(self, project_id: str, happening: Happening) -> Mapping[str, int]:
        project = self._project(project_id)
        watching = None if project is None else project.rules.watching.get(happening.name)
        return {} if watching is None else watching.history_wanted

    def react(
        self,
        profile: Profile,
        happening: Happening,
        history: History,
        account: Callable[[], Mapping[str, Any]],
    ) -> Reaction:
        project = self._project(profile.project_id)
        watching = None if project is None else project.rules.watching.get(happening.name)
        if project is None or watching is None:
            return Reaction(profile)
        counted = counted_in(history, happening)
        profile = _with_properties(profile, watching, happening, counted)
        exposures: list[Exposure] = []
        for triggered in watching.triggered:
            if not triggered.when.counts(happening.properties):
                continue
            found = evaluate(triggered, project.rules, profile, happening, counted, account)
            if found is not None:
                made = self._exposures(project, triggered, profile, happening, found)
                is_bare = is_private(happening.properties)
                exposures += [without_details(each) for each in made] if is_bare else made
                profile = _with_activation(profile, triggered, found)
        return Reaction(profile, exposures)

    def _project(self, project_id: str) -> ProjectServing | None:
        snapshot = self._snapshot()
        known, projects = self._projects
        if known is not snapshot:
            projects = {each.project_id: each for each in snapshot.projects.values()}
            self._projects = snapshot, projects
        return projects.get(project_id)

    def _exposures(
        self,
        project: ProjectServing,
        triggered: Triggered,
        profile: Profile,
        happening: Happening,
        found: Evaluated,
    ) -> list[Exposure]:
        """Of the holdout and of the activation, under ids that a repetition has again."""
        received_at_ms = self._clock_ms()
        unit_id, subject_id = unit_of(triggered, profile), profile.subject_id
        held = holdout_exposure(
            project,
            found.decision,
            subject_id=subject_id,
            unit_id=unit_id,
            at_ms=found.moment_ms,
            received_at_ms=received_at_ms,
            source=SOURCE,
        )
        exposures = [] if held is None else [held]
        activation, variant = found.activation, found.decision.variant
        if activation is None or variant is None:
            return exposures
        is_control = activation.variant_key is None
        experiment = triggered.experiment
        name = f"activation:{experiment.id}:{happening.event_id}"
        activated = Exposure(
            derived_event_id(project.project_id, name),
            project.project_id,
            experiment.id,
            experiment.key,
            subject_id,
            unit_id,
            CONTROL_KEY if is_control else variant.key,
            "" if is_control else variant.id,
            activation.manifest_version,
            experiment.hash_version,
            found.decision.reason,
            activation.at_ms,
            received_at_ms,
            source=SOURCE,
        )
        return [*exposures, activated]


def _with_properties(
    profile: Profile, watching: Watching, happening: Happening, history: History
) -> Profile:
    taken: dict[str, Property] = {}
    for each in watching.captured:
        if holds_now(each.when, history, happening):
            before = profile.properties.get(each.rule.key)
            taken[each.rule.key] = property_after(each.rule, before, happening)
    if not taken:
        return profile
    return msgspec.structs.replace(profile, properties={**profile.properties, **taken})


def _with_activation(profile: Profile, triggered: Triggered, found: Evaluated) -> Profile:
    if found.activation is None:
        return profile
    return msgspec.structs.replace(
        profile,
        activations={**profile.activations, triggered.experiment.id: found.activation},
    )
