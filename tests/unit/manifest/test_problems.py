"""Problems of files: how they are told, how many, and what was most likely meant."""

import pytest

from fairlot.manifest.problems import Problems, SpecProblem, nearest, printable, suggestion


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("Zo\u00eb \U0001f331", "Zo\u00eb \U0001f331"),
        (None, "None"),
        ("a\tb\r\nc", r"a\tb\r\nc"),
        ("\x1b[2J\x07", r"\x1b[2J\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("abc\u202etxt", r"abc\u202etxt"),
    ],
)
def test_printable__what_a_terminal_obeys__is_an_escape(value: object, shown: str) -> None:
    assert printable(value) == shown


def test_problem__with_text_that_a_terminal_obeys__is_told_without() -> None:
    problem = SpecProblem("a\x1b[2J.yaml", 3, "rule.\u202ex", '"\x9b"', "no\nsuch")
    assert str(problem) == r'a\x1b[2J.yaml:3: rule.\u202ex: "\x9b": no\nsuch'


def test_problems__over_500_of_one_document__are_told_as_too_many() -> None:
    problems = Problems("f.yaml")
    for line in range(1000):
        problems.add(line, "a", "", "wrong")
    assert (len(problems), len(problems.found)) == (1000, 501)
    assert str(problems.found[499]) == "f.yaml:499: a: wrong"
    assert str(problems.found[500]) == "f.yaml:500: over 500 problems; correct these first"


def test_nearest__close_spelling_in_another_case__is_found() -> None:
    assert nearest("SAMPLERATE", ["sampleRate", "salt"]) == "sampleRate"
    assert nearest("zzz", ["sampleRate", "salt"]) is None


def test_suggestion__nothing_close__lists_all_in_order() -> None:
    assert suggestion("zzz", ["b", "a"]) == "known: a, b"
    assert suggestion("zzz", ["b", "a"], "page.md") == "known: a, b"


def test_suggestion__nothing_close_of_very_many__points_at_their_page() -> None:
    assert suggestion("zzz", "abcdefghi", "page.md") == "see page.md"


def test_suggestion__nothing_close_of_very_many_without_a_page__lists_some() -> None:
    assert suggestion("zzz", "abcdefghij") == "known: a, b, c, d, e, f, g, h ... (10)"


@pytest.mark.parametrize("word", ["key-0000x", "KEY-9999x", "key-5000x"])
def test_nearest__of_ten_thousand__is_found_among_its_neighbours(word: str) -> None:
    known = [f"key-{number:04}" for number in range(10_000)]
    assert nearest(word, known) == word[:8].lower()
