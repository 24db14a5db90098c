"""The recipes of examples/recipes do what their first lines say."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "examples" / "recipes"


def run(*arguments: str) -> list[str]:
    ran = subprocess.run(
        [sys.executable, "-W", "error", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.splitlines()


def variants_of(lines: list[str]) -> dict[str, tuple[str, str]]:
    """Variant and reason by the name that begins the line."""
    found = {}
    for line in lines:
        name, sep, answer = line.partition(": variant ")
        if sep:
            variant, _, reason = answer.partition(", reason ")
            found[name] = (variant, reason)
    return found


def test_bot_exclusion__bot_and_no_consent__neither_decided_nor_recorded() -> None:
    lines = run("examples/recipes/bot_exclusion.py")
    found = variants_of(lines)
    assert found["a person"][1] == "bucket"
    assert found["a crawler"] == found["a person who said no"] == ("None", "excluded")
    assert [line for line in lines if "recorded" in line] == [
        f"  recorded: a person, {found['a person'][0]}"
    ]


def test_qa_forcing__header_of_a_tester__chooses_where_it_can() -> None:
    found = variants_of(run("examples/recipes/qa_forcing.py"))
    assert found["a visitor"] == found["a tester with a typing error"] == ("bold", "bucket")
    assert found["a tester"] == ("control", "adapter")
    assert found["a tester who asks for bold"] == ("bold", "adapter")


def test_manual_exposure__decided_and_then_seen__recorded_once() -> None:
    lines = run("examples/recipes/manual_exposure.py")
    recorded = [number for number, line in enumerate(lines) if "recorded: " in line]
    (number,) = recorded
    assert lines[number - 1] == "anna goes to the checkout"
    assert lines[-1] == "expose without a decision: 1"


def test_custom_storage__another_server_and_other_weights__users_keep_theirs() -> None:
    lines = run("examples/recipes/custom_storage.py")
    cut = next(number for number, line in enumerate(lines) if line.startswith("another server"))
    before, after = variants_of(lines[:cut]), variants_of(lines[cut:])
    assert {variant for variant, _ in before.values()} == {"high", "low"}
    assert {user: variant for user, (variant, _) in before.items()} == {
        user: variant for user, (variant, _) in after.items() if user != "dora"
    }
    assert {reason for user, (_, reason) in after.items() if user != "dora"} == {"sticky"}
    assert after["dora"] == ("low", "bucket")


def test_recipes__the_command_of_the_readme__runs_all_of_them() -> None:
    command = "make setup && .venv/bin/python examples/recipes"
    assert command in (RECIPES / "README.md").read_text()
    lines = run("examples/recipes")
    files = sorted(path.name for path in RECIPES.glob("*.py") if path.stem != "__main__")
    assert sorted(line.removeprefix("== ") for line in lines if line.startswith("== ")) == files
