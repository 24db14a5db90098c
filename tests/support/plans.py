"""Builders: the documents that plans are shown from."""

from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from fairlot.engine import Unit
from fairlot.service.plan_document import (
    Basis,
    Cause,
    ChangeAction,
    ChangedKind,
    Effect,
    FieldChange,
    KnownFigure,
    KnownSummary,
    NotCountable,
    NotCountableKind,
    PairCount,
    PairShare,
    PlanDocument,
    PlannedChange,
    Remembered,
    Reshuffle,
    ReshuffleKind,
)

Move = tuple[str | None, str | None]


def a_plan(*changes: PlannedChange, **fields: Any) -> PlanDocument:
    plain = PlanDocument(org="acme", project="shop", base="b1", now_ms=1, changes=changes)
    return replace(plain, **fields)


def a_change(key: str, *fields: FieldChange, **others: Any) -> PlannedChange:
    """An update of an experiment."""
    plain = PlannedChange(
        kind=ChangedKind.EXPERIMENT, key=key, action=ChangeAction.UPDATE, fields=fields
    )
    return replace(plain, **others)


def an_effect(experiment: str = "welcome", **fields: Any) -> Effect:
    """None, of its own change."""
    plain = Effect(
        experiment=experiment,
        unit=Unit.SUBJECT,
        causes=(Cause.EXPERIMENT,),
        share=Decimal(0),
        pairs=(),
        by_draw=None,
        after_sticky=None,
        remembered=None,
    )
    return replace(plain, **fields)


def shares(**by_move: str) -> dict[str, Any]:
    """`blue_to_red="0.1"`: the share and the pairs of an effect; `none` is no variant."""
    pairs = tuple(
        PairShare(before=move[0], after=move[1], share=Decimal(share))
        for move, share in ((_move(name), share) for name, share in by_move.items())
    )
    return {"share": sum((pair.share for pair in pairs), start=Decimal(0)), "pairs": pairs}


def a_figure(subjects: int, basis: Basis = Basis.KNOWN, **by_move: int) -> KnownFigure:
    """As `shares`, in subjects."""
    pairs = tuple(
        PairCount(before=before, after=after, subjects=number)
        for (before, after), number in ((_move(name), number) for name, number in by_move.items())
    )
    entered = sum(pair.subjects for pair in pairs if pair.before is None)
    left = sum(pair.subjects for pair in pairs if pair.after is None)
    moved = sum(pair.subjects for pair in pairs) - entered - left
    return KnownFigure(
        basis=basis, subjects=subjects, moved=moved, entered=entered, left=left, pairs=pairs
    )


def _move(name: str) -> Move:
    before, after = (None if each == "none" else each for each in name.split("_to_"))
    return before, after


REWEIGHTED = a_plan(
    a_change(
        "welcome",
        FieldChange(path="variants.control.weight", before=5_000, after=6_000),
        FieldChange(path="variants.blue.weight", before=5_000, after=4_000),
    ),
    effects=(
        an_effect(
            **shares(blue_to_control="0.1"),
            by_draw=a_figure(12_040, blue_to_control=1_204),
            after_sticky=a_figure(12_040, none_to_control=3),
            remembered=Remembered(stored=9_000, shown=310),
        ),
    ),
    known=KnownSummary(subjects=12_040, accounts=0, since_ms=0),
)
"""50/50 becomes 60/40."""

RESHUFFLED = a_plan(
    a_change("welcome", FieldChange(path="variants", before=["a", "b"], after=["b", "a"])),
    effects=(
        an_effect(
            **shares(a_to_b="0.45", b_to_a="0.45"),
            by_draw=a_figure(800, Basis.SEEN, a_to_b=410, b_to_a=390),
            after_sticky=a_figure(700, Basis.REMEMBERED),
            remembered=Remembered(stored=700, shown=0),
            reshuffles=(
                Reshuffle(kind=ReshuffleKind.VARIANT_ORDER, sentence="The order is another."),
            ),
            not_countable=(NotCountable(kind=NotCountableKind.RULE, sentence="The rule changes."),),
        ),
    ),
)
"""Two variants change places, and the rule changes with them."""
