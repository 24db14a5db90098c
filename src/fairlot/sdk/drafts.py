"""Drafts that previews open: each fetched by one request at a time, and kept for a moment."""

import math
from collections import OrderedDict
from collections.abc import Callable
from threading import Event, Lock
from typing import Final

from fairlot.engine import CompiledManifest, FairlotError
from fairlot.sdk.clock import Clock

KEPT_FOR_S: Final = 30.0
TRY_AGAIN_AFTER_S: Final = 5.0
_MOST_DRAFTS: Final = 32


class DraftNotInTime(FairlotError):
    """Another request is fetching the draft, and has not got it within `timeout_s`."""

    code = "draft_not_in_time"

    def __init__(self, timeout_s: float) -> None:
        self.timeout_s = timeout_s
        super().__init__(f"the draft was not fetched within timeout_s, {timeout_s:g} s")


class _Fetch:
    """One fetch: `outcome` is final once it has `landed`, and of use until `until_s`."""

    __slots__ = ("landed", "outcome", "until_s")

    def __init__(self, timeout_s: float) -> None:
        self.landed = Event()
        self.outcome: CompiledManifest | FairlotError = DraftNotInTime(timeout_s)
        self.until_s = math.inf


class Drafts:
    """By the token that opens them. `fetch` is called by whoever asks first, the others wait. Safe
    from any thread; after a fork call `start_afresh` in the child."""

    def __init__(
        self, fetch: Callable[[str], CompiledManifest], clock: Clock, timeout_s: float
    ) -> None:
        self._fetch = fetch
        self._clock = clock
        self._timeout_s = timeout_s
        self.start_afresh()

    def start_afresh(self) -> None:
        self._lock = Lock()
        self._fetches: OrderedDict[str, _Fetch] = OrderedDict()

    def of(self, token: str) -> CompiledManifest:
        """Raises what `fetch` raised, for 5 s without asking again; or DraftNotInTime."""
        fetch, is_mine = self._fetch_of(token)
        if is_mine:
            self._fly(fetch, token)
        else:
            fetch.landed.wait(self._timeout_s)
        outcome = fetch.outcome
        if isinstance(outcome, FairlotError):
            # Raised many times, it would collect the frames of all who asked.
            raise outcome.with_traceback(None)
        return outcome

    def _fetch_of(self, token: str) -> tuple[_Fetch, bool]:
        now_s = self._clock.monotonic_s()
        with self._lock:
            known = self._fetches.get(token)
            if known is not None and now_s < known.until_s:
                return known, False
            mine = self._fetches[token] = _Fetch(self._timeout_s)
            self._fetches.move_to_end(token)
            if len(self._fetches) > _MOST_DRAFTS:
                self._fetches.popitem(last=False)
            return mine, True

    def _fly(self, fetch: _Fetch, token: str) -> None:
        kept_for_s = TRY_AGAIN_AFTER_S
        try:
            fetch.outcome = self._fetch(token)
            kept_for_s = KEPT_FOR_S
        except FairlotError as fault:
            fetch.outcome = fault
        finally:
            fetch.until_s = self._clock.monotonic_s() + kept_for_s
            fetch.landed.set()
