"""The commands that findings advise."""

import re
import shlex
from pathlib import Path

import click
import pytest

import fairlot
from fairlot.cli.commands import root

ROOT = Path(fairlot.__file__).parent
TEXTS = [
    *sorted((ROOT / "stats").glob("*.py")),
    *sorted((ROOT / "service").rglob("*.py")),
]
ADVISED = sorted(
    {
        command
        for path in TEXTS
        for command in re.findall(r"[^`]`fairlot ([a-z][^`\n]*)`", path.read_text("utf-8"))
    }
)


@pytest.mark.parametrize("line", ADVISED)
def test_advice__a_command__is_one_that_there_is(line: str) -> None:
    command: click.Command = root
    words = shlex.split(line.replace("DIR", "."))
    top = click.Context(root, **root.context_settings)  # a command keeps the help that it is told
    while isinstance(command, click.Group) and not words[0].startswith("-"):
        found = command.get_command(top, words.pop(0))
        assert found is not None
        command = found
    try:
        command.make_context("fairlot", words, parent=top)
    except click.MissingParameter:
        assert not words
