"""What a command does while somebody else writes to the control plane: it waits, and asks again."""

import time
from collections.abc import Callable
from typing import Final, TypeVar

from fairlot.cli.output import print_note
from fairlot.engine.errors import FairlotError

FOR_S: Final = 30.0
"""After which no try begins; the last one may itself wait as long as a writer does."""
Result = TypeVar("Result")


def until_taken(
    ask: Callable[[], Result],
    pause_s: Callable[[FairlotError], float | None],
    *,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], object] = time.sleep,
) -> Result:
    """What `ask` gives, asked again while it fails with an error after which there is a pause, and
    a line that says why it takes so long. Raises that error when the time is over, and any other
    at once."""
    give_up_at = clock() + FOR_S
    told = False
    while True:
        try:
            return ask()
        except FairlotError as error:
            pause = pause_s(error)
            if pause is None or clock() + pause > give_up_at:
                raise
            if not told:
                print_note(f"Waiting for up to {FOR_S:g} s: {error}")
            told = True
            sleep(pause)
