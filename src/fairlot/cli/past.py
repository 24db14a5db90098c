"""Simulated visitors of the weeks before the demo: their clients decide by the signed manifest, as
the SDK does, on a clock that stands in the past, and send what happened to the running server.

What they do is fixed, but for the variants that they are drawn into: so many in a hundred order,
spread evenly. So every run ends with the same verdicts, by whatever salt the variants are drawn.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from fairlot.cli.errors import CommandFailed
from fairlot.cli.visitors import questions_of
from fairlot.engine import Device
from fairlot.sdk.client import Client
from fairlot.sdk.context import RequestContext
from fairlot.testing import FrozenClock

DAYS: Final = 28
VISITORS: Final = 8000
_DAY_MS: Final = 86_400_000
_HOUR_MS: Final = 3_600_000
_BETTER: Final = ("checkout-button", "next-step")
_SILENT: Final = ("loyalty-price", "member-price")
_ORDERED: Final = 0.12
_ORDERED_MORE: Final = 0.19
_ASKED_FOR_HELP: Final = 0.06
_FLUSHED_EVERY: Final = 1000
_FLUSH_WITHIN_S: Final = 60.0


@dataclass(slots=True)
class _Evenly:
    """So many in a hundred, spread evenly, of each kind."""

    counts: Counter[tuple[str | None, ...]] = field(default_factory=Counter)

    def next_is_one(self, kind: tuple[str | None, ...], rate: float) -> bool:
        before = self.counts[kind]
        self.counts[kind] = before + 1
        return int((before + 1) * rate + 0.5) > int(before * rate + 0.5)


@dataclass(frozen=True, slots=True)
class PastVisitors:
    """Who came to the shop from `began_ms` on, in the course of DAYS days.

    In `checkout-button` the next step really makes more of them order. In `free-delivery` nothing
    makes a difference. `loyalty-price` is broken: the app for phones shows the member price, and
    forgets to tell.
    """

    client: Client
    clock: FrozenClock
    began_ms: int
    ordering: _Evenly = field(default_factory=_Evenly)
    asking: _Evenly = field(default_factory=_Evenly)

    def come(self, advance: Callable[[int], None]) -> None:
        for number in range(VISITORS):
            self._come(number)
            if (number + 1) % _FLUSHED_EVERY == 0:
                self._deliver()
            advance(1)
        self._deliver()

    def _come(self, number: int) -> None:
        # Half an hour before its end, so that nobody is younger than the demo.
        at_ms = self.began_ms + (number * (DAYS * _DAY_MS - _HOUR_MS)) // VISITORS
        self._go_to(at_ms)
        visitor = f"past-{number:06}"
        drawn = {key: self._shown(key, visitor, context) for key, context in _pages(number)}
        kind = drawn[_BETTER[0]], drawn["free-delivery"]
        rate = _ORDERED_MORE if drawn[_BETTER[0]] == _BETTER[1] else _ORDERED
        if self.ordering.next_is_one(kind, rate):
            self._go_to(at_ms + (1 + number % 50) * _HOUR_MS)
            self.client.track("Order placed", visitor, value=20.0 + number * 37 % 61)
        if self.asking.next_is_one(kind, _ASKED_FOR_HELP):
            self._go_to(at_ms + (1 + number % 9) * _HOUR_MS)
            self.client.track("Help opened", visitor)

    def _shown(self, key: str, visitor: str, context: RequestContext) -> str | None:
        decided = self.client.treatment(key, visitor, context)
        if (key, decided.variant_key) != _SILENT or context.device is not Device.MOBILE:
            self.client.exposure(key, visitor, context)
        return decided.variant_key

    def _go_to(self, at_ms: int) -> None:
        self.clock.jump_ms(at_ms - self.clock.now_ms())

    def _deliver(self) -> None:
        if not self.client.flush(_FLUSH_WITHIN_S) or self.client.stats().rejected:
            raise CommandFailed(
                f"the server did not take what visitors of the past did ({self.client.stats()});"
                " if it failed, its log is above"
            )


def send_past_visitors(
    manifest_url: str, api_key: str, began_ms: int, advance: Callable[[int], None]
) -> None:
    """Raises CommandFailed when the server does not take all that happened."""
    clock = FrozenClock(began_ms)
    with Client(manifest_url, api_key=api_key, clock=clock) as client:
        if client.manifest() is None:
            raise CommandFailed(
                f"{manifest_url}: no manifest; if the server failed, its log is above"
            )
        PastVisitors(client, clock, began_ms).come(advance)


def _pages(number: int) -> list[tuple[str, RequestContext]]:
    """What a live visitor asks about, at the pages where it does."""
    device = Device.MOBILE if number % 5 < 3 else Device.DESKTOP
    return [
        (
            question.experiment_key,
            RequestContext(
                url=question.context.get("url"),
                user=question.context.get("attributes"),
                device=device,
            ),
        )
        for question in questions_of(number)
    ]
