"""Feeds in payloads: `{"$feed": "<key>", ...}` is replaced by products when it is served."""

from typing import Any, Final

FEED: Final = "$feed"


def feeds_bound(payload: Any) -> tuple[str, ...]:
    """The keys of the feeds that a payload binds, each once, in order."""
    found: dict[str, None] = {}
    waiting = [payload]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            key = part.get(FEED)
            if isinstance(key, str):
                found[key] = None
            else:
                waiting.extend(reversed(part.values()))
        elif isinstance(part, list | tuple):
            waiting.extend(reversed(part))
    return tuple(found)
