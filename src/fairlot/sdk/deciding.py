"""A decision with all that a client puts around the engine: memory, exclusion, adapter, preview."""

from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from fairlot.engine import (
    AdapterCall,
    Context,
    Explanation,
    Overrides,
    Reason,
    Unit,
    decide,
    explain,
)
from fairlot.events.sent import MAX_SUBJECT_CHARS
from fairlot.sdk.context import RequestContext, put_header
from fairlot.sdk.faults import Faults
from fairlot.sdk.options import AdapterRequest, Options
from fairlot.sdk.result import TreatmentResult, result_of
from fairlot.sdk.serving import NOTHING_KNOWN, Serving
from fairlot.sdk.storage import CookieStorage, HeaderStorage, NoopStorage

if TYPE_CHECKING:
    from fairlot.sdk.previews import PreviewVerdict

EXCLUDED: Final = Overrides(excluded=True)
_UNDRAWN: Final = frozenset({Reason.STICKY, Reason.DIVERT})
_NO_ATTRIBUTES: Final[MappingProxyType[str, Any]] = MappingProxyType({})
_PREVIEW_HEADERS: Final = (
    ("Cache-Control", "private, no-store"),
    ("Referrer-Policy", "no-referrer"),
)


def is_id(text: object) -> bool:
    """Whether `text` can name a subject, a user or an account."""
    return isinstance(text, str) and 0 < len(text) <= MAX_SUBJECT_CHARS


@dataclass(slots=True)
class _Decided:
    """What was decided for one request and holds to its end."""

    stored: dict[tuple[str, str], TreatmentResult] = field(default_factory=dict)
    previewed: dict[str, TreatmentResult] = field(default_factory=dict)


