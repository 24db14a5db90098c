"""YAML text to trees: what is refused, on which line, in which words, and how fast."""

import json
import time
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fairlot.manifest import yaml_reader
from fairlot.manifest.nodes import json_value
from fairlot.manifest.problems import Problems
from fairlot.manifest.yaml_reader import read_documents

PARSERS = ["CSafeLoader", "SafeLoader"]


def read(text: str) -> tuple[list[Any], list[str]]:
    problems = Problems("f.yaml")
    documents = read_documents(text, problems)
    return [json_value(document.root) for document in documents], list(map(str, problems.found))


def problems_of(text: str) -> list[str]:
    return read(text)[1]


@pytest.fixture(params=PARSERS)
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both of PyYAML's parsers: C, and Python where C is missing."""
    name = str(request.param)
    monkeypatch.setattr(yaml_reader, "LOADER", getattr(yaml, name))
    return name


@pytest.mark.usefixtures("parser")
def test_document__of_every_kind_of_value__is_read_as_json() -> None:
    text = """\
on: yes            # YAML 1.1 would read true: true
at: 12:30
day: 2026-11-23
text: ["1", '2', !!str 3, ! 4]
list: [1, 2.5, null, ~, true, [], {}]
block: |
  two
  lines
same: &same {a: 1}
again: *same
"""
    assert read(text) == (
        [
            {
                "on": "yes",
                "at": "12:30",
                "day": "2026-11-23",
                "text": ["1", "2", "3", "4"],
                "list": [1, 2.5, None, None, True, [], {}],
                "block": "two\nlines\n",
                "same": {"a": 1},
                "again": {"a": 1},
            }
        ],
        [],
    )


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n", "---\n---\n", "~", "\ufeff", "\n\n"])
def test_document__empty__is_left_out(text: str) -> None:
    assert read(text) == ([], [])


