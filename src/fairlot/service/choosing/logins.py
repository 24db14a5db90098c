"""What a login does to the variant that an experiment gave to the anonymous visitor."""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from fairlot.engine import Decision, Experiment, TraceStep
from fairlot.engine.trace import PASSED
from fairlot.events.properties import EXCLUDED, SWITCHED
from fairlot.manifest.experiment_fields import OnLogin
from fairlot.profiles import KeptAssignment, Profile


class Standing(NamedTuple):
    """`subject_id` is whom the draw is for, `remembered` the variant that still counts, `kept` what
    the profile holds, also if it does not count any more."""

    subject_id: str
    remembered: str | None
    kept: KeptAssignment | None
    leaves: bool = False


def standing_of(experiment: Experiment, profile: Profile) -> Standing:
    """By `onLogin`. Who was logged in when the variant was given is the same person as now: nothing
    has come between."""
    kept = profile.assignments.get(experiment.id)
    remembered = None if kept is None else kept.variant_key
    if profile.user_id is None or experiment.on_login == OnLogin.KEEP:
        return Standing(profile.subject_id, remembered, kept)
    is_of_the_user = kept is not None and kept.user_id == profile.user_id
    if experiment.on_login == OnLogin.SWITCH:
        return Standing(profile.user_id, remembered if is_of_the_user else None, kept)
    leaves = kept is not None and (kept.excluded or kept.user_id is None)
    return Standing(profile.subject_id, remembered, kept, leaves)


def assignment_of(
    standing: Standing, decision: Decision, profile: Profile, version: int, now_ms: int
) -> KeptAssignment | None:
    """What the profile is to hold from now on; None leaves it as it is."""
    kept, experiment, variant = standing.kept, decision.experiment, decision.variant
    if experiment is None or variant is None:
        return None
    if not decision.store:
        if kept is None or not standing.leaves or kept.excluded:
            return None
        return msgspec.structs.replace(kept, excluded=True)
    given = KeptAssignment(
        experiment_key=experiment.key,
        variant_key=variant.key,
        manifest_version=version,
        at_ms=now_ms,
        excluded=standing.leaves,
        user_id=profile.user_id,
    )
    if kept is None or standing.remembered is not None:
        return given
    if kept.variant_key != variant.key:
        return msgspec.structs.replace(given, switched=True, earlier_variant=kept.variant_key)
    return msgspec.structs.replace(
        given,
        switched=kept.switched,
        earlier_variant=kept.earlier_variant,
        earlier_subject=kept.earlier_subject,
    )


def flags_of(kept: KeptAssignment | None) -> Mapping[str, Any] | None:
    """Properties of an exposure that the analysis leaves out, and counts."""
    if kept is None or not (kept.switched or kept.excluded):
        return None
    flags = {SWITCHED: kept.switched, EXCLUDED: kept.excluded}
    return {name: True for name, holds in flags.items() if holds}


def login_step(experiment: Experiment, profile: Profile | None) -> TraceStep:
    """The row of an explanation that says whom the draw is for, and what is remembered."""
    if profile is None:
        return TraceStep("login", PASSED, "no profile is known; the draw is for the id itself")
    standing = standing_of(experiment, profile)
    details = {
        "onLogin": experiment.on_login,
        "subjectId": profile.subject_id,
        "userId": profile.user_id,
        "drawnFor": standing.subject_id,
        "remembered": None if standing.kept is None else standing.kept.variant_key,
    }
    return TraceStep("login", PASSED, _note(experiment, profile, standing), details)


def _note(experiment: Experiment, profile: Profile, standing: Standing) -> str:
    kept = standing.kept
    merged = "" if kept is None or not kept.switched else _switched(kept)
    if profile.user_id is None:
        return f"nobody has logged in{merged}"
    if experiment.on_login == OnLogin.KEEP:
        return f"keep: the login as {profile.user_id} changes nothing{merged}"
    if experiment.on_login == OnLogin.SWITCH:
        dropped = ""
        if kept is not None and standing.remembered is None:
            dropped = f"; {kept.variant_key}, given before the login, does not count any more"
        return f"switch: drawn by the user id {profile.user_id}{dropped}{merged}"
    if standing.leaves:
        return f"exclude: the login as {profile.user_id} came after the variant{_EXCLUDED}{merged}"
    return f"exclude: no variant was given before the login as {profile.user_id}{merged}"


def _switched(kept: KeptAssignment) -> str:
    who = "it" if kept.earlier_subject is None else f"{kept.earlier_subject}, merged into it,"
    had = kept.earlier_variant or "another variant"  # profiles of before did not keep it
    return f"; {who} had {had} before, so the analysis leaves it out as switched"


_EXCLUDED: Final = ", which stays; the analysis leaves it out as excluded"
