"""A project with a past, written into a real event log, and what the engine says to everyone in it.

The log holds two workers' files, an older manifest under which other variants were drawn, subjects
of whom only an SDK knows, and what must not count: previews, bots, staff, another project.
"""

import asyncio
import random
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec

from fairlot.engine import (
    Audience,
    Context,
    Experiment,
    Holdout,
    Layer,
    LayerRange,
    Manifest,
    Reason,
    Unit,
    compile_manifest,
    decide,
)
from fairlot.events import Exposure, new_event_id
from fairlot.events.records import Actor
from fairlot.service.decisions import Decisions
from fairlot.service.moves.known_subjects import KnownSubjects
from fairlot.warehouse.log import EventLog
from support.serving import Shelf, a_project, a_snapshot, a_variant

NOW_MS = 1_795_000_000_000
DAY_MS = 86_400_000
PROJECT_ID = "prj_default"
PAGE = "https://shop.example/pricing"
ALPHABETS = (
    "abcdefghijklmnopqrstuvwxyz0123456789-_.@",
    "äöüßéñçøåþ",
    "абвгдежзиклмн",
    "日本語漢字仮名交文",
    "עבריתالعربية",
    "😀🎉🦊👩\u200d🔬",
    " \t'\"\\;{}",
)


def arms(*weights: int | None, **last: Any) -> tuple[Any, ...]:
    """Variants a, b, c ... of these weights; `last` are further fields of the last one."""
    made = [a_variant(key, weight=weight) for key, weight in zip("abcd", weights, strict=False)]
    return (*made[:-1], replace(made[-1], **last))


def experiment(key: str, **fields: Any) -> Experiment:
    plain = Experiment(key=key, salt=key, id=f"exp_{key}", variants=arms(5_000, 5_000))
    return replace(plain, **fields)


PRO_PAGES = Audience(
    rule={"tier": "pro"}, url_patterns=("shop.example/pricing",), sample_rate_bp=8_000
)
BEFORE = Manifest(
    "default",
    "default",
    2,
    "",
    (
        experiment("plain", audience=Audience(sample_rate_bp=8_000)),
        experiment("three", variants=arms(5_000, 3_000, 2_000), layer=LayerRange("page", 0, 6_000)),
        experiment(
            "ruled", audience=PRO_PAGES, variants=arms(4_000, 6_000, recipe_sample_rate_bp=7_000)
        ),
        experiment("teams", unit=Unit.ACCOUNT, layer=LayerRange("page", 2_000, 9_000)),
    ),
    Holdout("main", "holdout.main", 500),
    (Layer("page", "layer.page"),),
)
OLDER = replace(
    BEFORE,
    version=1,
    experiments=tuple(
        replace(each, variants=arms(2_000, 5_000, 1_000, 2_000))
        for each in BEFORE.experiments
        if isinstance(each, Experiment)
    ),
)


def with_experiment(manifest: Manifest, key: str, **fields: Any) -> Manifest:
    return replace(
        manifest,
        experiments=tuple(
            replace(each, **fields) if each.key == key else each for each in manifest.experiments
        ),
    )


def experiment_of(manifest: Manifest, key: str) -> Experiment | None:
    for each in manifest.experiments:
        if each.key == key and isinstance(each, Experiment):
            return each
    return None


def subject_ids(count: int) -> list[str]:
    """Distinct ids of up to 400 characters, in several alphabets."""
    draw = random.Random(7)  # noqa: S311 - the same ids each time
    ids: dict[str, None] = {}
    while len(ids) < count:
        length = 400 if len(ids) % 100 == 0 else draw.randint(3, 40)
        ids["".join(draw.choices(draw.choice(ALPHABETS), k=length))] = None
    return list(ids)


def context_of(subject: str, now_ms: int) -> Context:
    """Every second subject is a pro on the right page; seven share an account."""
    number = sum(subject.encode())
    return Context(
        attributes={"tier": "pro" if number % 2 else "free"},
        account_id=f"team {number % 500} ☕",
        url=PAGE,
        now_ms=now_ms,
    )


@dataclass(frozen=True)
class ShopLog:
    """`log` is open for reading what it remembers."""

    directory: Path
    log: EventLog
    exposures: tuple[Exposure, ...]

    @property
    def known(self) -> KnownSubjects:
        return KnownSubjects.of_last_days(self.directory, PROJECT_ID, NOW_MS)


