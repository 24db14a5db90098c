from decimal import Decimal

import msgspec

from fairlot.engine import Unit
from fairlot.service.plan_document import (
    Basis,
    Cause,
    ChangeAction,
    ChangedKind,
    Effect,
    FieldChange,
    KnownFigure,
    PairCount,
    PairShare,
    PlanDocument,
    PlannedChange,
    Remembered,
)

FIGURE = KnownFigure(
    basis=Basis.SEEN,
    subjects=20,
    moved=2,
    entered=1,
    left=1,
    pairs=(PairCount(before="a", after="b", subjects=2),),
)
EFFECT = Effect(
    experiment="welcome",
    unit=Unit.SUBJECT,
    causes=(Cause.EXPERIMENT,),
    share=Decimal("0.1"),
    pairs=(PairShare(before="b", after=None, share=Decimal("0.1")),),
    by_draw=FIGURE,
    after_sticky=None,
    remembered=Remembered(stored=3, shown=0),
)
CHANGE = PlannedChange(
    kind=ChangedKind.EXPERIMENT,
    key="welcome",
    action=ChangeAction.UPDATE,
    fields=(FieldChange(path="owner", after=None), FieldChange(path="holdback", before=0.1)),
)
PLAN = PlanDocument(
    org="acme", project="shop", base="b1", now_ms=1, changes=(CHANGE,), effects=(EFFECT,)
)


def test_plan_document__encoded_and_decoded__equal() -> None:
    assert msgspec.json.decode(msgspec.json.encode(PLAN), type=PlanDocument) == PLAN


def test_plan_document__absent_side_of_a_field__left_out_while_null_stays() -> None:
    written = msgspec.json.decode(msgspec.json.encode(PLAN))
    assert written["changes"][0]["fields"] == [
        {"path": "owner", "after": None},
        {"path": "holdback", "before": 0.1},
    ]


def test_plan_document__shares__exact_decimal_texts_between_from_and_to() -> None:
    (effect,) = msgspec.json.decode(msgspec.json.encode(PLAN))["effects"]
    assert effect["share"] == "0.1"
    assert effect["pairs"] == [{"from": "b", "to": None, "share": "0.1"}]
    assert effect["afterSticky"] is None


def test_known_figure__changed__all_that_moved_entered_or_left() -> None:
    assert FIGURE.changed == 4
