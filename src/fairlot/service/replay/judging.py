"""One exposure against the version that it names: what the draw says, and nothing else."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from fairlot.engine import Reason, Unit
from fairlot.engine.checks import CONTROL_ARM
from fairlot.manifest.experiment_fields import OnLogin
from fairlot.service.replay.draws import Drawn, ExperimentDraws
from fairlot.service.replay.report import Cause, NotChecked
from fairlot.service.replay.rows import Shown


class Judged(NamedTuple):
    """`verdict` None agrees. With `asks_origin` it agrees if something gave the unit that variant
    before; `expected` is what the version draws for a unit without a memory."""

    verdict: Cause | NotChecked | None
    expected: str | None = None
    asks_origin: bool = False


AGREES: Final = Judged(None)
_Check = Callable[[Shown, ExperimentDraws, Drawn], Judged]


def judge(shown: Shown, draws: ExperimentDraws, drawn: Drawn) -> Judged:
    wrong = _named_wrongly(shown, draws)
    if wrong is not None:
        return Judged(wrong)
    check = _CHECKS.get(shown.reason)
    if check is None:
        return Judged(Cause.REASON_WITHOUT_VARIANT)
    return check(shown, draws, drawn)


def expected_of(draws: ExperimentDraws, drawn: Drawn) -> str | None:
    """What a unit without a memory gets, if it is eligible."""
    answer = drawn.answer
    return CONTROL_ARM if answer is not None and drawn.is_control else answer


def _named_wrongly(shown: Shown, draws: ExperimentDraws) -> Cause | None:
    experiment = draws.experiment
    if not draws.is_running:
        return Cause.NOT_RUNNING
    variant = experiment.variant(shown.variant_key)
    is_control = draws.is_triggered and shown.variant_key == CONTROL_ARM
    if variant is None and not is_control:
        return Cause.UNKNOWN_VARIANT
    if not is_named(shown, experiment.id, variant.id if variant else ""):
        return Cause.OTHER_NAMES
    if shown.hash_version != experiment.hash_version:
        return Cause.OTHER_NAMES
    # After a login `switch` draws for the user id, which no exposure names beside.
    may_differ = experiment.unit is Unit.ACCOUNT or experiment.on_login == OnLogin.SWITCH
    if shown.unit_id != shown.subject_id and not may_differ:
        return Cause.OTHER_UNIT
    return None


def is_named(shown: Shown, experiment_id: str, variant_id: str) -> bool:
    """An empty id is none: who sent it decided by a manifest without ids, or left it out."""
    is_experiment = shown.experiment_id in ("", experiment_id)
    return is_experiment and shown.variant_id in ("", variant_id)


def _place(drawn: Drawn) -> Cause | None:
    """What keeps a unit out whatever is remembered of it."""
    if drawn.is_held:
        return Cause.IN_HOLDOUT
    return None if drawn.is_in_layer else Cause.OUTSIDE_LAYER


def _bucket(shown: Shown, draws: ExperimentDraws, drawn: Drawn) -> Judged:
    expected = expected_of(draws, drawn)
    if draws.deal.diverted is not None:
        return Judged(Cause.DIVERTED, draws.deal.diverted)
    kept_out = _place(drawn) or (None if drawn.is_sampled else Cause.OUTSIDE_SAMPLE)
    if kept_out is not None:
        return Judged(kept_out, expected)
    if not drawn.serves(drawn.variant):
        return Judged(Cause.OUTSIDE_RECIPE, expected)
    if draws.is_triggered:
        return _arm(shown, drawn)
    return AGREES if shown.variant_key == drawn.variant else Judged(Cause.OTHER_VARIANT, expected)


def _arm(shown: Shown, drawn: Drawn) -> Judged:
    """The arm of the first activation stays, so another than the drawn one has an origin."""
    drawn_arm = CONTROL_ARM if drawn.is_control else drawn.variant
    if shown.variant_key == drawn_arm:
        return AGREES
    if shown.variant_key in (CONTROL_ARM, drawn.variant):
        return Judged(Cause.OTHER_ARM, drawn_arm, asks_origin=True)
    return Judged(Cause.OTHER_VARIANT, drawn_arm)


def _sticky(shown: Shown, draws: ExperimentDraws, drawn: Drawn) -> Judged:
    expected = expected_of(draws, drawn)
    kept_out = _place(drawn)
    if kept_out is not None:
        return Judged(kept_out, expected)
    if not drawn.serves(shown.variant_key):
        return Judged(Cause.OUTSIDE_RECIPE, expected)
    if shown.variant_key == expected:
        return AGREES
    return Judged(Cause.NO_ORIGIN, expected, asks_origin=True)


def _divert(shown: Shown, draws: ExperimentDraws, drawn: Drawn) -> Judged:
    """Whether the audience held is not known, but the target is, and who is kept out."""
    target = draws.deal.diverted
    kept_out = _place(drawn)
    if kept_out is not None:
        return Judged(kept_out, target)
    return Judged(NotChecked.DIVERT if shown.variant_key == target else Cause.DIVERTED, target)


def _adapter(shown: Shown, draws: ExperimentDraws, drawn: Drawn) -> Judged:
    kept_out = _place(drawn) or (None if drawn.is_sampled else Cause.OUTSIDE_SAMPLE)
    if kept_out is None and not drawn.serves(shown.variant_key):
        kept_out = Cause.OUTSIDE_RECIPE
    return Judged(kept_out or NotChecked.ADAPTER)


def _preview(_shown: Shown, _draws: ExperimentDraws, _drawn: Drawn) -> Judged:
    return Judged(NotChecked.PREVIEW)


_CHECKS: Final[Mapping[str, _Check]] = {
    Reason.BUCKET: _bucket,
    Reason.STICKY: _sticky,
    Reason.DIVERT: _divert,
    Reason.ADAPTER: _adapter,
    Reason.PREVIEW: _preview,
}