@contextmanager
def a_shop_log(directory: Path, count: int = 1_500) -> Iterator[ShopLog]:
    subjects = subject_ids(count)
    third = count // 3
    with ExitStack() as stack:
        logs = [EventLog.open(directory, queue_bound=200_000) for _ in range(2)]
        for log in logs:
            stack.callback(log.close, 30)
        # long ago, and not seen since; lately under the older manifest; back, or new
        asyncio.run(_decide(logs, OLDER, subjects[: 2 * third], NOW_MS - 40 * DAY_MS))
        asyncio.run(_decide(logs, OLDER, subjects[third : 2 * third], NOW_MS - 20 * DAY_MS))
        asyncio.run(_decide(logs, BEFORE, subjects[third + third // 2 :], NOW_MS - 2 * DAY_MS))
        for exposure in (*_only_by_sdk(subject_ids(count + third)[count:]), *_not_to_count()):
            logs[0].record(exposure, None)
    with closing_log(EventLog.open(directory)) as log:
        yield ShopLog(directory, log, tuple(_all_exposures(directory)))


def _all_exposures(directory: Path) -> Iterator[Exposure]:
    """File by file, so that one that two workers recorded comes twice."""
    for path in sorted(directory.glob("worker-*.sqlite")):
        with closing(sqlite3.connect(path)) as file:
            for (body,) in file.execute("SELECT body FROM exposures ORDER BY seq"):
                exposure = msgspec.json.decode(body, type=Exposure)
                if exposure.project_id == PROJECT_ID:
                    yield exposure


@contextmanager
def closing_log(log: EventLog) -> Iterator[EventLog]:
    try:
        yield log
    finally:
        log.close(5)


async def _decide(
    logs: list[EventLog], manifest: Manifest, subjects: Iterable[str], now_ms: int
) -> None:
    project = replace(
        a_project(),
        compiled=compile_manifest(manifest),
        version=manifest.version,
        always_look_up=frozenset(each.key for each in manifest.experiments),
    )
    desks = []
    for log in logs:
        shelf = Shelf(a_snapshot(project))
        desks.append(Decisions(shelf.load, shelf.generation, log))
    for number, subject in enumerate(subjects):
        for each in manifest.experiments:
            await desks[number % len(desks)].decide_and_record(
                project, each.key, subject, context_of(subject, now_ms + number), track=True
            )


def _only_by_sdk(subjects: Iterable[str]) -> Iterator[Exposure]:
    """What SDKs drew under the older manifest, and some again later by the newer: their cookies
    hold what came last."""
    for age_days, manifest, every in ((9, OLDER, 1), (5, BEFORE, 3)):
        compiled = compile_manifest(manifest)
        for number, subject in enumerate(subjects):
            at_ms = NOW_MS - age_days * DAY_MS
            context = context_of(subject, at_ms)
            for each in manifest.experiments if number % every == 0 else ():
                decision = decide(compiled, each.key, subject, context)
                if decision.variant is not None:
                    unit = subject if each.key != "teams" else context.account_id or ""
                    yield exposure_of(
                        each.key,
                        subject,
                        decision.variant.key,
                        decision.reason,
                        at_ms,
                        unit_id=unit,
                    )


def _not_to_count() -> Iterator[Exposure]:
    at_ms = NOW_MS - DAY_MS
    yield exposure_of("plain", "a previewer", "a", Reason.PREVIEW, at_ms)
    yield exposure_of("plain", "a robot", "a", Reason.BUCKET, at_ms, actor=Actor.BOT)
    yield exposure_of("plain", "a colleague", "a", Reason.BUCKET, at_ms, actor=Actor.STAFF)
    yield exposure_of("plain", "a stranger", "a", Reason.BUCKET, at_ms, project_id="prj_other")
    yield exposure_of("elsewhere", "a guest", "a", Reason.BUCKET, at_ms, unit_id="the guest's team")


def exposure_of(
    key: str, subject: str, variant: str, reason: Reason, at_ms: int, **fields: Any
) -> Exposure:
    values = {"project_id": PROJECT_ID, "unit_id": subject, **fields}
    return Exposure(
        event_id=new_event_id(at_ms),
        experiment_id=f"exp_{key}",
        experiment_key=key,
        subject_id=subject,
        variant_key=variant,
        variant_id=f"var_{variant}",
        manifest_version=1,
        hash_version=1,
        reason=reason,
        occurred_at_ms=at_ms,
        received_at_ms=at_ms,
        **values,
    )
