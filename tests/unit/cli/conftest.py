"""Commands run as a user types them, in a directory and an environment of their own."""

import io
import os
import shutil
from pathlib import Path

import pytest

from fairlot.cli import main
from support.commands import SHOP, Ran, Run
from support.processes import published


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def run(
    tmp_path: Path,
    database_url: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """The words after `fairlot`; `stdin` is piped in, `typed` comes from a terminal."""
    for variable in [name for name in os.environ if name.startswith("FAIRLOT_")]:
        monkeypatch.delenv(variable)
    if database_url is not None:
        monkeypatch.setenv("FAIRLOT_DATABASE_URL", database_url)
    monkeypatch.chdir(tmp_path)

    def run_command(*words: object, stdin: str = "", typed: str | None = None) -> Ran:
        source = io.StringIO(stdin) if typed is None else Terminal(typed)
        monkeypatch.setattr("sys.stdin", source)
        capsys.readouterr()
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        return Ran(code, printed.out, printed.err)

    return run_command


@pytest.fixture(scope="session")
def shop_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of SQLite, with the published demo shop: to be copied."""
    directory = tmp_path_factory.mktemp("shop") / "data"
    published(directory, SHOP)
    return directory


@pytest.fixture
def shop(run: Run, tmp_path: Path, database_url: str | None, shop_directory: Path) -> Run:
    """`run`, in a directory whose data directory holds the published demo shop."""
    if database_url is None:
        shutil.copytree(shop_directory, tmp_path / ".fairlot")
        return run
    run("init", "--data-only")
    applied = run("apply", SHOP, "--yes")
    assert applied.code == 0, applied.err
    return run
