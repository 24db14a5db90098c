"""What `fairlot plan` writes for a comment on a pull request."""

from textwrap import dedent

import pytest

from fairlot.cli.plan_markdown import code, plan_markdown, sentence
from fairlot.service.plan_document import (
    ChangeAction,
    ChangedKind,
    FieldChange,
    NotInFiles,
    PlanWarning,
)
from support.plans import RESHUFFLED, REWEIGHTED, a_change, a_plan, an_effect

COMMENT_HOLDS = 65_536


def markdown(expected: str) -> str:
    return dedent(expected).lstrip("\n")


def test_plan_markdown__other_weights__tables_and_who_moves() -> None:
    assert plan_markdown(REWEIGHTED) == markdown("""
        ### Plan for <code>acme/shop</code>: 1 to change

        | action | of | notes |
        | --- | --- | --- |
        | update | experiment <code>welcome</code> |  |

        | experiment | because | eligible | by the draw alone | after sticky assignment |
        | --- | --- | --- | --- | --- |
        | <code>welcome</code> | it changes itself | 10 % | 1,204 of 12,040 | 3 of 12,040 |

        - <code>welcome</code>: 10 % of the eligible subjects get another answer: 10 % blue -&#62; control. Of 12,040 known subjects, by the draw alone 1,204 change (1,204 blue -&#62; control), and after sticky assignment 3 change (3 into control). 310 of them count as remembering what an SDK showed them.

        Known are 12,040 subjects, seen in exposures of the last 28 days.

        <details><summary>experiment <code>welcome</code></summary>

        | field | before | after |
        | --- | --- | --- |
        | <code>variants.control.weight</code> | <code>5000</code> | <code>6000</code> |
        | <code>variants.blue.weight</code> | <code>5000</code> | <code>4000</code> |

        </details>
        """)  # noqa: E501 - a list item is one line


def test_plan_markdown__reshuffle_and_what_the_log_cannot_tell__beside_the_effect() -> None:
    written = plan_markdown(RESHUFFLED)
    assert "after sticky assignment none changes. Reshuffles. The order is another." in written
    assert "Not countable. The rule changes." in written


def test_plan_markdown__deleted_warned_and_in_no_file__said() -> None:
    document = a_plan(
        a_change(
            "page", kind=ChangedKind.LAYER, action=ChangeAction.DELETE, notes=("By @ann, see #7.",)
        ),
        a_change("same", action=ChangeAction.NONE),
        effects=(an_effect(),),
        warnings=(PlanWarning(code="killed", about="experiment:old", sentence="It was killed."),),
        not_in_files=(NotInFiles(kind=ChangedKind.EXPERIMENT, key="old", status="killed"),),
    )
    assert plan_markdown(document) == markdown("""
        ### Plan for <code>acme/shop</code>: 1 to delete, 1 unchanged

        | action | of | notes |
        | --- | --- | --- |
        | delete | layer <code>page</code> | By @&#8203;ann, see #&#8203;7. |

        | experiment | because | eligible | by the draw alone | after sticky assignment |
        | --- | --- | --- | --- | --- |
        | <code>welcome</code> | it changes itself | 0 % | not countable | not countable |

        - <code>welcome</code>: None of the eligible subjects gets another answer.

        **Warnings**

        - <code>experiment&#58;old</code>: It was killed.

        In no file, and kept as they are: experiment old.
        """)


def test_plan_markdown__values_that_would_be_markup__are_text_in_one_cell() -> None:
    evil = "a | b `x` <script>\n# @ann [x](http://e) **"
    document = a_plan(a_change("e", FieldChange(path="name", before=evil, after=None)))
    rows = [line for line in plan_markdown(document).splitlines() if "name" in line]
    value = (
        '"a &#124; b &#96;x&#96; &#60;script&#62;&#92;n&#35; &#64;ann'
        ' &#91;x&#93;(http&#58;//e) &#42;&#42;"'
    )
    assert rows == [f"| <code>name</code> | <code>{value}</code> | <code>null</code> |"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see http://evil.example", "see http:&#8203;//evil.example"),
        ("see www.evil.example", "see www&#8203;.evil.example"),
        ("a_b_c *x* <b>", "a&#95;b&#95;c &#42;x&#42; &#60;b&#62;"),
        ("[x]: y\n| z", "&#91;x&#93;: y&#92;n&#124; z"),
    ],
)
def test_sentence__what_could_be_markup_or_a_link__is_text(text: str, expected: str) -> None:
    assert sentence(text) == expected


def test_code__control_characters_and_entities__stand_there_as_escapes() -> None:
    assert code("\u202e&amp;") == "<code>&#92;u202e&#38;amp;</code>"


def test_plan_markdown__a_thousand_changes__fit_into_a_comment() -> None:
    fields = tuple(FieldChange(path=f"f{number}", after="<" * 500) for number in range(20))
    changes = [a_change(f"exp-{number}", *fields) for number in range(1_000)]
    effects = tuple(an_effect(f"exp-{number}") for number in range(1_000))
    absent = tuple(NotInFiles(kind=ChangedKind.METRIC, key=f"m{n}") for n in range(1_000))
    warnings = tuple(PlanWarning(code="w", about=f"m{n}", sentence="!") for n in range(1_000))
    written = plan_markdown(
        a_plan(*changes, effects=effects, not_in_files=absent, warnings=warnings)
    )
    assert len(written) < COMMENT_HOLDS
    assert "| and 970 more |  |  |" in written
    assert "- and 970 more\n" in written
    assert "metric m49, and 950 more." in written
    assert written.endswith("The fields of 997 more changes do not fit into a comment.\n")


def test_plan_markdown__metrics__stand_one_a_line_in_words() -> None:
    metrics = [{"metric": "ordered", "isPrimary": True}, {"metric": "a|b"}]
    told = plan_markdown(a_plan(a_change("welcome", FieldChange(path="metrics", after=metrics))))
    assert "<code>ordered, primary</code><br><code>a&#124;b</code> |" in told
