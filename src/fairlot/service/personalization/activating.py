"""Whether a happening activates a personalization for its subject, and in which arm."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from fairlot.engine import Context, Decision, History, Reason, Unit, decide
from fairlot.profiles import Activation, Happening, Profile
from fairlot.profiles.sessions import visitor_status
from fairlot.service.personalization.happening import held_at
from fairlot.service.personalization.rules import ProjectRules, Triggered

AccountOf = Callable[[], Mapping[str, Any]]


class Evaluated(NamedTuple):
    """What came of a rule that held at `moment_ms`; without an activation the decision says why."""

    decision: Decision
    moment_ms: int
    activation: Activation | None


def evaluate(
    triggered: Triggered,
    rules: ProjectRules,
    profile: Profile,
    happening: Happening,
    history: History,
    account: AccountOf,
) -> Evaluated | None:
    """None when the rule does not hold, or nothing can come of it: while one is active, and after
    `limit` of them. `history` counts the happening in."""
    before = profile.activations.get(triggered.experiment.id)
    from_ms = _free_from(triggered, before)
    if from_ms is None:
        return None
    moment_ms = held_at(triggered.when, history, happening, from_ms)
    if moment_ms is None:
        return None
    decision = _decide(triggered, rules, profile, before, moment_ms, history, account)
    if decision.variant is None:
        return Evaluated(decision, moment_ms, None)
    for_ms = triggered.rule.for_ms
    activation = Activation(
        experiment_key=triggered.experiment.key,
        variant_key=_arm(triggered, decision, profile, before),
        at_ms=moment_ms,
        expires_at_ms=None if for_ms is None else moment_ms + for_ms,
        manifest_version=rules.activating.version,
        times=1 if before is None else before.times + 1,
    )
    return Evaluated(decision, moment_ms, activation)


def unit_of(triggered: Triggered, profile: Profile) -> str:
    """Whose id is hashed; empty when it is an account's, and there is none."""
    is_subject = triggered.experiment.unit is Unit.SUBJECT
    return profile.subject_id if is_subject else profile.account_id or ""


def _free_from(triggered: Triggered, before: Activation | None) -> int | None:
    """The first moment at which it could be activated, None if there is none. One whose variant
    was removed has ended."""
    if before is None:
        return 0
    limit = triggered.rule.limit
    if limit is not None and before.times >= limit:
        return None
    arm = before.variant_key
    if arm is not None and triggered.experiment.variant(arm) is None:
        return before.at_ms + 1
    return before.expires_at_ms


def _decide(
    triggered: Triggered,
    rules: ProjectRules,
    profile: Profile,
    before: Activation | None,
    moment_ms: int,
    history: History,
    account: AccountOf,
) -> Decision:
    key = triggered.experiment.key
    arm = None if before is None else before.variant_key
    context = Context(
        attributes=profile.attributes,
        account_id=profile.account_id,
        account=account(),
        visitor_status=visitor_status(profile),
        now_ms=moment_ms,
        sticky=None if arm is None else {key: arm},
        history=history,
    )
    return decide(rules.activating, key, profile.subject_id, context)


def _arm(
    triggered: Triggered, decision: Decision, profile: Profile, before: Activation | None
) -> str | None:
    """None for the control share: it is drawn once, and left only where nobody is drawn."""
    variant = decision.variant
    if variant is None:
        return None
    if decision.reason is not Reason.DIVERT:
        is_control = (
            triggered.is_control(unit_of(triggered, profile))
            if before is None
            else before.variant_key is None
        )
        if is_control:
            return None
    return variant.key
