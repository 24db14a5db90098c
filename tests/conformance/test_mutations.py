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
MUTATIONS = {
    "shift": ("bucketing.py", ">> 32", ">> 31"),
    "first hash": ("bucketing.py", "<< 32", "<< 31"),
    "closed range": (
        "bucketing.py",
        "bisect_right(first_hashes",
        "bisect_left(first_hashes",
    ),
    "purpose": ("hashing.py", 'SAMPLE: Final = "sample"', 'SAMPLE: Final = "variant"'),
    "even split": ("bucketing.py", "(index + 1) // count", "(index + 1) // count - 1"),
    "schedule edge": ("schedule.py", "now_ms < schedule.start_ms", "now_ms <= schedule.start_ms"),
    "seeded prefix": ("hashing.py", "{salt}:{purpose}:{unit_id}", "{salt}{purpose}:{unit_id}"),
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


@pytest.mark.parametrize("name", MUTATIONS)
def test_engine__mutated_source__breaks_a_vector(name: str, tmp_path: Path) -> None:
    file, before, after = MUTATIONS[name]
    shutil.copytree(ROOT / "src" / "fairlot", tmp_path / "fairlot")
    mutated = tmp_path / "fairlot" / "engine" / file
    source = mutated.read_text()
    assert source.count(before) == 1
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
            "tests/conformance/test_engine.py",
            "-q",
            "-x",
            "-p",
            "no:cacheprovider",
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stdout + run.stderr
    assert "1 failed" in run.stdout