@pytest.mark.usefixtures("parser")
def test_documents__several__keep_their_own_source() -> None:
    text = "\ufeff# first\na: 1\n...\n# tail\n---\n---\n# third\nb: 2\r\n--- {c: 3}\n"
    documents = read_documents(text, Problems("f"))
    assert [document.source for document in documents] == [
        "# first\na: 1\n...\n# tail\n",
        "---\n# third\nb: 2\r\n",
        "--- {c: 3}\n",
    ]
    assert [document.root.line for document in documents] == [2, 8, 9]
    for document in documents:
        (again,) = read_documents(document.source, Problems("f"))
        assert json_value(again.root) == json_value(document.root)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "a: 1\n\tb: 2",
            (
                "f.yaml:2: not valid YAML (column 1): found a tab character that violates "
                "indentation"
                "; indent with spaces, and quote text that begins with a special character"
            ),
        ),
        (
            "a: b: c",
            (
                "f.yaml:1: not valid YAML (column 5): mapping values are not allowed in "
                "this context"
                '; text that holds ": " needs quotes; fields of one mapping are indented alike'
            ),
        ),
        (
            "a: 1\nb: [1\nc: 2",
            (
                "f.yaml:3: not valid YAML (column 2): did not find expected ',' or ']'"
                "; indent with spaces, and quote text that begins with a special character"
            ),
        ),
        (
            "a: @b",
            (
                "f.yaml:1: not valid YAML (column 4): found character that cannot start any token"
                "; indent with spaces, and quote text that begins with a special character"
            ),
        ),
        (
            'a: "\\ud800"',
            (
                "f.yaml:1: not valid YAML (column 7): found invalid Unicode character escape code"
                "; indent with spaces, and quote text that begins with a special character"
            ),
        ),
        ("a: 1\nb: 2\na: 3", "f.yaml:3: a: stands twice, first on line 1; remove one"),
        (
            "x:\n  - y: {a: 1, a: 2}",
            "f.yaml:2: x[0].y: a: stands twice, first on line 2; remove one",
        ),
        ("a: 1\n'a': 2", "f.yaml:2: a: stands twice, first on line 1; remove one"),
        (
            "a: .nan",
            "f.yaml:1: a: .nan: JSON has no such number; leave it out, or quote it if it is a text",
        ),
        (
            "a: [0, -.inf]",
            (
                "f.yaml:1: a[1]: -.inf: JSON has no such number; leave it out, or quote it if "
                "it is a text"
            ),
        ),
        (
            "a: 12345678901234567890",
            (
                "f.yaml:1: a: 12345678901234567890: beyond 9007199254740991 browsers round it; "
                "quote it as a text"
            ),
        ),
        (
            "p: {200: ok}",
            'f.yaml:1: p: 200: a key is a text; write "200" in quotes',
        ),
        ("true: 1", 'f.yaml:1: true: a key is a text; write "true" in quotes'),
        (
            "a: {{ name }}",
            "f.yaml:1: a: a key is a text, not a list or map; quote a text that begins with {",
        ),
        (
            "? [a]\n: b",
            "f.yaml:1: a key is a text, not a list or map; quote a text that begins with {",
        ),
        (
            "a: &a {x: 1}\nb:\n  <<: *a",
            "f.yaml:3: b: <<: merge keys are not in YAML 1.2; write the fields out",
        ),
        (
            "a: *gone",
            (
                "f.yaml:1: a: *gone: an alias refers to an anchor that is complete before it "
                "in the same document"
            ),
        ),
        (
            "a: &a [*a]",
            (
                "f.yaml:1: a[0]: *a: an alias refers to an anchor that is complete before it "
                "in the same document"
            ),
        ),
        (
            "a: &a 1\n---\nb: *a",
            (
                "f.yaml:3: b: *a: an alias refers to an anchor that is complete before it "
                "in the same document"
            ),
        ),
        (
            "a: !!int 3",
            (
                "f.yaml:1: a: tag:yaml.org,2002:int: tags are not read; write the value plainly, "
                "or quote a text"
            ),
        ),
        ("a: !!set {x}", "f.yaml:1: a: tag:yaml.org,2002:set: tags are not read; leave it out"),
        (
            "a: !!python/object/apply:os.system [ls]",
            (
                "f.yaml:1: a: tag:yaml.org,2002:python/object/apply:os.system: "
                "tags are not read; leave it out"
            ),
        ),
        (
            f"a: 1\nb: {{{'k' * 401}: 1}}",
            f"f.yaml:2: b: {'k' * 77}...: 401 characters; a key has at most 400",
        ),
        (
            "a: 1\nb: \x00",
            "f.yaml:2: U+0000: YAML text holds no such character; remove it, or escape it",
        ),
        (
            "a: 1\n\x1b",
            "f.yaml:2: U+001B: YAML text holds no such character; remove it, or escape it",
        ),
        (
            "\ud800",
            "f.yaml:1: U+D800: YAML text holds no such character; remove it, or escape it",
        ),
        (
            "%YAML 3.0\n---\na: 1",
            (
                "f.yaml:1: not valid YAML (column 1): found incompatible YAML document"
                "; indent with spaces, and quote text that begins with a special character"
            ),
        ),
    ],
)
def test_text__with_an_error__is_refused_with_its_line(text: str, problem: str) -> None:
    assert problems_of(text) == [problem]


def test_text__with_several_errors__has_them_all_named() -> None:
    documents, problems = read("a: .nan\na: 2\n---\nb: {1: 2}\n---\nc: [\n")
    assert documents == [{"a": None}, {"b": {}}]
    assert [problem.split(": ")[0] for problem in problems] == [
        "f.yaml:1",
        "f.yaml:2",
        "f.yaml:4",
        "f.yaml:7",
    ]


def test_documents__with_and_without_errors__say_which_are_sound() -> None:
    documents = read_documents("a: 1\na: 2\n---\nb: 1\n", Problems("f"))
    assert [document.is_sound for document in documents] == [False, True]


@pytest.mark.usefixtures("parser")
def test_syntax_error__with_either_parser__names_its_line() -> None:
    (problem,) = problems_of("a: 1\nb: [1\nc: 2")
    assert problem.startswith("f.yaml:3: not valid YAML (column 2): ")


def test_escaped_half_of_a_surrogate_pair__read_by_the_python_parser__is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(yaml_reader, "LOADER", yaml.SafeLoader)
    assert problems_of('a: "\\ud800"') == [
        "f.yaml:1: a: half of a surrogate pair; write the character itself"
    ]


