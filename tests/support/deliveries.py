"""Builders of a `Delivery` to an `EventServer`, with or without its thread."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from fairlot.events.sent import SentEvent
from fairlot.sdk.delivery import Delivery
from fairlot.sdk.outbox import DeliveryStats
from fairlot.testing import FrozenClock
from support.event_server import URL, EventServer

API_KEY = "flk_key.secret"


@dataclass
class Post:
    """A delivery, where it sends to, and what it reported."""

    delivery: Delivery
    server: EventServer
    clock: FrozenClock
    reports: list[tuple[str, Exception]] = field(default_factory=list)

    def put(self, *events: SentEvent) -> None:
        for event in events:
            self.delivery.put(event)

    def step(self, after_s: float = 0.0) -> float | None:
        """What the thread would do after so many seconds."""
        self.clock.advance(after_s)
        return self.delivery._step()

    @property
    def stats(self) -> DeliveryStats:
        return self.delivery.stats

    @property
    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.reports]


def a_post(*, has_thread: bool = False, **options: Any) -> Post:
    server, clock = EventServer(), FrozenClock()
    reports: list[tuple[str, Exception]] = []
    named: dict[str, Any] = {"queue_bound": 10_000, "timeout_s": 5.0, "transport": server}
    delivery = Delivery(
        URL,
        API_KEY,
        clock=clock,
        report=lambda kind, error: reports.append((kind, error)),
        **(named | options),
    )
    if not has_thread:
        delivery._background.stop(0.0)
    return Post(delivery, server, clock, reports)


@contextmanager
def a_running_post(**options: Any) -> Iterator[Post]:
    post = a_post(has_thread=True, **options)
    try:
        yield post
    finally:
        post.delivery.close(5.0)
