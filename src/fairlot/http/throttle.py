"""Throttling by the generic cell rate algorithm: one number of state for each throttled key.

GCRA as in ITU-T I.371, in its virtual-scheduling form: each request moves a key's theoretical
arrival time (TAT) on by one interval; a request is refused while the TAT is further ahead than
the burst allows.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from fairlot.http.problems import Problem, ProblemCode, Refused


@dataclass(frozen=True, slots=True)
class Policy:
    """`rate_per_s` requests a second for ever, `burst` at once after a rest."""

    name: str
    rate_per_s: float
    burst: int

    @property
    def interval_s(self) -> float:
        return 1 / self.rate_per_s

    @property
    def window_s(self) -> int:
        """How long an exhausted burst takes to refill."""
        return math.ceil(self.burst / self.rate_per_s)


FREE = Policy("free", 20, 100)
STANDARD = Policy("standard", 500, 2000)
# a tier that is not listed is unlimited
TIERS = {policy.name: policy for policy in (FREE, STANDARD)}


class Verdict(NamedTuple):
    """`retry_after_s` is 0 for an allowed request; `tat_s` is the state to keep."""

    allowed: bool
    tat_s: float
    retry_after_s: float


def gcra(policy: Policy, tat_s: float, now_s: float) -> Verdict:
    """Judge one request at `now_s`; a key without state has `tat_s` 0 or anything in the past."""
    interval = 1 / policy.rate_per_s
    start = max(tat_s, now_s)
    earliest = start - interval * (policy.burst - 1)
    # floats of a monotonic clock: a nanosecond early is on time
    if now_s + 1e-9 < earliest:
        return Verdict(False, tat_s, earliest - now_s)
    return Verdict(True, start + interval, 0.0)


class Throttle:
    """The state of all keys of one process, at most `capacity` of them."""

    def __init__(self, clock_s: Callable[[], float], capacity: int = 50_000) -> None:
        self._clock_s = clock_s
        self._capacity = capacity
        self._tat_s: dict[tuple[str, str], float] = {}

    def __len__(self) -> int:
        return len(self._tat_s)

    def admit(self, policy: Policy, key: str) -> None:
        """Count one request of `key`. Raises Refused (429)."""
        now_s = self._clock_s()
        state = (policy.name, key)
        verdict = gcra(policy, self._tat_s.get(state, 0.0), now_s)
        if not verdict.allowed:
            raise _throttled(policy, verdict.retry_after_s)
        if len(self._tat_s) >= self._capacity and state not in self._tat_s:
            self._make_room(now_s)
        self._tat_s[state] = verdict.tat_s

    def _make_room(self, now_s: float) -> None:
        """Forget who is fully rested, and when that frees too little, the quarter next to it."""
        self._tat_s = {key: tat for key, tat in self._tat_s.items() if tat > now_s}
        if len(self._tat_s) > self._capacity * 3 // 4:
            busiest = sorted(self._tat_s.items(), key=lambda item: item[1])
            self._tat_s = dict(busiest[len(busiest) // 4 + 1 :])


def _throttled(policy: Policy, retry_after_s: float) -> Refused:
    """Headers of draft-ietf-httpapi-ratelimit-headers-10."""
    seconds = max(1, math.ceil(retry_after_s))
    return Refused(
        Problem(
            429,
            ProblemCode.THROTTLED,
            f"over {policy.rate_per_s:g} requests a second; try again in {seconds} s",
            headers=(
                (b"retry-after", b"%d" % seconds),
                (b"ratelimit", f'"{policy.name}";r=0;t={seconds}'.encode()),
                (
                    b"ratelimit-policy",
                    f'"{policy.name}";q={policy.burst};w={policy.window_s}'.encode(),
                ),
            ),
        )
    )
