"""The README's way from what people do to what they are shown, word for word.

Only the port is another one: 8080 may be taken.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from support.processes import environment, free_port, serving

pytestmark = pytest.mark.slow

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
SECTION = re.compile(r"^## From what people do\n(.*?)^## ", re.DOTALL | re.MULTILINE)
BLOCK = re.compile(r"```(?:sh|json)\n(.*?)```", re.DOTALL)


# The server looks for what is new twice a second.
UNTIL_SERVED = """
until curl -sf http://127.0.0.1:8080/ofrep/v1/evaluate/flags/cart-saver -o flag.json \\
  -H "X-API-Key: $key" -H 'Content-Type: application/json' -d '{"context": {"targetingKey": "b"}}'
do sleep 0.1; done
"""


def test_readme__what_people_do__is_answered_as_it_says(tmp_path: Path) -> None:
    section = SECTION.search(README)
    assert section is not None
    author, ask, answer = BLOCK.findall(section[1])
    port = free_port()
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

    def typed(commands: str) -> str:
        done = subprocess.run(
            ["bash", "-euc", commands.replace("127.0.0.1:8080", f"127.0.0.1:{port}")],
            cwd=tmp_path,
            env=environment(PATH=path, FAIRLOT_PORT=str(port)),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    typed("fairlot init shop && fairlot apply shop --yes")
    with serving(tmp_path / ".fairlot", port=port):
        shown = typed(author + UNTIL_SERVED + ask)
    assert shown.endswith(answer.strip()), shown
