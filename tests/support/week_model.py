"""A model of what a week of events does, in plain Python: two personalizations and a property.

It knows nothing of the rules of the server. It remembers all that happened, looks at all of it
again for every event, and draws with the reference implementation of the hash.

- `help`: three views of the pricing page within an hour show it for six hours, again and again;
  a quarter of the subjects is its control share. It is killed on the sixth day.
- `upsell`: an order of 100 or more shows it for two days, twice at most, to four of five subjects
  of the plan `free`; it has two variants, and a control share of a tenth.
- `last_category`: the category of the latest view, null when a view has none.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

from reference.hashing import bucket_of

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
HELD_BP = 1500


@dataclass(frozen=True)
class Event:
    """It happens at one time, and arrives at another."""

    id: str
    subject: str
    name: str
    at_ms: int
    arrives_ms: int
    properties: dict[str, Any]


@dataclass(frozen=True)
class Shown:
    """One activation; without a variant it is of the control share."""

    subject: str
    key: str
    variant: str | None
    at_ms: int
    ends_ms: int


@dataclass
class WeekModel:
    plans: dict[str, str]
    killed: set[str] = field(default_factory=set)
    activations: list[Shown] = field(default_factory=list)
    met: set[str] = field(default_factory=set)
    """Which cases there were, each where it alone mattered."""
    _happened: dict[str, list[Event]] = field(default_factory=lambda: defaultdict(list))
    _ids: set[str] = field(default_factory=set)

    def arrive(self, event: Event) -> None:
        """A repeated id is the same event again; one from the future happens now."""
        if event.id in self._ids:
            return
        self._ids.add(event.id)
        if event.at_ms > event.arrives_ms + 5 * MINUTE_MS:
            event = Event(
                event.id,
                event.subject,
                event.name,
                event.arrives_ms,
                event.arrives_ms,
                event.properties,
            )
        self._happened[event.subject].append(event)
        self._help(event)
        self._upsell(event)

    def shown(self, subject: str, now_ms: int) -> list[tuple[str, str, int]]:
        """Key, variant and since when, the most important first."""
        active = []
        for key in ("upsell", "help"):
            latest = self._latest(subject, key)
            if latest is None or latest.variant is None or key in self.killed:
                continue
            if now_ms < latest.ends_ms:
                active.append((key, latest.variant, latest.at_ms))
        return active

    def properties(self, subject: str) -> dict[str, Any]:
        views = [each for each in self._happened[subject] if each.name == "view"]
        if not views:
            return {}
        latest = max(each.at_ms for each in views)
        last = [each for each in views if each.at_ms == latest][-1]
        return {"last_category": last.properties.get("category") or None}

    def _help(self, event: Event) -> None:
        if not is_pricing_view(event) or "help" in self.killed or self._is_held(event.subject):
            return
        views = [each for each in self._happened[event.subject] if is_pricing_view(each)]
        latest = self._latest(event.subject, "help")
        for moment in sorted(each.at_ms for each in views):
            sees_it = event.at_ms <= moment < event.at_ms + HOUR_MS
            is_free = latest is None or moment >= latest.ends_ms
            seen = sum(1 for each in views if moment - HOUR_MS < each.at_ms <= moment)
            if sees_it and seen >= 3 and not is_free:
                self.met.add("active")
            if sees_it and is_free and seen >= 3:
                self.met.add("on time" if moment == event.at_ms else "late")
                is_control = bucket_of("help", "control", event.subject) < 2500
                variant = None if is_control else "tour"
                self._activate(event.subject, "help", variant, moment, 6 * HOUR_MS)
                return

    def _upsell(self, event: Event) -> None:
        if event.name != "order" or event.properties["total"] < 100:
            return
        before = self._of(event.subject, "upsell")
        refusals = {
            "limit": len(before) == 2,
            "active": bool(before) and event.at_ms < before[-1].ends_ms,
            "held": self._is_held(event.subject),
            "audience": self.plans[event.subject] != "free",
            "sample": bucket_of("upsell", "sample", event.subject) >= 8000,
        }
        refused = [name for name, refuses in refusals.items() if refuses]
        if refused:
            self.met.update(refused if len(refused) == 1 else ())
            return
        is_small = bucket_of("upsell", "variant", event.subject) < 7000
        variant: str | None = "small" if is_small else "big"
        if bucket_of("upsell", "control", event.subject) < 1000:
            variant = None
        self._activate(event.subject, "upsell", variant, event.at_ms, 2 * DAY_MS)

    def _activate(
        self, subject: str, key: str, variant: str | None, at_ms: int, for_ms: int
    ) -> None:
        self.activations.append(Shown(subject, key, variant, at_ms, at_ms + for_ms))

    def _is_held(self, subject: str) -> bool:
        return bucket_of("holdout.all", "holdout", subject) < HELD_BP

    def _of(self, subject: str, key: str) -> list[Shown]:
        return [each for each in self.activations if (each.subject, each.key) == (subject, key)]

    def _latest(self, subject: str, key: str) -> Shown | None:
        found = self._of(subject, key)
        return found[-1] if found else None


def is_pricing_view(event: Event) -> bool:
    return event.name == "view" and event.properties.get("page") == "/pricing"
