"""Whether the process lives, whether it can do its work, and its figures."""

import asyncio
from collections.abc import Callable

import msgspec
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from fairlot.engine.errors import FairlotError
from fairlot.http.asgi import JSON, NO_STORE, Handler, Receive, Reply, Scope
from fairlot.http.counts import Samples, add_up, prometheus_text
from fairlot.http.problems import Problem, ProblemCode, ProblemDetails, Refused
from fairlot.http.services import Services
from fairlot.warehouse.lake.upkeep import UpkeepFigures

_STORE_WITHIN_S = 2.0


class Health(msgspec.Struct, frozen=True):
    status: str


class UnusablePart(msgspec.Struct, frozen=True):
    """`part` is store, log, profiles or manifest."""

    part: str
    problem: str


class NotReady(ProblemDetails, frozen=True, kw_only=True):
    """A problem that names every part that cannot be used."""

    unusable: tuple[UnusablePart, ...]


_OK = Reply(200, msgspec.json.encode(Health("ok")), (JSON, NO_STORE))
_READY = Reply(200, msgspec.json.encode(Health("ready")), (JSON, NO_STORE))


def healthz(_services: Services) -> Handler:
    async def answer(_scope: Scope, _receive: Receive) -> Reply:
        return _OK

    return answer


def readyz(services: Services) -> Handler:
    store = _StoreProbe(services.store_generation)

    async def answer(_scope: Scope, _receive: Receive) -> Reply:
        parts = (await store.problem(), *_own_problems(services))
        unusable = [part for part in parts if part is not None]
        if not unusable:
            return _READY
        detail = "; ".join(f"{part.part}: {part.problem}" for part in unusable)
        raise Refused(
            Problem(
                503,
                ProblemCode.NOT_READY,
                detail,
                headers=((b"retry-after", b"1"),),
                extra={"unusable": unusable},
            )
        )

    return answer


def metrics(services: Services) -> Handler:
    async def answer(scope: Scope, _receive: Receive) -> Reply:
        if not services.metrics_open and not services.addresses.is_this_machine(scope):
            raise Refused(
                Problem(
                    403,
                    ProblemCode.FORBIDDEN,
                    "metrics are answered to this machine only; set metrics_open to open them",
                )
            )
        others = await asyncio.to_thread(lambda: list(services.worker_files.others()))
        text = prometheus_text(add_up(figures(services), others))
        return Reply(200, text, ((b"content-type", CONTENT_TYPE_PLAIN_0_0_4.encode()), NO_STORE))

    return answer


def figures(services: Services) -> Samples:
    """All figures of this process."""
    decisions, stats = services.decisions, services.log.stats
    counts = services.counts
    counts.impressions, counts.impressions_refused = decisions.impressions, decisions.refused
    samples = counts.samples()
    samples["fairlot_log_queued", ()] = stats.queued
    samples["fairlot_log_committed_total", ()] = stats.committed
    samples["fairlot_log_failed_total", ()] = stats.failed
    samples["fairlot_event_batches_repeated_total", ()] = stats.repeated_batches
    samples |= _of_profiles(services)
    if services.upkeep is not None:
        samples |= _of_lake(services.upkeep.figures)
    for (org, project), serving in decisions.snapshot.projects.items():
        labels = (("org", org), ("project", project))
        samples["fairlot_manifest_version", labels] = serving.version
    return samples


def _of_profiles(services: Services) -> Samples:
    profiles, figures = services.profiles, services.profiles.figures
    return {
        ("fairlot_profiles_queued", ()): profiles.queued,
        ("fairlot_profiles_written_total", ()): figures.written,
        ("fairlot_profiles_failed_total", ()): figures.failures,
        ("fairlot_profiles_refused_total", ()): figures.refused,
        ("fairlot_profiles_switched_total", ()): figures.switched,
    }


def _of_lake(figures: UpkeepFigures) -> Samples:
    return {
        ("fairlot_lake_waiting", ()): figures.waiting,
        ("fairlot_lake_moved_total", ()): figures.moved,
        ("fairlot_lake_repeated_total", ()): figures.repeated,
        ("fairlot_lake_deleted_files_total", ()): figures.deleted_files,
        ("fairlot_lake_failures_total", ()): figures.failures,
    }


_PROFILES = UnusablePart(
    "profiles", "they cannot be written; free space on the disk, or start the database"
)
_LOG = UnusablePart("log", "the event log cannot be written; free space on its disk")
_MANIFEST = UnusablePart("manifest", "nothing is published; publish with `fairlot apply DIR`")


def _own_problems(services: Services) -> tuple[UnusablePart | None, ...]:
    return (
        None if services.log.usable else _LOG,
        None if services.profiles.usable else _PROFILES,
        None if services.decisions.snapshot.projects else _MANIFEST,
    )


class _StoreProbe:
    """One look at the store at a time, however often it is asked for: while the store hangs, each
    look holds a thread."""

    def __init__(self, look: Callable[[], int]) -> None:
        self._look = look
        self._looking: asyncio.Future[int] | None = None

    async def problem(self) -> UnusablePart | None:
        if self._looking is None or self._looking.done():
            self._looking = asyncio.ensure_future(asyncio.to_thread(self._look))
            self._looking.add_done_callback(_take_result)
        try:
            async with asyncio.timeout(_STORE_WITHIN_S):
                await asyncio.shield(self._looking)
        except TimeoutError:
            return UnusablePart("store", f"did not answer within {_STORE_WITHIN_S:g} s")
        except FairlotError as error:
            return UnusablePart("store", error.code)
        return None


def _take_result(looking: asyncio.Future[int]) -> None:
    """Nobody may be waiting for it any more, and asyncio would log that."""
    if not looking.cancelled():
        looking.exception()
