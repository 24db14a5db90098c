"""A result as the README and the tutorial show it, typed as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.processes import environment, free_port

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
TUTORIAL = (ROOT / "docs/tutorial.md").read_text("utf-8")
BLOCK = re.compile(r"```(sh|text)\n(.*?)```", re.DOTALL)


def blocks_of(page: str, title: str) -> list[str]:
    section = page.partition(f"## {title}\n")[2].partition("\n## ")[0]
    return [text for _, text in BLOCK.findall(section)]


def run(command: str, directory: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        [
            "bash",
            "-euo",
            "pipefail",
            "-c",
            command.replace("--once", f"--once --port {free_port()}"),
        ],
        cwd=directory,
        env=environment(PATH=path, PYTHONUTF8="1", COLUMNS="100"),
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def shape_of(text: str) -> list[str]:
    """Without numbers and dates, which depend on the minute by a subject or two, and without what
    all looks have in common, which stands there only where it is less."""
    today = re.sub(r"^ +all looks: .*\n", "", text, flags=re.MULTILINE)
    named = re.sub(r"\b(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)\b", "Mon", today)
    counted = re.sub(r"[+-]?[\d,.]*\d", "0", named)
    drawn = re.sub(r"[─┊ ]*([├●┤])[─┊ ]*", r" \1 ", counted)
    return " ".join(drawn.split()).split(" ")


def test_readme_result__word_for_word__is_what_is_shown_and_the_tutorial_says(
    tmp_path: Path,
) -> None:
    both, shown, broken = blocks_of(README, "A result")
    tutorial, *_ = blocks_of(TUTORIAL, "6. What did it do")
    assert tutorial.startswith(both)
    told = run(both, tmp_path)
    assert "checkout-button: WINNER" in told
    assert "free-delivery: NO DIFFERENCE YET" in told
    assert "loyalty-price: BLOCKED" in told
    _, _, reported = told.partition("loyalty-price: BLOCKED")
    assert shape_of("WINNER\n" + reported.partition("\nWINNER\n")[2]) == shape_of(shown)
    html = (tmp_path / "checkout-button.html").read_text("utf-8")
    assert html.startswith("<!doctype html>")
    rest = run(tutorial.removeprefix(both), tmp_path)
    assert rest.startswith("NO DIFFERENCE YET")
    assert run(broken, tmp_path).splitlines()[0] == "BLOCKED"
    assert "mobile" in rest
