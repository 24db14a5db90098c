"""Durations in files."""

import pytest

from fairlot.manifest.durations import Duration, read_duration, write_duration
from fairlot.manifest.fields import Field, Fields, Table
from fairlot.manifest.nodes import MapNode
from fairlot.manifest.problems import Problems
from fairlot.manifest.yaml_reader import read_documents

WITHIN = Field("within", Duration(400 * 86_400_000), "How long.")
MUST_BE = "write a whole number and its unit, s, m, h or d, as in 30m, 12h or 7d"


def read(written: str) -> tuple[int | None, list[str]]:
    problems = Problems("a.yaml")
    (document,) = read_documents(f"within: {written}\n", problems)
    root = document.root
    assert isinstance(root, MapNode)
    found = Fields(root, "", problems, Table((WITHIN,))).read(WITHIN)
    return found, [each.message for each in problems.found]


@pytest.mark.parametrize(
    ("written", "expected_ms"),
    [("45s", 45_000), ("30m", 1_800_000), ("12h", 43_200_000), ("7d", 604_800_000)],
)
def test_duration__number_and_unit__is_read_and_written_back(
    written: str, expected_ms: int
) -> None:
    assert read(written) == (expected_ms, [])
    assert write_duration(expected_ms) == written
    assert read_duration(written) == expected_ms


@pytest.mark.parametrize(
    ("written", "hint"),
    [
        ("7 days", "; did you mean 7d?"),
        ("30 MIN", "; did you mean 30m?"),
        ("30", ""),
        ("0d", ""),
        ("1.5h", ""),
        ("-3d", ""),
        ("2w", ""),
        ("true", ""),
        ("[7d]", ""),
    ],
)
def test_duration__anything_else__is_refused_with_what_was_meant(written: str, hint: str) -> None:
    assert read(written) == (None, [MUST_BE + hint])


def test_duration__too_long__is_refused_with_the_longest() -> None:
    assert read("401d") == (None, ["write 400d at most"])
    assert read("400d") == (400 * 86_400_000, [])


def test_duration__no_whole_seconds__is_written_in_ms() -> None:
    assert write_duration(1_500) == "1500ms"
    assert write_duration(90_000) == "90s"
