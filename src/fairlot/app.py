"""Wires everything: the ASGI application of one process, and the server of several."""

import asyncio
import contextlib
import fcntl
import gc
import logging
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from uvicorn.config import STARTUP_FAILURE

from fairlot.engine.errors import FairlotError
from fairlot.http.access_log import AccessLog
from fairlot.http.addresses import Addresses
from fairlot.http.api.health import figures
from fairlot.http.asgi import Receive, Scope, Send
from fairlot.http.counts import Counts, WorkerFiles
from fairlot.http.protocol import BoundedHttpProtocol
from fairlot.http.registry import Registry
from fairlot.http.routes import serve_routes
from fairlot.http.services import Services
from fairlot.http.supervisor import Supervisor
from fairlot.http.throttle import Policy, Throttle
from fairlot.profiles.products import ProductEvents, product_events
from fairlot.service.bootstrap import begin_older_audits
from fairlot.service.decisions import Decisions
from fairlot.service.feeds import FEEDS_SEEN_WITHIN_S, KnownFeeds, PublishedFeeds
from fairlot.service.personalization.reactor import RuleReactor
from fairlot.service.privacy import Rejections
from fairlot.service.privacy.deleting import Deletions
from fairlot.service.profiles import PROFILES_SEEN_WITHIN_S, KnownProfiles
from fairlot.service.profiles.pruning import PRUNED_EVERY_S, prune
from fairlot.service.results.sharing import Results
from fairlot.service.snapshot import load_snapshot
from fairlot.service.store_waiting import open_when_there
from fairlot.settings import Settings, load_settings
from fairlot.store import Store, open_store
from fairlot.store.profiles import open_profile_store
from fairlot.warehouse.lake.upkeep import UPKEEP_EVERY_S, Bounds, Upkeep
from fairlot.warehouse.log import EventLog

CLOSE_WITHIN_S = 5.0
WORKER_STARTS_WITHIN_S = 60
"""A worker answers its supervisor only when it has loaded everything, which takes a while on a busy
machine. One that does not is killed and replaced."""
USES_EVERY_S = 60.0
_log = structlog.get_logger(__name__)


class AlreadyServing(FairlotError):
    """Another server works on this data directory."""

    code = "already_serving"

    def __init__(self, data_dir: Path, pid: int | None) -> None:
        self.data_dir = data_dir
        self.pid = pid
        whose = f"process {pid}" if pid is not None else "another process"
        super().__init__(
            f"{data_dir}: {whose} is already serving this directory; stop it, or name another "
            "directory with --data"
        )


class StartFailed(FairlotError):
    """A worker could not start."""

    code = "start_failed"

    def __init__(self) -> None:
        super().__init__("the server could not start; its log above says why")


