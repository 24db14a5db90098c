"""Builders: a snapshot without a store, and the routes over it with a real event log."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from fairlot.engine import (
    BrokenExperiment,
    Experiment,
    Feed,
    Holdout,
    Manifest,
    Segment,
    Variant,
    compile_manifest,
)
from fairlot.engine.needs import all_of, profile_needs
from fairlot.events import Exposure
from fairlot.http.addresses import Addresses
from fairlot.http.counts import Counts, WorkerFiles
from fairlot.http.routes import serve_routes
from fairlot.http.services import Services
from fairlot.http.throttle import Throttle
from fairlot.service.decisions import Decisions
from fairlot.service.feeds import KnownFeeds, PublishedFeeds
from fairlot.service.personalization.reactor import RuleReactor
from fairlot.service.personalization.rules import compile_rules
from fairlot.service.privacy.deleting import Deletions
from fairlot.service.profiles import KnownProfiles
from fairlot.service.snapshot import ApiKeyRecord, ProjectServing, Snapshot, Tenant
from fairlot.store import Vault
from fairlot.warehouse.log import EventLog, read_exposures
from support.asgi import AsgiClient, Response
from support.tables import open_profiles_with_tables

TOKEN = "exp_" + "a" * 32
OTHER_TOKEN = "exp_" + "b" * 32
KEY_SECRET = "s" * 32
NOW_MS = 1_700_000_000_000


def a_variant(key: str, **fields: Any) -> Variant:
    return replace(Variant(key=key, id=f"var_{key}", name=key.title()), **fields)


def an_experiment(key: str = "hero", **fields: Any) -> Experiment:
    """Two even variants, for everybody."""
    plain = Experiment(
        key=key,
        salt=key,
        variants=(a_variant("control", is_control=True), a_variant("bold")),
        id=f"exp_{key}",
        name=key.title(),
    )
    return replace(plain, **fields)


def a_project(
    *experiments: Experiment | BrokenExperiment,
    project: str = "default",
    version: int = 3,
    holdout: Holdout | None = None,
    segments: tuple[Segment, ...] = (),
    feeds: tuple[Feed, ...] = (),
    **fields: Any,
) -> ProjectServing:
    manifest = Manifest(
        "default",
        project,
        version,
        "2023-11-14T00:00:00.000Z",
        experiments,
        holdout,
        segments=segments,
        feeds=feeds,
    )
    needs, compiled = profile_needs(manifest), compile_manifest(manifest)
    plain = ProjectServing(
        org="default",
        project=project,
        project_id=f"prj_{project}",
        version=version,
        compiled=compiled,
        signed=b'{"payload":"e30","protected":"e30","signature":"AA"}',
        etag='"v3"',
        private=False,
        tier=None,
        always_look_up=frozenset(),
        profile_needs=needs,
        history_wanted=all_of(needs.values()),
        rules=compile_rules(compiled, needs),
    )
    return replace(plain, **fields)


def an_api_key(*scopes: str, **fields: Any) -> ApiKeyRecord:
    """Its id is what it is called in the snapshot."""
    plain = ApiKeyRecord(
        id="",
        secret_sha256=sha256(KEY_SECRET.encode()).digest(),
        scopes=frozenset(scopes),
        project_ids=None,
        org="default",
        expires_at_ms=None,
        revoked=False,
    )
    return replace(plain, **fields)


def a_snapshot(
    project: ProjectServing,
    *others: ProjectServing,
    generation: int = 1,
    api_keys: Mapping[str, ApiKeyRecord] | None = None,
) -> Snapshot:
    """`TOKEN` is the first project's, `OTHER_TOKEN` the second's."""
    tokens = dict(zip((TOKEN, OTHER_TOKEN), (project, *others), strict=False))
    return Snapshot(
        generation=generation,
        projects={(each.org, each.project): each for each in (project, *others)},
        tokens={sha256(token.encode()).digest(): each for token, each in tokens.items()},
        token_ends={},
        api_keys={name: replace(key, id=name) for name, key in (api_keys or {}).items()},
        jwks={"default": b'{"keys":[]}'},
        revocations={"default": b'{"revoked":{},"previews":[]}'},
        tenants={
            (each.org, each.project): Tenant(
                each.org, each.project, each.project_id, each.tier, each.honours_gpc
            )
            for each in (project, *others)
        },
    )


@dataclass
class Shelf:
    """Where `Decisions` finds its snapshot; a test may put another one there, or make it fail."""

    snapshot: Snapshot
    failure: Exception | None = None

    def load(self, _previous: Snapshot | None) -> Snapshot:
        return self.snapshot

    def generation(self) -> int:
        if self.failure is not None:
            raise self.failure
        return self.snapshot.generation


@dataclass
class Clock:
    """Time that stands still until a test moves it."""

    now_ms: int = NOW_MS

    def ms(self) -> int:
        return self.now_ms

    def s(self) -> float:
        return self.now_ms / 1000


class NoStore:
    """Where a store is wanted and none is needed: a test that needs one gives its own."""

    @property
    def vault(self) -> Vault:
        raise AssertionError("this desk has no store")

    def reading(self) -> AbstractContextManager[Connection]:
        raise AssertionError("this desk has no store")

    def writing(self, *, keep: bool = True) -> AbstractContextManager[Connection]:
        raise AssertionError("this desk has no store")

    def generation(self) -> int:
        raise AssertionError("this desk has no store")

    async def follow(self, changed: Callable[[], None]) -> None:
        raise AssertionError("this desk has no store")

    def close(self) -> None:
        raise AssertionError("this desk has no store")


@dataclass
class Desk:
    """The routes over a snapshot on a shelf, with a real event log."""

    shelf: Shelf
    clock: Clock
    events_dir: Path
    log: EventLog
    services: Services
    client: AsgiClient

    def publish(self, snapshot: Snapshot) -> None:
        self.shelf.snapshot = snapshot
        assert self.services.decisions.refresh()

    def assign(self, key: str = "hero", visitor_id: str = "v1", **fields: Any) -> Response:
        body = {"token": TOKEN, "visitor_id": visitor_id, **fields}
        return self.client.post(f"/api/v1/experiments/assignments/{key}", body)

    def exposures(self) -> list[Exposure]:
        return list(read_exposures(self.events_dir))


@contextmanager
def a_desk(
    tmp_path: Path,
    snapshot: Snapshot,
    *,
    durable: bool = True,
    database_url: str | None = None,
    **fields: Any,
) -> Iterator[Desk]:
    """`database_url` is where profiles are. `fields` replace those of `Services`."""
    shelf, clock = Shelf(snapshot), Clock()
    events_dir = tmp_path / "events"
    log = EventLog.open(events_dir)
    reactor = RuleReactor(lambda: decisions.snapshot, clock.ms)
    profiles = KnownProfiles(
        open_profiles_with_tables(tmp_path, database_url), log, reactor, clock.ms
    )
    decisions = Decisions(
        shelf.load,
        shelf.generation,
        log,
        durable=durable,
        rejects=profiles.rejections.rejects,
    )
    services = Services(
        decisions=decisions,
        store=NoStore(),
        profiles=profiles,
        feeds=KnownFeeds(profiles.store, PublishedFeeds(lambda: decisions.snapshot), clock.ms),
        privacy=profiles.rejections,
        deletions=Deletions(
            store=NoStore(),
            profiles=profiles,
            log=log,
            events_dir=events_dir,
            own_file=log.path,
            clock_ms=clock.ms,
        ),
        store_generation=shelf.generation,
        log=log,
        counts=Counts(),
        worker_files=WorkerFiles(tmp_path / "metrics"),
        throttle=Throttle(clock.s),
        addresses=Addresses(),
        clock_ms=clock.ms,
    )
    services = replace(services, **fields)
    client = AsgiClient(serve_routes(services))
    try:
        yield Desk(shelf, clock, events_dir, log, services, client)
    finally:
        client.close()
        services.control_threads.shutdown()
        profiles.close(5)
        log.close(5)
