"""A scripted week of events drives two personalizations and a property, on both databases.

A model predicts every activation and every expiry: the server is asked a millisecond before each
end and at it, and after each event. At the end the recorded exposures are those of the model.
"""

import heapq
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fairlot.profiles import claim_of_subject
from fairlot.service.profiles import Work
from fairlot.service.snapshot import ProjectServing
from support.batches import a_batch, conversion_row
from support.personalization_bench import a_written_project
from support.serving import (
    KEY_SECRET,
    NOW_MS,
    TOKEN,
    Desk,
    a_desk,
    a_snapshot,
    an_api_key,
)
from support.week_model import DAY_MS, HOUR_MS, MINUTE_MS, Event, WeekModel

pytestmark = pytest.mark.slow

EVENTS = "/api/v1/orgs/default/projects/default/events"
SUBJECTS = tuple(f"visitor-{number}" for number in range(15))
EDGE = "edge-1"
"""Who does things at the last moment that counts, and at the first that does not."""
KILLED_MS = NOW_MS + 5 * DAY_MS
HELP = """
key: help
name: Help
type: personalization
when: {event: view, where: {page: /pricing}, count: 3, within: 1h}
for: 6h
controlShare: 0.25
variants: [{key: tour, name: Tour}]
"""
RULES = """
key: upsell
name: Upsell
type: personalization
when: {event: order, where: {total: {$gte: 100}}}
for: 2d
limit: 2
priority: 10
audience: {rule: {plan: free}, sampleRate: 0.8}
variants: [{key: small, name: Small, weight: 7000}, {key: big, name: Big, weight: 3000}]
---
kind: property
key: last_category
when: {event: view}
value: category
---
kind: holdout
key: all
rate: 0.15
salt: holdout.all
"""
KEYS = {"ingest00": an_api_key("ingest")}


def the_rules(*, killed: bool) -> ProjectServing:
    return a_written_project(RULES if killed else f"{RULES}---{HELP}")


def at_the_edges() -> Iterator[Event]:
    hour, pricing = NOW_MS + 7 * HOUR_MS, {"page": "/pricing"}
    ends = hour + 90 * MINUTE_MS - 1 + 6 * HOUR_MS
    views = [hour, hour + 30 * MINUTE_MS, hour + HOUR_MS, hour + 90 * MINUTE_MS - 1]
    views += [ends - 3, ends - 2, ends - 1, ends]
    orders = [hour, hour + 2 * DAY_MS - 1, hour + 2 * DAY_MS, hour + 4 * DAY_MS]
    for number, at_ms in enumerate(views):
        yield Event(f"edge-v{number}", EDGE, "view", at_ms, at_ms, pricing)
    for number, at_ms in enumerate(orders):
        yield Event(f"edge-o{number}", EDGE, "order", at_ms, at_ms, {"total": 100})


def the_script() -> list[Event]:
    """The edges, and at random bursts of views and single orders, in the order of their arrival.
    One of five arrives up to three hours late, some are sent twice, and some clocks are an hour
    fast."""
    chance = random.Random(11)  # noqa: S311 - a script, not a secret
    events = list(at_the_edges())
    for number in range(130):
        subject = chance.choice(SUBJECTS)
        start = NOW_MS + chance.randrange(7 * DAY_MS)
        if chance.random() < 0.3:
            total = chance.choice([20, 99.5, 100, 250])
            events += scripted(chance, f"o{number}", subject, "order", start, {"total": total})
            continue
        for view in range(chance.randrange(1, 7)):
            at_ms = start + view * chance.randrange(5, 28) * MINUTE_MS
            properties = {
                "page": chance.choice(["/pricing", "/pricing", "/home"]),
                "category": chance.choice(["shoes", "hats", "", None]),
            }
            events += scripted(chance, f"v{number}-{view}", subject, "view", at_ms, properties)
    return sorted(events, key=lambda each: (each.arrives_ms, each.id))


def scripted(
    chance: random.Random,
    event_id: str,
    subject: str,
    name: str,
    at_ms: int,
    properties: dict[str, Any],
) -> Iterator[Event]:
    late_ms = chance.randrange(3 * HOUR_MS) if chance.random() < 0.2 else 0
    fast_ms = HOUR_MS if chance.random() < 0.03 else 0
    event = Event(event_id, subject, name, at_ms + fast_ms, at_ms + late_ms, properties)
    yield event
    if chance.random() < 0.1:
        yield Event(event_id, subject, name, event.at_ms, event.arrives_ms + 1, properties)