class Deciding:
    """What the user's own code raises in here is reported: `excluded` then excludes, an adapter is
    skipped, a storage remembers nothing."""

    def __init__(self, options: Options, faults: Faults) -> None:
        storage, excluded = options.storage, options.excluded
        self._storage = storage
        self._cookies = storage if type(storage) is CookieStorage else None
        self._own_cookies = storage if isinstance(storage, CookieStorage) else None
        self._excluded = None if excluded is False else excluded
        self._adapter = options.decision_adapter
        self._clock = options.clock
        self._faults = faults
        self._subject_cookie = options.subject_cookie
        # What a browser or a caller remembers is one person's, so it says nothing of an account.
        self._remembers_accounts = not isinstance(storage, CookieStorage | HeaderStorage)
        by_itself = self._excluded is None and self._adapter is None
        self.is_plain = by_itself and type(storage) in (CookieStorage, HeaderStorage, NoopStorage)
        """Whether nothing stands around the engine in a call without a context."""
        self.only_cookies = by_itself and type(storage) is CookieStorage
        """Whether nothing but cookies stands around it in a call with one."""

    def excludes(self, context: RequestContext | None) -> bool:
        excluded = self._excluded
        if excluded is None or isinstance(excluded, bool):
            return bool(excluded)
        try:
            return bool(excluded(context))
        except Exception as fault:  # noqa: BLE001 - without consent nothing may be recorded
            self._faults.report("excluded", fault)
            return True

    def recognise(
        self, serving: Serving, key: str, subject_id: str, context: RequestContext
    ) -> TreatmentResult | None:
        """What `treat` answers where there are `only_cookies`, for a visitor whose cookie holds a
        variant, at half its cost; None to leave it to `treat`."""
        experiment = serving.plain.get(key)
        memo = context.memo
        if experiment is None or self._cookies is None or self in memo or not is_id(subject_id):
            return None
        try:
            cookies = memo.get(self._cookies) or self._cookies.cookies_of(context)
        except Exception:  # noqa: BLE001 - the edge to the framework's headers; `treat` reports it
            return None
        remembered = cookies.get(key)
        if remembered is None:
            return None
        if not cookies.is_swept:
            for name in cookies.useless or cookies:
                if name not in serving.experiments:
                    return None
        engine_context = Context(
            context.user or _NO_ATTRIBUTES,
            None,
            context.account or _NO_ATTRIBUTES,
            context.url,
            None,
            context.device,
            None,
            0,
            {key: remembered},
        )
        decision = experiment.answer_remembering(subject_id, subject_id, engine_context)
        if decision.store:
            return None
        return serving.results.get(id(decision)) or serving.result(decision)

    def treat(
        self, serving: Serving, key: str, subject_id: str, context: RequestContext | None
    ) -> TreatmentResult:
        """Decide, and remember what is to be remembered."""
        early = self._early(serving, key, subject_id)
        if early is not None:
            return early
        remembered, unit_id, overrides = None, None, None
        if self._excluded is not None and self.excludes(context):
            overrides = EXCLUDED
        else:
            if context is not None and context.memo:
                decided: _Decided | None = context.memo.get(self)
                if decided is not None and (key, subject_id) in decided.stored:
                    return decided.stored[key, subject_id]
            remembered, unit_id = self._recall(serving, key, subject_id, context, sweep=True)
            if self._adapter is not None:
                overrides = self._asking(context)
        engine_context = self._context(serving, key, context, remembered, overrides)
        decision = decide(serving.compiled, key, subject_id, engine_context)
        result = serving.results.get(id(decision)) or serving.result(decision)
        if decision.store:
            self._store(result, subject_id, unit_id, context)
        return result

    def _recall(
        self,
        serving: Serving,
        key: str,
        subject_id: str,
        context: RequestContext | None,
        *,
        sweep: bool = False,
    ) -> tuple[str | None, str | None]:
        """The remembered variant key, and the unit under which a new one may be stored: what cannot
        be read must not be overwritten."""
        by_subject = serving.experiments[key].by_subject
        try:
            if self._cookies is not None and context is not None:
                # The common case, without a call that is not needed.
                cookies = context.memo.get(self._cookies) or self._cookies.cookies_of(context)
                if sweep and not cookies.is_swept:
                    for name in cookies.useless or cookies:
                        if name not in serving.experiments:
                            self._sweep(self._cookies, context, serving)
                            break
                return (cookies.get(key), subject_id) if by_subject else (None, None)
            if sweep and self._own_cookies is not None and context is not None:
                self._sweep(self._own_cookies, context, serving)
            unit_id: str | None = subject_id
            if not by_subject:
                unit_id = self._account_of(context) if self._remembers_accounts else None
            if unit_id is None:
                return None, None
            remembered = self._storage.read(context, unit_id).get(key)
        except Exception as fault:  # noqa: BLE001 - the edge to the user's own storage
            self._faults.report("storage", fault)
            return None, None
        return remembered if isinstance(remembered, str) else None, unit_id

    def _store(
        self,
        result: TreatmentResult,
        subject_id: str,
        unit_id: str | None,
        context: RequestContext | None,
    ) -> None:
        """For the rest of the request in any case: an adapter that draws must not draw twice, and
        what was drawn and not yet seen is no `sticky`."""
        key, variant_key = result.experiment_key, result.variant_key
        if context is not None:
            self._decided_in(context).stored[key, subject_id] = result
        if unit_id is None or variant_key is None:
            return
        try:
            self._storage.write(context, unit_id, key, variant_key)
        except Exception as fault:  # noqa: BLE001 - the edge to the user's own storage
            self._faults.report("storage", fault)

    def previewed(self, key: str, context: RequestContext | None) -> TreatmentResult | None:
        """What the request saw as a preview of an experiment."""
        decided: _Decided | None = None if context is None else context.memo.get(self)
        return None if decided is None else decided.previewed.get(key)

    def preview(
        self,
        serving: Serving,
        verdict: "PreviewVerdict",
        key: str,
        subject_id: str,
        context: RequestContext,
    ) -> TreatmentResult | None:
        """None when the experiment does not have the variant; nothing is stored."""
        compiled = serving.compiled if verdict.draft is None else verdict.draft
        if verdict.variant_key is None or not is_id(subject_id):
            return None
        overrides = Overrides(preview={key: verdict.variant_key})
        engine_context = self._context(serving, key, context, None, overrides)
        decision = decide(compiled, key, subject_id, engine_context)
        if decision.reason is not Reason.PREVIEW:
            return None
        result = result_of(decision, compiled.version)
        self._decided_in(context).previewed[key] = result
        try:
            for name, value in _PREVIEW_HEADERS:
                put_header(context, name, value)
        except Exception as fault:  # noqa: BLE001 - the edge to the framework's headers
            self._faults.report("response", fault)
        return result

    def explain(
        self, serving: Serving, key: str, subject_id: str, context: RequestContext | None
    ) -> Explanation:
        """The same decision, step by step; nothing is remembered."""
        early = self._early(serving, key, subject_id)
        if early is not None:
            return Explanation(early.decision, ())
        if self.excludes(context):
            engine_context = self._context(serving, key, context, None, EXCLUDED)
        else:
            remembered, _ = self._recall(serving, key, subject_id, context)
            overrides = None if self._adapter is None else self._asking(context)
            engine_context = self._context(serving, key, context, remembered, overrides)
        return explain(serving.compiled, key, subject_id, engine_context)

    def undrawn(
        self, serving: Serving, key: str, subject_id: str, context: RequestContext
    ) -> TreatmentResult | None:
        """What was decided in this request, or is remembered or the same for everybody; None where
        the subject would have to be drawn. Nothing is remembered."""
        decided: _Decided | None = context.memo.get(self)
        if decided is not None and (key, subject_id) in decided.stored:
            return decided.stored[key, subject_id]
        decision = self.explain(serving, key, subject_id, context).decision
        if decision.reason not in _UNDRAWN:
            return None
        return result_of(decision, serving.version)

    def log_in(
        self, serving: Serving, subject_id: str, user_id: str, context: RequestContext | None
    ) -> None:
        """What each experiment says of a login (`onLogin`): the anonymous variant stays, unless the
        experiment wants it drawn anew for the user."""
        try:
            mine = self._storage.read(context, subject_id)
            theirs = self._storage.read(context, user_id)
            for key, experiment in serving.models.items():
                if experiment.unit is not Unit.SUBJECT:
                    continue
                variant_key = mine.get(key)
                if experiment.on_login == "switch":
                    if variant_key is not None:
                        self._storage.forget(context, subject_id, key)
                elif (
                    isinstance(variant_key, str)
                    and experiment.variant(variant_key) is not None
                    and theirs.get(key) != variant_key
                ):
                    self._storage.write(context, user_id, key, variant_key)
        except Exception as fault:  # noqa: BLE001 - the edge to the user's own storage
            self._faults.report("storage", fault)
        if context is not None:
            self._decided_in(context).stored.clear()

    def _early(self, serving: Serving, key: str, subject_id: str) -> TreatmentResult | None:
        """The answer where there is nothing to decide."""
        forced = serving.forced.get(key) if serving.forced else None
        if forced is not None:
            return forced
        if not (isinstance(subject_id, str) and 0 < len(subject_id) <= MAX_SUBJECT_CHARS):
            self.report_id("subject_id")
            return serving.none(key, Reason.INVALID)
        return None if key in serving.experiments else serving.none(key, Reason.UNKNOWN)

    def report_id(self, name: str) -> None:
        fix = f"give a text of 1 to {MAX_SUBJECT_CHARS} characters; nothing was decided or recorded"
        self._faults.report(name, fix)

    def _account_of(self, context: RequestContext | None) -> str | None:
        account_id = None if context is None else context.account_id
        if account_id is None or is_id(account_id):
            return account_id
        self.report_id("account_id")
        return None

    def _sweep(self, storage: CookieStorage, context: RequestContext, serving: Serving) -> None:
        try:
            storage.expire_vanished(context, serving.experiments, self._subject_cookie)
        except Exception as fault:  # noqa: BLE001 - the edge to the framework's headers
            self._faults.report("storage", fault)

    def _asking(self, context: RequestContext | None) -> Overrides:
        return Overrides(adapter=partial(self._ask, context))

    def _ask(self, context: RequestContext | None, call: AdapterCall) -> str | None:
        if self._adapter is None:
            return None
        try:
            return self._adapter(AdapterRequest(call.experiment_key, call.subject_id, context))
        except Exception as fault:  # noqa: BLE001 - the edge to the user's own adapter
            self._faults.report("decision_adapter", fault)
            return None

    def _context(
        self,
        serving: Serving,
        key: str,
        context: RequestContext | None,
        remembered: str | None,
        overrides: Overrides | None,
    ) -> Context:
        now_ms = self._clock.now_ms() if key in serving.scheduled else 0
        sticky = None if remembered is None else {key: remembered}
        if context is None:
            if sticky is None and overrides is None and not now_ms:
                return NOTHING_KNOWN
            return Context(now_ms=now_ms, sticky=sticky, overrides=overrides)
        return Context(
            context.user or _NO_ATTRIBUTES,
            context.account_id and self._account_of(context),
            context.account or _NO_ATTRIBUTES,
            context.url,
            None,
            context.device,
            None,
            now_ms,
            sticky,
            overrides,
        )

    def _decided_in(self, context: RequestContext) -> _Decided:
        decided: _Decided | None = context.memo.get(self)
        if decided is None:
            decided = _Decided()
            context.memo[self] = decided
        return decided
