"""What `fairlot plan` prints."""

from decimal import Decimal
from textwrap import dedent

import pytest

from fairlot.cli.plan_text import plan_text, value_text
from fairlot.cli.plan_words import percent
from fairlot.engine import Unit
from fairlot.service.plan_document import (
    Cause,
    ChangeAction,
    ChangedKind,
    FieldChange,
    KnownSummary,
    NotCountable,
    NotCountableKind,
    NotInFiles,
    PlanDocument,
    PlanWarning,
)
from support.plans import (
    RESHUFFLED,
    REWEIGHTED,
    a_change,
    a_figure,
    a_plan,
    an_effect,
    shares,
)


def printed(document: PlanDocument, width: int = 80) -> str:
    return plan_text(document, width=width, colour=False)


def text(expected: str) -> str:
    return dedent(expected).strip("\n")


def test_plan_text__other_weights__fields_and_who_moves() -> None:
    assert printed(REWEIGHTED) == text("""
        ~ experiment welcome
            ~ variants.control.weight: 5000 -> 6000
            ~ variants.blue.weight: 5000 -> 4000
            10 % of the eligible subjects get another answer: 10 % blue -> control.
            Of 12,040 known subjects, by the draw alone 1,204 change (1,204
            blue -> control), and after sticky assignment 3 change (3 into control).
            310 of them count as remembering what an SDK showed them.

        Known are 12,040 subjects, seen in exposures of the last 28 days.
        Plan for acme/shop: 1 to change.
        """)


def test_plan_text__reshuffle_and_what_the_log_cannot_tell__said_with_their_reasons() -> None:
    assert printed(RESHUFFLED) == text("""
        ~ experiment welcome
            ~ variants: ["a","b"] -> ["b","a"]
            90 % of the eligible subjects get another answer: 45 % a -> b, 45 % b -> a.
            Of 800 known subjects that were seen in it, by the draw alone 800 change
            (410 a -> b, 390 b -> a).
            Of 700 known subjects that are remembered in it, after sticky assignment
            none changes.
            ! Reshuffles. The order is another.
            ? Not countable. The rule changes.

        Plan for acme/shop: 1 to change.
        """)


def test_plan_text__narrow_terminal__no_line_longer_than_40() -> None:
    assert printed(RESHUFFLED, width=20) == text("""
        ~ experiment welcome
            ~ variants: ["a","b"] -> ["b","a"]
            90 % of the eligible subjects get
            another answer: 45 % a -> b, 45 %
            b -> a.
            Of 800 known subjects that were seen
            in it, by the draw alone 800 change
            (410 a -> b, 390 b -> a).
            Of 700 known subjects that are
            remembered in it, after sticky
            assignment none changes.
            ! Reshuffles. The order is another.
            ? Not countable. The rule changes.

        Plan for acme/shop: 1 to change.
        """)


def test_plan_text__every_action_and_others_that_change__each_in_its_place() -> None:
    document = a_plan(
        a_change("hero", FieldChange(path="name", after="Hero"), action=ChangeAction.CREATE),
        a_change("page", kind=ChangedKind.LAYER, action=ChangeAction.DELETE),
        a_change(
            "price",
            FieldChange(path="status", before="running", after="paused"),
            FieldChange(path="owner", before="ann"),
            action=ChangeAction.STATUS,
            notes=("It was started by hand.",),
        ),
        a_change("same", action=ChangeAction.NONE),
        a_change("source", FieldChange(path="source")),
        effects=(
            an_effect("price", **shares(a_to_none="0.25")),
            an_effect("teams", unit=Unit.ACCOUNT, causes=(Cause.LAYER, Cause.HOLDOUT)),
        ),
        warnings=(PlanWarning(code="killed", about="experiment:old", sentence="It was killed."),),
        not_in_files=(
            NotInFiles(kind=ChangedKind.EXPERIMENT, key="old", status="killed"),
            NotInFiles(kind=ChangedKind.METRIC, key="orders"),
        ),
        known=KnownSummary(subjects=7, accounts=2, since_ms=0),
    )
    assert printed(document) == text("""
        + experiment hero
            + name: "Hero"

        - layer page

        ~ experiment price
            ~ status: "running" -> "paused"
            - owner: "ann"
            It was started by hand.
            25 % of the eligible subjects get another answer: 25 % out of a.

        ~ experiment source
            ~ source

        * experiment teams, because its layer changes, the holdout changes
            None of the eligible accounts gets another answer.

        ! experiment:old: It was killed.

        In no file, and kept as they are: experiment old, metric orders.
        Known are 7 subjects and 2 accounts, seen in exposures of the last 28 days.
        Plan for acme/shop: 1 to create, 2 to change, 1 to delete, 1 unchanged.
        """)


