"""Files that are written to do harm are refused with a short answer, and soon."""

import time
from collections.abc import Iterator

import pytest

from fairlot.manifest.documents import MAX_DOCUMENTS, Documents, read_files
from fairlot.manifest.source_files import SourceFile
from support.experiment_texts import HEAD, VARIANTS, problems_of, read_text, with_lines

HOSTILE_KEYS = {
    "400 letters": "k" * 400,
    "right to left": "\u202egnp.exe",
    "combining": "e" + "\u0301" * 200,
    "zero width": "a\u200bb",
    "emoji": "\U0001f9d1\u200d\U0001f680",
    "escape sequence": "\x1b[2J\x1b]0;owned\x07",
    "line breaks": "a\nb\u2028c",
    "no character": "\ufffe",
}
DOCUMENTS = {
    "experiment": f"name: E\n{VARIANTS}",
    "layer": "kind: layer\n",
    "segment": "kind: segment\nrule: {a: 1}\n",
    "holdout": "kind: holdout\nrate: 0.1\n",
    "metric": "kind: metric\ntype: sum\neventName: e\n",
}


def quoted(text: str) -> str:
    """A double-quoted YAML text; what cannot be seen is escaped."""
    shown = (each if each.isprintable() else f"\\U{ord(each):08x}" for each in text)
    return f'"{"".join(shown)}"'


@pytest.fixture(autouse=True)
def _soon() -> Iterator[None]:
    began = time.process_time()
    yield
    assert time.process_time() - began < 10


@pytest.mark.parametrize("kind", DOCUMENTS)
@pytest.mark.parametrize("key", HOSTILE_KEYS.values(), ids=HOSTILE_KEYS)
def test_key__hostile__is_refused_in_one_printable_line(key: str, kind: str) -> None:
    (problem,) = problems_of(f"key: {quoted(key)}\n{DOCUMENTS[kind]}")
    assert problem.endswith(": start with a lower-case letter, then up to 63 of a-z 0-9 _ -")
    assert problem.isprintable()
    assert len(problem) < 300


@pytest.mark.parametrize("key", HOSTILE_KEYS.values(), ids=HOSTILE_KEYS)
def test_unknown_field__hostile__is_refused_in_one_printable_line(key: str) -> None:
    (problem,) = problems_of(f"{HEAD}{quoted(key)}: 1\n{VARIANTS}")
    assert "not a field here" in problem
    assert problem.isprintable()


@pytest.mark.parametrize("key", HOSTILE_KEYS.values(), ids=HOSTILE_KEYS)
def test_attribute__of_any_characters__is_an_attribute(key: str) -> None:
    spec = with_lines(f"audience: {{rule: {{{quoted(key)}: 1}}}}")
    assert spec.experiment.audience.rule == {key: 1}


@pytest.mark.parametrize(
    "pattern",
    [
        "((((a{1000}){1000}){1000}){1000})",
        "(?=a)",
        "(a+)+$\\\\1",
        "[a-",
        "x{1001}",
        "\\\\p{L}",
        "a" * 501,
        "(?i)a",
        "*",
    ],
)
def test_regex__hostile__is_refused(pattern: str) -> None:
    text = f'{HEAD}audience: {{rule: {{a: {{$regex: "{pattern}"}}}}}}\n{VARIANTS}'
    found = problems_of(text)
    assert [problem.split(": ")[:2] for problem in found] == [["3", "audience.rule.a.$regex"]]


@pytest.mark.parametrize(
    "pattern", ["(a+)+$", "(" * 250 + ")" * 250, "(a|" * 120 + "b" + ")" * 120]
)
def test_rule__of_expressions_that_explode_elsewhere__is_read(pattern: str) -> None:
    clauses = ", ".join(f'a{number}: {{$regex: "{pattern}"}}' for number in range(100))
    assert len(with_lines(f"audience: {{rule: {{{clauses}}}}}").experiment.audience.rule) == 100


def test_problems__below_a_long_name__are_few_and_told_shortly() -> None:
    operands = ", ".join("{$x: 1}" for _ in range(30_000))
    problems = problems_of(
        f"{HEAD}audience: {{rule: {{{'n' * 400}: {{$in: [{operands}]}}}}}}\n{VARIANTS}"
    )
    assert len(problems) == 501
    assert problems[-1] == "3: over 500 problems; correct these first"
    assert sum(map(len, problems)) < 1_000_000


def test_names__that_nobody_knows__are_answered_soon() -> None:
    names = ", ".join(f"metric-{number}" for number in range(50))
    known = "---\n".join(
        f"kind: metric\nkey: m{number}\ntype: sum\neventName: e\n" for number in range(4_900)
    )
    experiment = f"{HEAD}metrics: [{names}]\n{VARIANTS}"
    documents, problems = read_text(f"{experiment}---\n{known}")
    assert documents.experiments == ()
    assert len(problems) == 50
    assert all(len(str(problem)) < 300 for problem in problems)


@pytest.mark.parametrize(
    ("text", "fix"),
    [
        (f"{HEAD}\taudience: {{}}\n{VARIANTS}", "found a tab character"),
        (f"{HEAD}name: Again\n{VARIANTS}", "stands twice, first on line 2; remove one"),
        (
            f"{HEAD}layer: {{key: l, start: 0, end: 12000}}\n{VARIANTS}",
            "layer.end: 12000: write a whole number from 0 to 10000",
        ),
        (
            f"{HEAD}layer: {{key: l, start: -1, end: 10}}\n{VARIANTS}",
            "layer.start: -1: write a whole number from 0 to 10000",
        ),
        (
            f"{HEAD}layer: {{key: l, start: 9, end: 5}}\n{VARIANTS}",
            'layer: "[9, 5)": 0 <= start < end <= 10000',
        ),
    ],
    ids=["tab", "duplicate", "layer over 100 %", "layer below 0", "layer backwards"],
)
def test_file__with_a_common_mistake__says_what_to_do(text: str, fix: str) -> None:
    (problem,) = problems_of(text)
    assert fix in problem


def test_documents__more_than_can_be_changed_at_once__are_not_read_one_by_one() -> None:
    text = "---\n".join(["kind: layer\nkey: a\n"] * (MAX_DOCUMENTS + 1))
    documents, (problem,) = read_files([SourceFile("many.yaml", text)])
    assert documents == Documents()
    assert str(problem) == (
        "many.yaml:15001: 5,001 documents: at most 5,000 are changed at once, so split them"
    )
