"""docs/how-to/rotate-keys.md: its commands, in the order of the page."""

import re
import shlex
from pathlib import Path

from support.commands import Run

PAGE = Path(__file__).parents[3] / "docs" / "how-to" / "rotate-keys.md"


def commands() -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    lines = [shlex.split(line) for block in blocks for line in block.splitlines()]
    assert all(words[0] == "fairlot" for words in lines)
    return [words[1:] for words in lines]


def kid_of(shop: Run, state: str) -> str:
    keys = shop("signing-keys", "list", "--json").json["keys"]
    return str(next(key["kid"] for key in keys if key["state"] == state))


def test_page__its_commands__do_what_it_says(shop: Run) -> None:
    announce, rotate, retire, rotate_to, *forced, publish = commands()
    assert "Nothing changed." in shop(*announce).out
    first, second = kid_of(shop, "current"), kid_of(shop, "next")
    for refused in (rotate, retire):
        ran = shop(*refused)
        assert ran.code == (1 if refused is rotate else 0)
    assert shop(*rotate, "--wait", 0).code == 0
    again = shop(*[word.replace("$NEXT", second) for word in rotate_to])
    assert "Nothing changed." in again.out
    assert shop(*retire).code == 1
    assert shop(*retire, "--wait", 0).code == 0
    assert kid_of(shop, "retired") == first

    (force_rotate, force_retire), third = forced, kid_of(shop, "next")
    assert shop(*force_rotate).code == 1
    assert f"name the key that is to sign: {third}" in shop(*force_rotate).err
    assert shop(*force_rotate, "--to", third).code == 0
    assert shop(*force_retire).code == 0
    states = sorted(key["state"] for key in shop("signing-keys", "list", "--json").json["keys"])
    assert states == ["current", "next", "retired", "retired"]
    assert shop(*publish).code == 0
    assert Path("public/fairlot/manifest.json").exists()
