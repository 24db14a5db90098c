"""Which personalizations a subject has that its own doings activated."""

from dataclasses import dataclass

import msgspec

from fairlot.engine import Context, Experiment, Variant, decide
from fairlot.profiles import Activation, Profile
from fairlot.service.snapshot import ProjectServing


@dataclass(frozen=True, slots=True)
class ActiveVariant:
    experiment: Experiment
    variant: Variant
    activation: Activation


def active_variants(
    project: ProjectServing, profile: Profile | None, context: Context
) -> list[ActiveVariant]:
    """Of all experiments at `context.now_ms`, `priority` descending, then by key. The context is to
    hold what is known of the subject. Reads only."""
    if profile is None or not profile.activations:
        return []
    found = (
        active_variant(project, experiment, profile, context)
        for experiment in project.rules.triggered
    )
    return [each for each in found if each is not None]


def active_variant(
    project: ProjectServing, experiment: Experiment, profile: Profile, context: Context
) -> ActiveVariant | None:
    """Of one experiment: None unless it is active for the subject and not as control, is running,
    and its audience holds. A variant that was removed is not served any more, and one that everyone
    is sent to (`divertTo`, a rollout) is what all of the active get, the control share too."""
    activation = profile.activations.get(experiment.id)
    if activation is None or not activation.is_active(context.now_ms):
        return None
    active = {experiment.key: activation.variant_key}
    asked = msgspec.structs.replace(context, activations=active)
    variant = decide(project.compiled, experiment.key, profile.subject_id, asked).variant
    return None if variant is None else ActiveVariant(experiment, variant, activation)