class Application:
    """The ASGI application: lifespan opens and closes what http scopes use."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._services: Services | None = None
        self._store: Store | None = None
        self._registry: Registry | None = None
        self._changed = asyncio.Event()
        self._stopping = False
        self._ended = asyncio.Event()
        self._polling: asyncio.Task[None] | None = None
        self._following: asyncio.Task[None] | None = None
        self._repeating: list[asyncio.Task[None]] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self._registry is not None:
            await self._registry(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            raise UnsupportedScope(scope["type"])

    async def start(self) -> None:
        """Open store and event log, load the snapshot, and begin to poll."""
        settings = self._settings
        self._store = await _open_store(settings)
        try:
            self._services = await asyncio.to_thread(_open_services, settings, self._store)
        except BaseException:
            self._store.close()
            raise
        self._registry = serve_routes(self._services)
        self._polling = asyncio.create_task(self._poll(self._services, self._store))
        self._following = asyncio.create_task(self._store.follow(self._changed.set))
        self._repeating = [
            asyncio.create_task(each) for each in self._repeated_work(self._services)
        ]

    async def stop(self) -> None:
        """Write what the event log still holds, for 5 s at most, and close."""
        services, store = self._services, self._store
        if services is None or store is None:
            return
        await self._end_background()
        services.control_threads.shutdown(wait=False, cancel_futures=True)
        services.results.close()
        await asyncio.to_thread(services.profiles.close, CLOSE_WITHIN_S)
        await asyncio.to_thread(services.log.close, CLOSE_WITHIN_S)
        with contextlib.suppress(FairlotError, OSError):  # nobody is left to be told
            await asyncio.to_thread(_write_figures, services)
            services.uses.stamp(_now_ms())
            await asyncio.to_thread(services.uses.store, store, _now_ms())
        await asyncio.to_thread(store.close)
        self._services = self._store = None

    async def _end_background(self) -> None:
        """The poll ends by itself, so that no thread of it uses the store while that is closed."""
        self._stopping = True
        self._changed.set()
        self._ended.set()
        background = (self._polling, self._following, *self._repeating)
        tasks = [task for task in background if task is not None]
        if self._following is not None:
            self._following.cancel()
        _, late = await asyncio.wait(tasks, timeout=CLOSE_WITHIN_S)
        for task in late:
            task.cancel()

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                try:
                    await self.start()
                except FairlotError as error:
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    return
                await send({"type": "lifespan.startup.complete"})
            else:
                await self.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _poll(self, services: Services, store: Store) -> None:
        """Follow the store, and publish this worker's figures. A background edge: what fails is
        logged once until it works again, and decisions go on over the last good snapshot."""
        failing = False
        store_uses_at_s = time.monotonic() + USES_EVERY_S
        while True:
            await self._until_changed()
            if self._stopping:
                return
            _end_with_parent()
            services.uses.stamp(_now_ms())
            try:
                if await asyncio.to_thread(services.decisions.refresh):
                    generation = services.decisions.snapshot.generation
                    _log.info("server.snapshot_loaded", generation=generation)
                await asyncio.to_thread(_write_figures, services)
                if time.monotonic() > store_uses_at_s:
                    store_uses_at_s = time.monotonic() + USES_EVERY_S
                    await asyncio.to_thread(services.uses.store, store, _now_ms())
                failing = False
            except Exception as error:  # noqa: BLE001 - the edge of the background worker
                services.counts.refresh_failures += 1
                if not failing:
                    _log.error("server.refresh_failed", error=str(error), kind=type(error).__name__)
                failing = True

    def _repeated_work(self, services: Services) -> Iterator[Coroutine[Any, Any, None]]:
        """What other processes changed is dropped from memory, or taken over; feeds are refreshed
        and profiles pruned, in threads that no decision waits for."""
        refresh_ms = round(self._settings.feed_refresh_s * 1000)

        async def follow_profiles() -> None:
            await asyncio.to_thread(services.profiles.follow)

        async def follow_deletions() -> None:  # which may take its time
            await asyncio.to_thread(services.deletions.follow)

        async def follow_feeds() -> None:
            await asyncio.to_thread(services.feeds.follow)

        async def refresh_feeds() -> None:
            await services.in_control_thread(services.feeds.refresh_due, refresh_ms)

        async def prune_profiles() -> None:
            await services.in_control_thread(
                prune, services.profiles.store, _now_ms(), lambda: self._stopping
            )

        async def keep_lake() -> None:
            if services.upkeep is not None:
                await services.in_control_thread(
                    services.upkeep.run, _now_ms(), lambda: self._stopping
                )

        yield self._repeat(UPKEEP_EVERY_S, "server.lake_not_kept", keep_lake)
        yield self._repeat(PROFILES_SEEN_WITHIN_S, "server.profiles_not_followed", follow_profiles)
        yield self._repeat(PRUNED_EVERY_S, "server.profiles_not_pruned", prune_profiles)
        yield self._repeat(
            PROFILES_SEEN_WITHIN_S, "server.deletions_not_followed", follow_deletions
        )
        yield self._repeat(FEEDS_SEEN_WITHIN_S, "server.feeds_not_followed", follow_feeds)
        yield self._repeat(FEEDS_SEEN_WITHIN_S, "server.feeds_not_refreshed", refresh_feeds)

    async def _repeat(
        self, every_s: float, failed: str, work: Callable[[], Coroutine[Any, Any, None]]
    ) -> None:
        """A background edge, as `_poll` is."""
        failing = False
        while not self._stopping:
            try:
                await work()
                failing = False
            except Exception as error:  # noqa: BLE001 - the edge of the background worker
                if not failing:
                    _log.error(failed, kind=type(error).__name__)
                failing = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(every_s):
                    await self._ended.wait()

    async def _until_changed(self) -> None:
        """Until the store says that something has, for a poll interval at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._settings.poll_interval_s):
                await self._changed.wait()
        self._changed.clear()


class UnsupportedScope(FairlotError):
    """An ASGI scope that is neither http after startup nor lifespan."""

    code = "unsupported_scope"

    def __init__(self, kind: str) -> None:
        self.kind = kind
        super().__init__(f"{kind}: run the application under a server that sends lifespan events")


def create_app(settings: Settings) -> Application:
    """The ASGI application over the data directory of `settings`."""
    return Application(settings)


def app() -> Any:
    """The factory that uvicorn calls in every worker; settings come from FAIRLOT_* variables."""
    settings = load_settings(None, os.environ, {})
    configure_logging()
    _spare_collections()
    application = create_app(settings)
    return AccessLog(application) if settings.access_log else application


