"""Which effects of a plan move more than someone wants to see moved."""

from decimal import Decimal, InvalidOperation
from fractions import Fraction
from typing import Final, NamedTuple

from fairlot.cli.plan_words import percent
from fairlot.service.plan_document import Effect, PlanDocument

_FULL: Final = Decimal(1)
_PERCENT: Final = Decimal(100)


class Exceeding(NamedTuple):
    """An experiment, and the share that changes: of the known subjects after sticky assignment
    where `is_counted`, else of the eligible, by the draw. None where its audience changes: how
    many that moves is not known, so it may be all."""

    experiment: str
    share: Fraction | None
    is_counted: bool

    def __str__(self) -> str:
        if self.share is None:
            return (
                f"{self.experiment}: who is eligible changes, and whom that moves is not countable"
            )
        whose = "of the known, after sticky assignment" if self.is_counted else "of the eligible"
        return f"{self.experiment}: {percent(self.share)} {whose}"


def exceeding(document: PlanDocument, limit: Decimal) -> tuple[Exceeding, ...]:
    """The effects that change more than the share `limit`, 0 to 1, of what they are about, or of
    which nobody knows that they do not. A limit of 1 lets everything pass."""
    found = map(_measured, document.effects)
    return tuple(each for each in found if _upper(each) > Fraction(limit))


def share_of(text: str) -> Decimal:
    """`1%`, `0.5 %` or `0.01` as a share from 0 to 1. Raises ValueError for anything else, also for
    `1`, by which most mean a percent."""
    written = text.strip()
    bare = written.removesuffix("%")
    try:
        number = Decimal(bare.strip())
        in_range = 0 <= number <= _PERCENT
    except InvalidOperation:
        in_range = False
    if not in_range:
        raise ValueError(f"{text}: write a share such as 1% or 0.01")
    if bare == written and number >= _FULL:
        share = number / _PERCENT
        fix = f"write {number:f}%" + (f" or {share:f}" if share < _FULL else "")
        raise ValueError(f"{written}: {fix}; 100% lets everything pass")
    return number if bare == written else number / _PERCENT


def _upper(each: Exceeding) -> Fraction:
    return Fraction(1) if each.share is None else each.share


def _measured(effect: Effect) -> Exceeding:
    if effect.changes_audience:
        return Exceeding(effect.experiment, None, False)
    figure = effect.after_sticky
    if figure is None:
        return Exceeding(effect.experiment, Fraction(effect.share), False)
    return Exceeding(effect.experiment, Fraction(figure.changed, figure.subjects), True)
