"""Which manifest a client decides by: the fetched one, unless one was given by hand."""

import math
from threading import Lock
from typing import Protocol

from fairlot.engine import CompiledManifest
from fairlot.sdk.errors import InvalidOption
from fairlot.sdk.faults import Faults
from fairlot.sdk.serving import Forced, Serving


class Freshness(Protocol):
    """When to look for a newer manifest, on the clock's monotonic scale, and how."""

    @property
    def due_at_s(self) -> float: ...

    def refresh_soon(self) -> None: ...


class _AlwaysFresh:
    due_at_s = math.inf

    def refresh_soon(self) -> None:
        """Never due."""


class Holding:
    """Whoever decides reads `serving` once, and uses what was read to the end. The lock is for
    those who change it. In a forked child call `start_afresh`."""

    def __init__(self, faults: Faults) -> None:
        self.serving = Serving()
        self.freshness: Freshness = _AlwaysFresh()
        self._faults = faults
        self._fetching: Freshness = self.freshness
        self._fetched: CompiledManifest | None = None
        self._given: CompiledManifest | None = None
        self._forced: tuple[tuple[str, Forced], ...] = ()
        self.start_afresh()

    def start_afresh(self) -> None:
        self._changing = Lock()

    def fetch_by(self, fetching: Freshness) -> None:
        """Where fetched manifests come from."""
        self._fetching = self.freshness = fetching

    def accept(self, compiled: CompiledManifest | None) -> None:
        """The newest fetched one; None when there is none to decide by any more."""
        with self._changing:
            self._fetched = compiled
            self._swap()
        self._report_broken(compiled)

    def give(self, compiled: CompiledManifest) -> None:
        """Decide by this one, which is never stale, until `ungive`."""
        with self._changing:
            self._given = compiled
            self.freshness = _AlwaysFresh()
            self._swap()
        self._report_broken(compiled)

    def ungive(self) -> bool:
        """Decide by the fetched one again; whether another was given."""
        with self._changing:
            if self._given is None:
                return False
            self._given = None
            self.freshness = self._fetching
            self._swap()
            return True

    def force(self, key: str, forced: Forced) -> None:
        """Of several for one experiment the last holds. Raises InvalidOption."""
        for name, given in (("experiment_key", key), ("variant_key", forced.variant_key)):
            if not isinstance(given, str):
                raise InvalidOption(name, given, "give its key, a text")
        with self._changing:
            self._forced = (*self._forced, (key, forced))
            self._swap()

    def unforce(self, forced: Forced) -> None:
        with self._changing:
            self._forced = tuple(each for each in self._forced if each[1] is not forced)
            self._swap()

    def _swap(self) -> None:
        compiled = self._fetched if self._given is None else self._given
        self.serving = Serving.of(compiled, dict(self._forced))

    def _report_broken(self, compiled: CompiledManifest | None) -> None:
        broken = {} if compiled is None else compiled.broken
        for key, problem in broken.items():
            self._faults.report("broken_experiment", f"{key} decides nothing: {problem}")