def test_error__without_a_place__is_reported_on_the_first_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Failing(yaml.SafeLoader):
        def check_event(self, *choices: Any) -> bool:
            raise yaml.YAMLError("out of order")

    monkeypatch.setattr(yaml_reader, "LOADER", Failing)
    assert problems_of("a: 1") == [
        (
            "f.yaml:1: not valid YAML: out of order; indent with spaces, "
            "and quote text that begins with a special character"
        )
    ]


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("a: " + "x" * 1024 * 1024, "f.yaml:1", "over 1 MiB of text; split the file"),
        ("a: " + "é" * 600 * 1024, "f.yaml:1", "over 1 MiB of text; split the file"),
        ("[" * 1_000_000, "f.yaml:1", "nested more than 64 deep"),
        ("{a: " * 250_000, "f.yaml:1", "nested more than 64 deep"),
        ("- " * 500_000, "f.yaml:1", "nested more than 64 deep"),
        ("? " * 500_000, "f.yaml:1", "nested more than 64 deep"),
        ("a:\n  [" + "1," * 500_000 + "]", "f.yaml:2", "over 100000 values; split the file"),
        (
            "a: &a 1\nb: [" + "*a," * 101 + "]",
            "f.yaml:2",
            "over 100 aliases; write the values out",
        ),
    ],
    ids=["chars", "bytes", "lists", "maps", "blocks", "keys", "values", "aliases"],
)
def test_text__too_much_of_anything__is_refused_fast(text: str, place: str, message: str) -> None:
    began = time.process_time()
    (problem,) = problems_of(text)
    assert problem.startswith(f"{place}: ")
    assert problem.endswith(f": {message}")
    assert time.process_time() - began < 10


def test_bomb__of_nested_aliases__is_refused_fast() -> None:
    lines = ["a0: &a0 [" + ",".join(["lol"] * 9) + "]"]
    lines += [f"a{i}: &a{i} [" + ",".join([f"*a{i - 1}"] * 9) + "]" for i in range(1, 10)]
    began = time.process_time()
    (problem,) = problems_of("\n".join(lines))
    assert problem.endswith(": aliases make it too large; write the values out, or fewer of them")
    assert time.process_time() - began < 10


def test_bomb__of_one_long_text__is_refused() -> None:
    text = f"a: &a {'x' * 900_000}\nb: [" + ",".join(["*a"] * 50) + "]"
    (problem,) = problems_of(text)
    assert "aliases make it too large" in problem


# PyYAML's parsers read U+2028 and U+2029 as line breaks, as YAML 1.1 has it.
printable = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn", "Zl", "Zp")))
json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | printable,
    lambda inner: st.lists(inner) | st.dictionaries(printable, inner),
    max_leaves=10,
)


@given(json_values.filter(lambda value: value is not None))
def test_json__read_as_yaml__means_the_same(value: Any) -> None:
    assert read(json.dumps(value, ensure_ascii=False)) == ([value], [])


@given(st.text(st.sampled_from("ab1.:-[]{}&*!|>'\"%@`#,?~\n\t <"), max_size=40))
def test_text__any__is_read_or_refused_and_never_raises(text: str) -> None:
    documents, problems = read(text)
    assert all(problem.startswith("f.yaml:") for problem in problems)
    assert isinstance(documents, list)


@pytest.mark.usefixtures("parser")
@pytest.mark.parametrize("ensure_ascii", [True, False])
@pytest.mark.parametrize(
    "text",
    [
        "Hello \U0001f600\U0001f680!",
        "\\ud83d\\ude00",
        "\\\U0001f600",
        "a \x85 b \u2028 c\u2029\x85d",
        '"\\"\t\n/',
    ],
)
def test_json__any_text__is_what_json_says(text: str, ensure_ascii: bool) -> None:
    written = json.dumps({"key": [text], text: 1}, ensure_ascii=ensure_ascii)
    assert read(written) == ([{"key": [text], text: 1}], [])
    problems = Problems("f.yaml")
    assert read_documents(written, problems)[0].source == written


@given(st.text(st.characters(min_codepoint=0xA0, exclude_categories=["Cs"])))
def test_json__ascii_as_programs_write_it__is_read(text: str) -> None:
    assert read(json.dumps({"key": text})) == ([{"key": text}], [])


def test_json__half_a_pair__is_refused() -> None:
    (told,) = problems_of('{"key": "\\ud83d"}')
    assert "escape" in told or "surrogate" in told
