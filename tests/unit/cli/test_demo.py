from pathlib import Path

import pytest

from fairlot.cli.demo import _program
from support.commands import Run


@pytest.mark.parametrize("database_url", ["postgresql://db.example/shop"])
def test_demo__with_a_database_of_its_own__is_refused_before_it_publishes_there(run: Run) -> None:
    ran = run("demo", "--once")
    assert ran.code == 1
    assert "unset FAIRLOT_DATABASE_URL" in ran.err


@pytest.mark.parametrize(
    ("path", "started", "typed"),
    [
        ("nowhere", ".venv/bin/fairlot", ".venv/bin/fairlot"),
        ("nowhere", "/a b/fairlot", "'/a b/fairlot'"),
        ("nowhere", "src/fairlot/cli/__main__.py", "fairlot"),
        ("here", ".venv/bin/fairlot", "fairlot"),
    ],
)
def test_program__on_the_path_or_not__is_what_can_be_typed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, path: str, started: str, typed: str
) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "fairlot").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / path))
    monkeypatch.setattr("sys.argv", [started, "demo"])
    assert _program() == typed
