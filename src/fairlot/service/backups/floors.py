"""Above which version a restored project has to go on.

A client refuses whatever is below the highest version that it has seen, so a project that came back
from a backup must not publish a number a second time.
"""

from collections.abc import Mapping
from typing import Final

GAP: Final = 1000
"""What is left free when nobody knows how much was published after the backup: a publish every ten
minutes of a week."""
PLAUSIBLE: Final = 1_000_000
"""How far above the versions of the database an event is believed: a sender may write anything."""


def floors(
    restored: Mapping[str, int],
    *,
    replaced: Mapping[str, int],
    seen: Mapping[str, int],
    above: int | None,
) -> dict[str, int]:
    """By project id: the next version is higher.

    `restored` are the newest versions of the backup, -1 where there is none; `replaced` those of
    the database that it takes the place of; `seen` those that the event logs know of; `above` is
    the operator's word.
    """
    found = {}
    for project_id, newest in restored.items():
        known = max(newest, seen.get(project_id, -1))
        told = [each for each in (replaced.get(project_id), above) if each is not None]
        is_certain = above is not None or any(each >= known for each in told)
        highest = max([known, *told])
        found[project_id] = highest if is_certain else highest + GAP
    return found
