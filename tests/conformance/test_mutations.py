"""The vectors notice a change of the engine: each mutation here breaks at least one of them."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fairlot.engine import steps

from .loader import Vector, all_vectors
from .test_engine import CHECKS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
DECIDE_VECTORS = [vector for vector in all_vectors() if vector.kind == "decide"]
ENGINE, STICKY, PREVIEWS = "test_engine.py", "test_sticky.py", "test_previews.py"
BUCKETING, CODEC = "engine/bucketing.py", "sdk/codec.py"
TOKENS, HEADERS = "manifest/previews.py", "manifest/jws.py"
MUTATIONS = {
    "shift": (ENGINE, BUCKETING, ">> 32", ">> 31"),
    "first hash": (ENGINE, BUCKETING, "<< 32", "<< 31"),
    "closed range": (ENGINE, BUCKETING, "bisect_right(first_hashes", "bisect_left(first_hashes"),
    "purpose": (
        *(ENGINE, "engine/hashing.py"),
        *('SAMPLE: Final = "sample"', 'SAMPLE: Final = "variant"'),
    ),
    "even split": (ENGINE, BUCKETING, "(index + 1) // count", "(index + 1) // count - 1"),
    "schedule edge": (
        *(ENGINE, "engine/schedule.py"),
        *("now_ms < schedule.start_ms", "now_ms <= schedule.start_ms"),
    ),
    "window edge": (ENGINE, "engine/history.py", "each.at_ms > since_ms", "each.at_ms >= since_ms"),
    "the moment itself": (
        *(ENGINE, "engine/history.py"),
        *("each.at_ms <= until_ms", "each.at_ms < until_ms"),
    ),
    "once too often": (
        *(ENGINE, "engine/history.py"),
        *("found), count)) == count", "found), count + 1)) > count"),
    ),
    "no history": (
        *(ENGINE, "engine/audience.py"),
        *("if history is None or (", "history = history or {}\n        if ("),
    ),
    "control share served": (
        *(ENGINE, "engine/steps.py"),
        *("active.get(activations[key] or", "active.get(activations[key] or 'one' or"),
    ),
    "seeded prefix": (
        *(ENGINE, "engine/hashing.py"),
        *("{salt}:{purpose}:{unit_id}", "{salt}{purpose}:{unit_id}"),
    ),
    "more white space": (STICKY, CODEC, '_BLANKS: Final = " \\t"', "_BLANKS: Final = None"),
    "the name anywhere": (STICKY, CODEC, 'header[before] == ";"', 'header[before] in ";,"'),
    "eleven expired": (STICKY, CODEC, "MOST_EXPIRED: Final = 10", "MOST_EXPIRED: Final = 11"),
    "a longer header": (
        STICKY,
        CODEC,
        "LONGEST_HEADER: Final = 4096",
        "LONGEST_HEADER: Final = 4097",
    ),
    "the last item": (STICKY, CODEC, "items.setdefault(key, value)", "items[key] = value"),
    "the changed item goes": (STICKY, CODEC, "if key != changed", "if key != None"),
    "another order": (STICKY, CODEC, "Path=/; Max-Age={max_age_s}", "Max-Age={max_age_s}; Path=/"),
    "a longer subject id": (STICKY, "sdk/subject.py", "{1,400}", "{1,401}"),
    "a later end": (PREVIEWS, TOKENS, "now_s >= claims", "now_s > claims"),
    "an earlier beginning": (PREVIEWS, TOKENS, "_from_s > now_s", "_from_s >= now_s"),
    "less than a week": (PREVIEWS, TOKENS, "lives_s > LONGEST", "lives_s >= LONGEST"),
    "a longer token": (PREVIEWS, TOKENS, "len(token) > MAX", "len(token) > 1 + MAX"),
    "any signature": (
        *(PREVIEWS, TOKENS),
        *("not jose.has_signed(x, content, signature)", "False"),
    ),
    "any type": (PREVIEWS, HEADERS, 'header.get("typ") != document_type', "False"),
    "crit": (PREVIEWS, HEADERS, 'if "crit" in header or "b64" in header', 'if "b64" in header'),
    "a member twice": (PREVIEWS, HEADERS, "len(members) != len(pairs)", "False"),
}


def broken_vectors() -> list[str]:
    """Names of the decision vectors that the engine, as it is now, gets wrong."""
    return [vector.case["name"] for vector in DECIDE_VECTORS if not agrees(vector)]


def agrees(vector: Vector) -> bool:
    try:
        CHECKS[vector.kind](vector.case)
    except AssertionError:
        return False
    return True


def test_decision_table__as_it_is__breaks_no_vector() -> None:
    assert broken_vectors() == []


@pytest.mark.parametrize("at", range(len(steps.DECISION_TABLE) - 2))
def test_decision_table__two_steps_swapped__breaks_a_vector(
    at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = list(steps.DECISION_TABLE)
    table[at], table[at + 1] = table[at + 1], table[at]
    monkeypatch.setattr(steps, "DECISION_TABLE", tuple(table))
    assert broken_vectors()


@pytest.mark.parametrize("at", range(len(steps.TRIGGERED_TABLE) - 1))
def test_triggered_table__two_steps_swapped__breaks_a_vector(
    at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = list(steps.TRIGGERED_TABLE)
    table[at], table[at + 1] = table[at + 1], table[at]
    monkeypatch.setattr(steps, "TRIGGERED_TABLE", tuple(table))
    assert broken_vectors()


@pytest.mark.parametrize("name", MUTATIONS)
def test_fairlot__mutated_source__breaks_a_vector(name: str, tmp_path: Path) -> None:
    tests, file, before, after = MUTATIONS[name]
    # Links, and what is compiled already: only the mutated file is another.
    shutil.copytree(ROOT / "src" / "fairlot", tmp_path / "fairlot", copy_function=os.symlink)
    mutated = tmp_path / "fairlot" / file
    source = mutated.read_text()
    assert source.count(before) == 1
    mutated.unlink()
    mutated.write_text(
        source.replace(before, after).replace(
            "import bisect_right", "import bisect_left, bisect_right"
        )
    )
    run = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            f"tests/conformance/{tests}",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
        ],
        cwd=ROOT,
        env={
            **os.environ,
            "PYTHONPATH": str(tmp_path),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    assert "1 failed" in run.stdout