def serve(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM. Raises AlreadyServing. Workers that die are restarted."""
    configure_logging()
    with serve_lock(settings.data_dir):
        WorkerFiles(_metrics_dir(settings)).clear()
        try:
            _run_uvicorn(settings)
        except SystemExit as ended:
            if ended.code == STARTUP_FAILURE:
                raise StartFailed from None
            raise


def _run_uvicorn(settings: Settings) -> None:
    os.environ.update(settings.to_environment())
    config = uvicorn.Config(
        "fairlot.app:app",
        factory=True,
        interface="asgi3",
        host=settings.host,
        port=settings.port,
        workers=settings.workers,
        loop="uvloop" if sys.platform != "win32" else "asyncio",
        http=BoundedHttpProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=int(CLOSE_WITHIN_S),
        timeout_worker_healthcheck=WORKER_STARTS_WITHIN_S,
    )
    with contextlib.suppress(KeyboardInterrupt):
        if settings.workers > 1:
            Supervisor(config, [config.bind_socket()]).run()
        else:
            uvicorn.Server(config).run()


@contextlib.contextmanager
def serve_lock(data_dir: Path) -> Iterator[None]:
    """Hold `serve.lock`, with this process's id in it. The kernel lets go of it when we die."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(data_dir / "serve.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).strip()
            raise AlreadyServing(data_dir, int(holder) if holder.isdigit() else None) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def configure_logging() -> None:
    """Events with fields: readable on a terminal, JSON off it; uvicorn's lines among them."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    is_terminal = sys.stderr.isatty()
    renderer = (
        # plain: tracebacks with local variables would print tokens and subject ids
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if is_terminal
        else structlog.processors.JSONRenderer()
    )
    ending: list[Any] = [] if is_terminal else [structlog.processors.format_exc_info]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *ending,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.INFO)


async def _open_store(settings: Settings) -> Store:
    open_it = partial(
        open_store,
        settings.data_dir,
        settings.secret,
        settings.database_url,
        begin_older_audits,
    )
    if multiprocessing.parent_process() is None:
        return await asyncio.to_thread(open_it)
    return await open_when_there(open_it, _end_with_parent)


def _open_services(settings: Settings, store: Store) -> Services:
    log = EventLog.open(settings.events_dir, queue_bound=settings.log_queue_bound)
    profiles: KnownProfiles | None = None
    rejections = Rejections(_now_ms)
    try:
        decisions = Decisions(
            partial(load_snapshot, store),
            store.generation,
            log,
            durable=settings.durable_impressions,
            rejects=rejections.rejects,
        )
        profiles = KnownProfiles(
            open_profile_store(settings.data_dir, settings.database_url),
            log,
            RuleReactor(lambda: decisions.snapshot, _now_ms),
            _now_ms,
            product_events=_product_events(settings),
            rejections=rejections,
        )
        profiles.follow()  # who has rejected is known before anything is recorded
        deletions = Deletions(
            store=store,
            profiles=profiles,
            log=log,
            events_dir=settings.events_dir,
            own_file=log.path,
            clock_ms=_now_ms,
            forget=partial(_forget_subjects, decisions, log),
        )
        deletions.begin_to_follow()
        return Services(
            decisions=decisions,
            store=store,
            profiles=profiles,
            feeds=KnownFeeds(profiles.store, PublishedFeeds(lambda: decisions.snapshot), _now_ms),
            privacy=rejections,
            deletions=deletions,
            upkeep=Upkeep(settings.events_dir, _bounds(settings)),
            store_generation=store.generation,
            log=log,
            counts=Counts(),
            worker_files=WorkerFiles(_metrics_dir(settings)),
            events_dir=settings.events_dir,
            throttle=Throttle(time.monotonic),
            addresses=Addresses(settings.trusted_proxies),
            clock_ms=_now_ms,
            default_tier=settings.throttle_tier,
            address_policy=_address_policy(settings),
            metrics_open=settings.metrics_open,
            after_change=decisions.refresh,
            results=Results(warehouse_url=settings.warehouse_url),
        )
    except BaseException:
        if profiles is not None:
            profiles.close(0)
        log.close(0)
        raise


def _product_events(settings: Settings) -> ProductEvents:
    return product_events(
        view=settings.view_events, cart=settings.cart_events, order=settings.order_events
    )


def _bounds(settings: Settings) -> Bounds:
    age_ms = round(settings.compact_after_s * 1000)
    return Bounds(settings.compact_rows, age_ms, settings.retention_days)


def _forget_subjects(decisions: Decisions, log: EventLog) -> None:
    decisions.holdouts.forget()
    log.forget_answers()


def _spare_collections() -> None:
    """A worker makes no reference cycles in its requests, but keeps many objects for the event log
    for a moment. Scanning them, and all that was imported, costs a fifth of its time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 50, 50)


def _metrics_dir(settings: Settings) -> Path:
    return settings.data_dir / "run" / "metrics"


def _address_policy(settings: Settings) -> Policy | None:
    if settings.address_rate == 0:
        return None
    return Policy("address", settings.address_rate, settings.address_burst)


def _write_figures(services: Services) -> None:
    services.worker_files.write(figures(services))


def _end_with_parent() -> None:
    """A worker whose supervisor was killed would go on holding the port."""
    parent = multiprocessing.parent_process()
    if parent is not None and not parent.is_alive():
        os.kill(os.getpid(), signal.SIGTERM)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
