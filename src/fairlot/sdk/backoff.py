"""How long to leave a server alone that does not answer as it should."""

import random
from collections.abc import Callable, Mapping

LEAST_PAUSE_S = 1.0
LONGEST_RETRY_AFTER_S = 3600.0


class Backoff:
    """Exponential with full jitter: a draw from 0 to `base_s`, doubled with every failure in a row
    up to `cap_s`, so that clients which failed together do not come back together. Never less than
    a second, nor than the server asked for.

    `draw` gives a number in [0, 1). The default is reseeded in a forked child.
    """

    def __init__(
        self, base_s: float = 2.0, cap_s: float = 60.0, draw: Callable[[], float] = random.random
    ) -> None:
        self._base_s = base_s
        self._cap_s = cap_s
        self._draw = draw
        self._ceiling_s = base_s

    def failed(self, retry_after_s: float | None = None) -> float:
        """The seconds to wait before the next try."""
        pause_s = max(self._draw() * self._ceiling_s, LEAST_PAUSE_S, retry_after_s or 0.0)
        self._ceiling_s = min(self._ceiling_s * 2, self._cap_s)
        return pause_s

    def succeeded(self) -> None:
        self._ceiling_s = self._base_s


def retry_after_s(headers: Mapping[str, str], now_ms: int) -> float | None:
    """The seconds of a `Retry-After` header, a number or a date; at most an hour is believed."""
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return min(float(text[:10]), LONGEST_RETRY_AFTER_S)
    from email.utils import parsedate_to_datetime  # rarely needed

    try:
        seconds = parsedate_to_datetime(text).timestamp() - now_ms / 1000
    except (ValueError, OverflowError):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_S)