def test_plan_text__nothing__said() -> None:
    assert printed(a_plan()) == "Plan for acme/shop: nothing to do."


def test_plan_text__more_pairs_than_one_reads__the_largest_and_how_many_more() -> None:
    pairs = {f"{each}_to_none": "0.1" for each in "abcdef"}
    document = a_plan(effects=(an_effect(**shares(**pairs)),))
    assert "10 % out of c, 10 % out of d, and 2 more." in printed(document, width=200)


def test_plan_text__one_subject__in_the_singular() -> None:
    effect = an_effect(**shares(none_to_a="0.5"), by_draw=a_figure(2, none_to_a=1))
    sentence = "Of 2 known subjects, by the draw alone 1 changes (1 into a)."
    assert sentence in printed(a_plan(effects=(effect,)))


def test_plan_text__figures_of_nobody__only_the_reason_is_told() -> None:
    gap = NotCountable(kind=NotCountableKind.NO_LOG, sentence="The event log was not read.")
    assert printed(a_plan(effects=(an_effect(not_countable=(gap,)),))) == text("""
        * experiment welcome, because it changes itself
            None of the eligible subjects gets another answer.
            ? Not countable. The event log was not read.

        Plan for acme/shop: nothing to do.
        """)


def test_plan_text__on_a_terminal__symbols_alone_are_coloured() -> None:
    lines = plan_text(RESHUFFLED, width=80, colour=True).splitlines()
    assert lines[0] == "\x1b[33m\x1b[1m~\x1b[0m experiment welcome"
    assert [line for line in lines if "\x1b" in line and line.count("\x1b[0m") != 1] == []
    assert "\x1b" not in lines[2]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"tier": "pro"}, '{"tier":"pro"}'),
        ("two\nlines", '"two\\nlines"'),
        ("\x9b31m \u202e", '"\\x9b31m \\u202e"'),
        ("x" * 500, f'"{"x" * 159}... (502 characters)'),
    ],
)
def test_value_text__value__one_line_that_no_terminal_obeys(value: object, expected: str) -> None:
    assert value_text(value) == expected


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        ("0", "0 %"),
        ("1", "100 %"),
        ("0.1", "10 %"),
        ("0.12345", "12.34 %"),
        ("0.333", "33.3 %"),
        ("0.0001", "0.01 %"),
        ("0.00009", "under 0.01 %"),
        ("0.99995", "over 99.99 %"),
    ],
)
def test_percent__share__two_decimals_and_never_a_false_nothing(share: str, expected: str) -> None:
    assert percent(Decimal(share)) == expected


def test_plan_text__metrics__stand_one_a_line_in_words() -> None:
    """Of an update those that come and those that go."""
    first = [{"metric": "ordered", "isPrimary": True}, {"metric": "help", "isGuardrail": True}]
    second = [first[0], {"key": "sales", "type": "sum", "where": {"tier": "gold"}}]
    made = a_change("a", FieldChange(path="metrics", after=first), action=ChangeAction.CREATE)
    changed = a_change("b", FieldChange(path="metrics", before=first, after=second))
    assert printed(a_plan(made, changed)).splitlines()[:7] == [
        "+ experiment a",
        "    + metric ordered, primary",
        "    + metric help, guardrail",
        "",
        "~ experiment b",
        "    - metric help, guardrail",
        '    + metric sales, type sum, where {"tier":"gold"}',
    ]


def test_plan_text__nobody_had_an_answer_before__they_enter() -> None:
    effect = an_effect(**shares(none_to_a="0.1", none_to_b="0.1"))
    told = "20 % of the eligible subjects enter: 10 % into a, 10 % into b."
    assert told in printed(a_plan(a_change("welcome"), effects=(effect,)))
