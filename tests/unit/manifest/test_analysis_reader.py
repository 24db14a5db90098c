"""`analysis` of an experiment: what is read, and what is refused."""

import pytest

from support.experiment_texts import problems_with, with_lines


def test_analysis__written__is_kept_by_the_names_of_its_fields() -> None:
    method = "method: group_sequential, looks: 4"
    text = f"analysis: {{{method}, alpha: 0.1, plannedSize: 40000, cuped: false}}"
    assert with_lines(text).analysis == {
        "method": "group_sequential",
        "alpha": 0.1,
        "plannedSize": 40_000,
        "looks": 4,
        "cuped": False,
    }


def test_analysis__absent_or_empty__is_none() -> None:
    assert with_lines("tags: []").analysis is None
    assert with_lines("analysis: {}").analysis is None


@pytest.mark.parametrize(
    ("analysis", "problem"),
    [
        ("{alpha: 0}", ".alpha: 0: write a number over 0 and 0.5 at most, as in 0.05"),
        ("{looks: 3}", ".looks: 3: of `method: group_sequential` only; remove it"),
        (
            "{method: bayes}",
            '.method: "bayes": write one of sequential, group_sequential, fixed',
        ),
        ("{plannedSize: 1}", ".plannedSize: 1: write a whole number from 2 to 10000000000"),
    ],
)
def test_analysis__wrong__is_refused(analysis: str, problem: str) -> None:
    assert problems_with(f"analysis: {analysis}") == [f"3: analysis{problem}"]
