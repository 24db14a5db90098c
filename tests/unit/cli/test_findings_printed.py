"""What senders and stored manifests say stands in the output of `doctor` and `replay`: as text."""

from typing import Any

import msgspec
import pytest

from support.canned_server import saying
from support.commands import Run

TITLE = "\x1b]0;PWN\a"
KEY = f"fx_key_12345678.{'s' * 40}"
FINDING = {"severity": "warns", "code": "lost_events", "summary": TITLE, "advice": TITLE}
DIAGNOSIS = {"project": TITLE, "experiment": TITLE, "exposed": {TITLE: 1}, "findings": [FINDING]}
VERSION = {
    "version": 1,
    "exposures": 1,
    "disagreed": 0,
    "isAltered": False,
    "revokedAtMs": None,
    "afterRevocation": 0,
    "problem": TITLE,
}
REPLAY = {
    "project": TITLE,
    "experiment": TITLE,
    "exposures": 1,
    "units": 1,
    "agreed": 0,
    "disagreed": 0,
    "causes": {},
    "notChecked": {"version_unreadable": 1},
    "versions": [VERSION],
    "disagreements": [],
    "unreadable": [],
}


@pytest.mark.parametrize(
    ("command", "answer", "times"), [("doctor", DIAGNOSIS, 5), ("replay", REPLAY, 3)]
)
def test_command__strangers_wrote_what_a_terminal_obeys__is_escaped(
    run: Run, command: str, answer: dict[str, Any], times: int
) -> None:
    body = msgspec.json.encode(answer)
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    with saying(f"{head}\r\n".encode() + body) as server:
        ran = run(command, "e", "--url", server.url, "--key", KEY)
    printed = ran.out + ran.err
    assert ran.code == 0, printed
    assert "\x1b" not in printed and "\a" not in printed
    assert ("1 version_unreadable: the stored version cannot be read" in printed) is (
        command == "replay"
    )
    assert printed.count(r"\x1b]0;PWN\x07") == times
