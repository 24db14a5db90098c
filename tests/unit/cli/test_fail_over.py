from decimal import Decimal

import pytest

from fairlot.cli.fail_over import exceeding, share_of
from fairlot.service.plan_document import Effect, NotCountable, NotCountableKind
from support.plans import a_figure, a_plan, an_effect, shares

ONE_PERCENT = Decimal("0.01")


def told(*effects: Effect) -> list[str]:
    return [str(each) for each in exceeding(a_plan(effects=effects), ONE_PERCENT)]


def test_exceeding__counted__the_known_after_sticky_assignment_decide() -> None:
    many = an_effect("many", **shares(a_to_b="0"), after_sticky=a_figure(1_000, a_to_b=11))
    few = an_effect("few", **shares(a_to_b="0.5"), after_sticky=a_figure(1_000, a_to_b=10))
    assert told(many, few) == ["many: 1.1 % of the known, after sticky assignment"]


def test_exceeding__not_countable__the_eligible_decide() -> None:
    many = an_effect("many", **shares(a_to_b="0.0101"), by_draw=a_figure(1_000))
    few = an_effect("few", **shares(a_to_b="0.01"))
    assert told(many, few) == ["many: 1.01 % of the eligible"]


def test_exceeding__audience_changes__is_over_any_limit_but_all() -> None:
    rule = NotCountable(kind=NotCountableKind.RULE, sentence="The rule changes.")
    effect = an_effect("many", **shares(a_to_b="0"), not_countable=(rule,))
    assert told(effect) == ["many: who is eligible changes, and whom that moves is not countable"]
    assert exceeding(a_plan(effects=(effect,)), Decimal(1)) == ()


@pytest.mark.parametrize("text", ["1%", " 1 % ", "0.01", "1.0%"])
def test_share_of__one_percent_in_any_spelling__a_hundredth(text: str) -> None:
    assert share_of(text) == ONE_PERCENT


@pytest.mark.parametrize("text", ["", "%", "one", "101%", "-1%", "101", "nan%", "inf", "-1"])
def test_share_of__no_share__refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write a share such as 1%"):
        share_of(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1", "1: write 1% or 0.01; 100% lets everything pass"),
        ("1.0", "1.0: write 1.0% or 0.01; 100% lets everything pass"),
        (" 2 ", "2: write 2% or 0.02"),
        ("99.5", "99.5: write 99.5% or 0.995"),
        ("100", "100: write 100%; 100% lets everything pass"),
        ("1e2", "1e2: write 100%; 100% lets everything pass"),
    ],
)
def test_share_of__a_number_that_may_be_meant_in_percent__is_refused(text: str, told: str) -> None:
    with pytest.raises(ValueError, match="lets everything pass") as caught:
        share_of(text)
    assert told in str(caught.value)


@pytest.mark.parametrize(("text", "share"), [("100%", "1"), ("0", "0"), ("0%", "0")])
def test_share_of__all_and_nothing__are_shares(text: str, share: str) -> None:
    assert share_of(text) == Decimal(share)