class Week:
    """Lets time pass for the server and for the model, and compares them."""

    def __init__(self, desk: Desk, model: WeekModel) -> None:
        self.desk = desk
        self.model = model
        self.probes: list[tuple[int, str]] = []
        self.compared = 0

    def arrive(self, number: int, event: Event) -> None:
        self.pass_until(event.arrives_ms)
        row = conversion_row(
            event.id,
            subject_id=event.subject,
            event_name=event.name,
            at=event.at_ms,
            properties=event.properties,
        )
        key = f"fx_key_ingest00.{KEY_SECRET}"
        body = a_batch(row, batch_seq=number + 1)
        answer = self.desk.client.post(EVENTS, body, authorization=f"Bearer {key}")
        assert answer.status == 200, answer.body
        known = len(self.model.activations)
        self.model.arrive(event)
        for each in self.model.activations[known:]:
            heapq.heappush(self.probes, (each.ends_ms - 1, each.subject))
            heapq.heappush(self.probes, (each.ends_ms, each.subject))
        self.compare(event.subject)

    def pass_until(self, now_ms: int) -> None:
        while self.probes and self.probes[0][0] <= now_ms:
            at_ms, subject = heapq.heappop(self.probes)
            self.desk.clock.now_ms = max(at_ms, self.desk.clock.now_ms)
            self.compare(subject)
        self.desk.clock.now_ms = now_ms

    def kill_help(self) -> None:
        self.pass_until(KILLED_MS)
        self.desk.publish(a_snapshot(the_rules(killed=True), generation=2, api_keys=KEYS))
        self.model.killed.add("help")
        for subject in SUBJECTS:
            self.compare(subject)

    def compare(self, subject: str) -> None:
        body = {"token": TOKEN, "visitor_id": subject}
        answer = self.desk.client.post("/api/v1/experiments/personalization", body).json
        shown = [
            (each["experiment_key"], each["variant_key"], each["assigned_at"])
            for each in answer["personalizations"]
        ]
        now_ms = self.desk.clock.now_ms
        assert shown == self.model.shown(subject, now_ms), (subject, now_ms - NOW_MS)
        assert answer["properties"] == self.model.properties(subject)
        self.compared += 1


@contextmanager
def a_week(tmp_path: Path, database_url: str | None) -> Iterator[Week]:
    everybody = (EDGE, *SUBJECTS)
    plans = {each: "pro" if number % 4 == 3 else "free" for number, each in enumerate(everybody)}
    snapshot = a_snapshot(the_rules(killed=False), api_keys=KEYS)
    with a_desk(tmp_path, snapshot, database_url=database_url) as desk:
        for subject, plan in plans.items():
            sign_up(desk, subject, plan)
        yield Week(desk, WeekModel(plans))


def sign_up(desk: Desk, subject: str, plan: str) -> None:
    work = Work(
        the_rules(killed=False).project_id,
        claim_of_subject(subject),
        NOW_MS,
        steps=(lambda profile: msgspec.structs.replace(profile, attributes={"plan": plan}),),
    )
    desk.client.run(desk.services.profiles.apply(work))


def test_week__of_events__activates_and_expires_as_the_model_predicts(
    tmp_path: Path, database_url: str | None
) -> None:
    script = the_script()
    with a_week(tmp_path, database_url) as week:
        for number, event in enumerate(script):
            if event.arrives_ms >= KILLED_MS and not week.model.killed:
                week.kill_help()
            week.arrive(number, event)
        week.pass_until(NOW_MS + 12 * DAY_MS)
        recorded = sorted(
            (each.subject_id, each.experiment_key, each.variant_key, each.occurred_at_ms)
            for each in week.desk.exposures()
            if not each.experiment_key.startswith("holdout.")
        )
    predicted = sorted(
        (each.subject, each.key, each.variant or "control", each.at_ms)
        for each in week.model.activations
    )
    assert recorded == predicted
    assert week.compared > len(script)
    assert_rich(week.model)


def assert_rich(model: WeekModel) -> None:
    """The script has all cases in it, so that the comparison can fail."""
    arms = {(each.key, each.variant) for each in model.activations}
    assert arms == {
        ("help", "tour"),
        ("help", None),
        ("upsell", "small"),
        ("upsell", "big"),
        ("upsell", None),
    }
    assert {"held", "limit", "active", "audience", "sample", "late"} <= model.met
