"""The client: decides at once by the manifest that it holds, records in the background."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Self, TypeVar

from fairlot.engine import (
    Explanation,
    Manifest,
    Reason,
    compile_manifest,
)
from fairlot.events.sent import MAX_SUBJECT_CHARS
from fairlot.sdk.clock import Clock, SystemClock
from fairlot.sdk.context import RequestContext
from fairlot.sdk.deciding import Deciding, is_id
from fairlot.sdk.errors import InvalidOption
from fairlot.sdk.faults import Faults
from fairlot.sdk.holding import Holding
from fairlot.sdk.lifetime import closed, open_ones, opened
from fairlot.sdk.listeners import RefreshListeners
from fairlot.sdk.options import (
    DecisionAdapter,
    Excluded,
    Options,
    RecordConversion,
    RecordExposure,
    RefreshErrorCallback,
)
from fairlot.sdk.recording import Recording
from fairlot.sdk.result import TreatmentResult, copied
from fairlot.sdk.serving import NOTHING_KNOWN, Forced
from fairlot.sdk.storage import CookieStorage, StickyStorage
from fairlot.sdk.subject import SUBJECT_COOKIE, SubjectCookie
from fairlot.sdk.transport import Transport, UrllibTransport
from fairlot.sdk.wiring import delivery_of, previews_of, source_of

if TYPE_CHECKING:
    from fairlot.sdk.previews import Previews

_WITHIN_S: Final = 5.0
P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ClientStats:
    """Counts since the client was made, in this process.

    The first five are of the delivery to the server: events that wait, that it has taken, that were
    given up (oldest first, when more than `queue_bound` wait), that it refused, and exposures that
    were not sent because the same one was before. `faults` counts by kind what was reported.
    """

    queued: int
    sent: int
    dropped: int
    rejected: int
    repeated: int
    expose_without_decision: int
    faults: Mapping[str, int]


class Client:
    """Decides and records for one project; one a process, shared by all threads and tasks.

    Only `init`, `refresh`, `flush`, `close` and, for a link to a draft, `treatment_with_preview`
    wait for the network; each has a form to await (`ainit`, ...). Deciding and recording never
    wait and never raise: what goes wrong is counted in `stats()` and told once a minute in the log
    `fairlot`. Wrong options raise InvalidOption here.
    """

    def __init__(
        self,
        manifest_url: str,
        *,
        api_key: str | None = None,
        refresh_interval_s: float = 30.0,
        transport: Transport | None = None,
        on_refresh_error: RefreshErrorCallback | None = None,
        record_exposure: RecordExposure | None = None,
        record_conversion: RecordConversion | None = None,
        storage: StickyStorage | None = None,
        excluded: Excluded | None = None,
        decision_adapter: DecisionAdapter | None = None,
        preview_jwks_url: str | None = None,
        preview_jwks: Mapping[str, Any] | None = None,
        manifest_cache: Path | str | None = None,
        trusted_keys: Collection[str] | None = None,
        subject_cookie: str = SUBJECT_COOKIE,
        events_url: str | None = None,
        timeout_s: float = 5.0,
        queue_bound: int = 10_000,
        clock: Clock | None = None,
    ) -> None:
        options = Options(
            manifest_url=manifest_url,
            api_key=api_key,
            refresh_interval_s=refresh_interval_s,
            transport=transport,
            on_refresh_error=on_refresh_error,
            record_exposure=record_exposure,
            record_conversion=record_conversion,
            storage=CookieStorage() if storage is None else storage,
            excluded=excluded,
            decision_adapter=decision_adapter,
            preview_jwks_url=preview_jwks_url,
            preview_jwks=preview_jwks,
            manifest_cache=manifest_cache,
            trusted_keys=trusted_keys,
            subject_cookie=subject_cookie,
            events_url=events_url,
            timeout_s=timeout_s,
            queue_bound=queue_bound,
            clock=SystemClock() if clock is None else clock,
        )
        self._wire(options, UrllibTransport() if transport is None else transport)
        opened(self)

    def _wire(self, options: Options, transport: Transport) -> None:
        clock, storage = options.clock, options.storage
        # A call of a method of ours costs as much as the rest of the check.
        self._monotonic_s = time.monotonic if type(clock) is SystemClock else clock.monotonic_s
        self._faults = Faults(clock, options.on_refresh_error)
        self._listeners = RefreshListeners(self._faults)
        if isinstance(storage, CookieStorage):
            self.subject_cookie = SubjectCookie(options.subject_cookie, storage.attributes)
        else:
            self.subject_cookie = SubjectCookie(options.subject_cookie)
        self._deciding = Deciding(options, self._faults)
        self._holding = Holding(self._faults)
        told = self._listeners.tell
        self._source = source_of(options, transport, self._holding, self._faults, told)
        self._delivery = delivery_of(options, transport, self._faults)
        self._recording = Recording(options, self._delivery, self._holding, self._faults)
        self._previews: Previews | None = None
        self._make_previews = partial(previews_of, options, transport, self._source, self._faults)

    def init(self) -> bool:
        """Start from the saved manifest if there is one, then fetch; whether there is a manifest to
        decide by. Faults are told by `on_refresh_error`."""
        self._settle(self._source.init())
        return self._holding.serving.version is not None

    def refresh(self) -> bool:
        """Fetch now; whether the manifest in use was confirmed or replaced."""
        return self._settle(self._source.refresh())

    def set_manifest(self, manifest: Manifest) -> None:
        """Decide by this one; nothing is fetched until `init` or `refresh` is called."""
        if not isinstance(manifest, Manifest):
            raise InvalidOption("manifest", manifest, "give a fairlot.engine.Manifest")
        compiled = compile_manifest(manifest)
        self._holding.give(compiled)
        self._listeners.tell(True)

    def manifest(self) -> Manifest | None:
        """The manifest in use."""
        compiled = self._holding.serving.manifest
        return None if compiled is None else compiled.manifest

    def flush(self, within_s: float = _WITHIN_S) -> bool:
        """Deliver what is queued; whether all of it was, in time."""
        return self._delivery is None or self._delivery.flush(within_s)

    def close(self, within_s: float = _WITHIN_S) -> bool:
        """Deliver what is queued and stop fetching; whether all was delivered in time. Decisions go
        on by the manifest that is held. Called by itself when the process ends."""
        give_up_at_s = time.monotonic() + within_s
        try:
            delivered = self._delivery is None or self._delivery.close(within_s)
            self._source.close(max(give_up_at_s - time.monotonic(), 0.0))
        finally:  # not before: a child that is forked meanwhile still has to deliver its own
            closed(self)
        return delivered

    def start_afresh(self) -> None:
        """Called by itself in a forked child: nothing of the parent's queue is sent from it."""
        self._holding.start_afresh()
        self._faults.start_afresh()
        self._source.start_afresh()
        if self._delivery is not None:
            self._delivery.start_afresh()
        if self._previews is not None:
            self._previews.start_afresh()

    def __enter__(self) -> Self:
        self.init()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    async def ainit(self) -> bool:
        return await _in_thread(self.init)

    async def arefresh(self) -> bool:
        return await _in_thread(self.refresh)

    async def aflush(self, within_s: float = _WITHIN_S) -> bool:
        return await _in_thread(self.flush, within_s)

    async def aclose(self, within_s: float = _WITHIN_S) -> bool:
        return await _in_thread(self.close, within_s)

    async def __aenter__(self) -> Self:
        await self.ainit()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    def treatment(
        self, experiment_key: str, subject_id: str, context: RequestContext | None = None
    ) -> TreatmentResult:
        """The variant of a subject, drawn or remembered; a new one is remembered. Not an exposure.

        Preview links are not looked at. A subject id has 1 to 400 characters, else the reason is
        `invalid`; `unknown` also while there is no manifest.
        """
        holding = self._holding
        serving = holding.serving
        try:
            if self._monotonic_s() >= holding.freshness.due_at_s:
                holding.freshness.refresh_soon()
            deciding = self._deciding
            if context is not None:
                if deciding.only_cookies:
                    known = deciding.recognise(serving, experiment_key, subject_id, context)
                    if known is not None:
                        return known
            elif deciding.is_plain:
                experiment = serving.plain.get(experiment_key)
                if (
                    experiment is not None
                    and type(subject_id) is str
                    and 0 < len(subject_id) <= MAX_SUBJECT_CHARS
                ):
                    decision = experiment.answer_plain(subject_id, subject_id, NOTHING_KNOWN)
                    return serving.results.get(id(decision)) or serving.result(decision)
            return deciding.treat(serving, experiment_key, subject_id, context)
        except Exception as fault:  # noqa: BLE001 - the SDK fails open
            self._report_in_request("decision", fault, context)
            return serving.none(experiment_key, Reason.INVALID)

    def treatment_with_preview(
        self, experiment_key: str, subject_id: str, context: RequestContext
    ) -> TreatmentResult:
        """`treatment`, or the variant that a valid preview link in the context's URL names.

        A previewed response is marked private; `exposure` then gives the same for this request, and
        nothing is recorded or remembered. Waits for the network only for a valid link to an
        experiment that the manifest does not have.
        """
        serving = self._holding.serving
        try:
            freshness = self._holding.freshness
            if self._monotonic_s() >= freshness.due_at_s:
                freshness.refresh_soon()  # with the manifest come the revoked links
            if not serving.forced.get(experiment_key):
                if self._previews is None:
                    self._previews = self._make_previews()
                verdict = self._previews.of(experiment_key, context.url, serving.manifest)
                if verdict.variant_key is not None:
                    previewed = self._deciding.preview(
                        serving, verdict, experiment_key, subject_id, context
                    )
                    if previewed is not None:
                        return previewed
        except Exception as fault:  # noqa: BLE001 - the SDK fails open
            self._report_in_request("preview", fault, context)
        return self.treatment(experiment_key, subject_id, context)

    async def atreatment_with_preview(
        self, experiment_key: str, subject_id: str, context: RequestContext
    ) -> TreatmentResult:
        return await _in_thread(self.treatment_with_preview, experiment_key, subject_id, context)

    def payload(
        self, experiment_key: str, subject_id: str, context: RequestContext | None = None
    ) -> Any:
        """The payload of the subject's variant, a copy; None when there is none."""
        return self.treatment(experiment_key, subject_id, context).payload

    def metadata(self, experiment_key: str) -> dict[str, Any] | None:
        """The metadata of an experiment, a copy; None when it has none or is unknown."""
        if not isinstance(experiment_key, str):
            return None
        experiment = self._holding.serving.models.get(experiment_key)
        found = None if experiment is None else experiment.metadata
        return None if found is None else copied(dict(found))

    def explain(
        self, experiment_key: str, subject_id: str, context: RequestContext | None = None
    ) -> Explanation:
        """What `treatment` would answer and what each step of the decision saw; remembers nothing.
        Without steps where there was nothing to decide."""
        serving = self._holding.serving
        try:
            return self._deciding.explain(serving, experiment_key, subject_id, context)
        except Exception as fault:  # noqa: BLE001 - the SDK fails open
            self._report_in_request("decision", fault, context)
            return Explanation(serving.none(experiment_key, Reason.INVALID).decision, ())

    def exposure(
        self,
        experiment_key: str,
        subject_id: str,
        context: RequestContext | None = None,
        *,
        tenant_id: str | None = None,
    ) -> TreatmentResult:
        """`treatment`, recorded: the subject is shown the variant. For an experiment with manual
        exposure it waits for `expose`, an hour at most."""
        result = None
        try:
            previewed = self._deciding.previewed(experiment_key, context)
            if previewed is not None:
                return previewed
            result = self.treatment(experiment_key, subject_id, context)
            compiled = self._holding.serving.manifest
            self._recording.shown(compiled, result, subject_id, context, tenant_id)
        except Exception as fault:  # noqa: BLE001 - the SDK fails open
            self._report_in_request("recording", fault, context)
        return result or self.treatment(experiment_key, subject_id, context)

    def expose(
        self,
        experiment_key: str,
        subject_id: str,
        *,
        tenant_id: str | None = None,
        decision: TreatmentResult | None = None,
        context: RequestContext | None = None,
    ) -> bool:
        """Record that the subject was shown what `exposure` decided, now; whether it was.

        With nothing pending (in another process, or after an hour) it takes `decision`, a result
        that you kept, or what `context` remembers. With neither nothing is recorded, which
        `stats()` counts: nobody is drawn here.
        """
        try:
            previewed = self._deciding.previewed(experiment_key, context)
            if previewed is not None or self._deciding.excludes(context):
                return False
            if not is_id(subject_id):
                self._deciding.report_id("subject_id")
                return False
            recording = self._recording
            if decision is None:
                if recording.shown_later(experiment_key, subject_id, tenant_id):
                    return True
                if context is not None:
                    serving = self._holding.serving
                    decision = self._deciding.undrawn(serving, experiment_key, subject_id, context)
            elif decision.experiment_key != experiment_key:
                decision = None
            return recording.shown_at_last(decision, subject_id, context, tenant_id)
        except Exception as fault:  # noqa: BLE001 - the SDK fails open
            self._report_in_request("recording", fault, context)
            return False

    def track(
        self,
        event_name: str,
        subject_id: str,
        *,
        value: float | None = None,
        tenant_id: str | None = None,
        context: RequestContext | None = None,
        properties: Mapping[str, Any] | None = None,
    ) -> None:
        """Record that the subject did something, worth `value`. With `context` for whom the client
        excludes nothing is recorded."""
        try:
            if not is_id(subject_id):
                self._deciding.report_id("subject_id")
            elif not self._deciding.excludes(context):
                self._recording.conversion(
                    event_name, subject_id, value, tenant_id, context, properties
                )
        except Exception as fault:  # noqa: BLE001 - the SDK fails open
            self._report_in_request("recording", fault, context)

    def identify(
        self, subject_id: str, user_id: str, context: RequestContext | None = None
    ) -> None:
        """The anonymous subject is the user `user_id`, whom you pass as the subject from now on:
        what is remembered follows as each experiment says (`onLogin`), and it is recorded."""
        try:
            if not (is_id(subject_id) and is_id(user_id)):
                self._deciding.report_id("subject_id")
            elif subject_id != user_id and not self._deciding.excludes(context):
                self._deciding.log_in(self._holding.serving, subject_id, user_id, context)
                self._recording.identity(subject_id, user_id, context)
        except Exception as fault:  # noqa: BLE001 - the SDK fails open
            self._report_in_request("recording", fault, context)

    def stats(self) -> ClientStats:
        counted = None if self._delivery is None else self._delivery.stats
        return ClientStats(
            queued=counted.queued if counted else 0,
            sent=counted.sent if counted else 0,
            dropped=counted.dropped if counted else 0,
            rejected=counted.rejected if counted else 0,
            repeated=counted.repeated if counted else 0,
            expose_without_decision=self._recording.without_decision,
            faults=self._faults.counts,
        )

    @contextmanager
    def forced(self, experiment_key: str, variant_key: str, payload: Any = None) -> Iterator[None]:
        """Everybody gets the variant inside the block, with reason `divert`, whatever the manifest
        says; `payload` takes the place of its own. Of several blocks the innermost holds."""
        forced = Forced(variant_key, payload)
        self._holding.force(experiment_key, forced)
        try:
            yield
        finally:
            self._holding.unforce(forced)

    def on_refresh(self, callback: Callable[[bool], object]) -> Callable[[], None]:
        """Call back after each fetch, with what `refresh` returns for it, and after `set_manifest`,
        in the thread that did it. The function that is returned ends it."""
        return self._listeners.add(callback)

    def excludes(self, context: RequestContext | None) -> bool:
        """Whether the option `excluded` leaves the request out; True when it raises."""
        return self._deciding.excludes(context)

    def report(self, kind: str, error: BaseException | str) -> None:
        """Count a fault, and tell it once a minute a kind."""
        self._faults.report(kind, error)

    def _report_in_request(
        self, kind: str, fault: Exception, context: RequestContext | None
    ) -> None:
        if context is None or isinstance(context, RequestContext):
            self._faults.report(kind, fault)
        else:
            what = f"a {type(context).__name__} is no RequestContext"
            self._faults.report("context", f"{what}: make one, or use request_context(request)")

    def _settle(self, is_current: bool) -> bool:
        """After a fetch that was asked for, what was set by hand holds no more."""
        if is_current and self._holding.ungive():
            self._listeners.tell(True)
        return is_current


async def _in_thread(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    import asyncio  # half of what importing the SDK would cost

    return await asyncio.to_thread(function, *args, **kwargs)


def live_clients() -> tuple[Client, ...]:
    """The clients that are open in this process."""
    return open_ones()
