"""The routes of the server over the data directory, without a server: what `fairlot` commands call
when no URL is given. Nobody else can be the local actor that these calls have."""

import asyncio
import getpass
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from urllib.parse import unquote, urlsplit

from fairlot.http.addresses import Addresses
from fairlot.http.asgi import Message, Scope
from fairlot.http.counts import Counts, WorkerFiles
from fairlot.http.management.callers import LOCAL_ACTOR
from fairlot.http.registry import Registry
from fairlot.http.routes import serve_routes
from fairlot.http.services import Services
from fairlot.http.throttle import Throttle
from fairlot.sdk.transport import HttpRequest, HttpResponse
from fairlot.service.actors import Actor
from fairlot.service.actors import Scope as AccessScope
from fairlot.service.decisions import Decisions
from fairlot.service.feeds import KnownFeeds, PublishedFeeds
from fairlot.service.privacy.deleting import Deletions
from fairlot.service.profiles import KnownProfiles
from fairlot.service.reactions import NO_RULES
from fairlot.service.results.sharing import Results
from fairlot.service.snapshot import EMPTY_SNAPSHOT, Snapshot, load_snapshot
from fairlot.settings import Settings
from fairlot.store import Store
from fairlot.store.profiles import open_profile_store
from fairlot.warehouse.on_demand import OnDemandLog
from fairlot.warehouse.stored import StoredLog

_LONGEST_NAME = 58  # with "local:" before it, what the records take


class InProcessTransport:
    """Answers requests as the server would, of an actor with all scopes."""

    def __init__(self, registry: Registry, actor: Actor) -> None:
        self._registry = registry
        self._actor = actor

    def __call__(self, request: HttpRequest, /) -> HttpResponse:
        return asyncio.run(self._exchange(request))

    async def _exchange(self, request: HttpRequest) -> HttpResponse:
        sent: list[Message] = []

        async def receive() -> Message:
            return {"type": "http.request", "body": request.body or b"", "more_body": False}

        async def send(message: Message) -> None:
            sent.append(message)

        await self._registry(self._scope(request), receive, send)
        start, content = sent
        headers = {name.decode(): value.decode("latin-1") for name, value in start["headers"]}
        return HttpResponse(start["status"], headers, content["body"])

    def _scope(self, request: HttpRequest) -> Scope:
        parts = urlsplit(request.url)
        return {
            "type": "http",
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": unquote(parts.path),
            "raw_path": parts.path.encode("ascii"),
            "query_string": parts.query.encode("ascii"),
            "root_path": "",
            "headers": [
                (name.lower().encode(), value.encode("latin-1"))
                for name, value in request.headers.items()
            ],
            "client": ("127.0.0.1", 0),
            LOCAL_ACTOR: self._actor,
        }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


@contextmanager
def in_process_transport(
    settings: Settings,
    store: Store,
    variables: Mapping[str, str] = os.environ,
    *,
    clock_ms: Callable[[], int] = _now_ms,
) -> Iterator[InProcessTransport]:
    log = StoredLog(settings.events_dir)
    merges = OnDemandLog(settings.events_dir)
    profiles = KnownProfiles(
        open_profile_store(settings.data_dir, settings.database_url), merges, NO_RULES, clock_ms
    )
    services = _services(settings, store, log, profiles, clock_ms)
    try:
        yield InProcessTransport(serve_routes(services), local_actor(variables))
    finally:
        services.control_threads.shutdown()
        services.results.close()
        profiles.close(0)
        merges.close(0)
        log.close(0)


def local_actor(variables: Mapping[str, str]) -> Actor:
    """The user of the operating system, or who FAIRLOT_ACTOR says."""
    name = variables.get("FAIRLOT_ACTOR") or _user_name()
    printable = "".join(each if each.isprintable() else "?" for each in name)
    return Actor(f"local:{printable[:_LONGEST_NAME]}", frozenset(AccessScope))


def _user_name() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        return str(os.getuid())


def _services(
    settings: Settings,
    store: Store,
    log: StoredLog,
    profiles: KnownProfiles,
    clock_ms: Callable[[], int],
) -> Services:
    def load(before: Snapshot | None) -> Snapshot:
        """Most commands need none, and compiling thousands of experiments takes its time: it is
        loaded when a route refreshes."""
        return EMPTY_SNAPSHOT if before is None else load_snapshot(store, before)

    decisions = Decisions(load, store.generation, log)
    return Services(
        decisions=decisions,
        store=store,
        profiles=profiles,
        feeds=KnownFeeds(profiles.store, PublishedFeeds(lambda: decisions.snapshot), clock_ms),
        privacy=profiles.rejections,
        deletions=Deletions(
            store=store,
            profiles=profiles,
            log=log,
            events_dir=settings.events_dir,
            own_file=None,
            clock_ms=clock_ms,
        ),
        store_generation=store.generation,
        log=log,
        counts=Counts(),
        worker_files=WorkerFiles(settings.data_dir / "run" / "metrics"),
        throttle=Throttle(time.monotonic),
        addresses=Addresses(),
        clock_ms=clock_ms,
        events_dir=settings.events_dir,
        results=Results(warehouse_url=settings.warehouse_url),
    )
