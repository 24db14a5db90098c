"""From what was decided and done to events, and where those go."""

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import msgspec

from fairlot.engine import (
    NOT_EVALUATED,
    CompiledManifest,
    Experiment,
    Holdout,
    Reason,
    Unit,
    holdout_arm,
    scalar_text,
)
from fairlot.events import derived_event_id, new_event_id
from fairlot.events.sent import (
    MAX_NAME_CHARS,
    MAX_PROPERTIES_BYTES,
    MAX_SUBJECT_CHARS,
    MAX_URL_CHARS,
    SentConversion,
    SentEvent,
    SentExposure,
    SentIdentity,
)
from fairlot.sdk.context import RequestContext
from fairlot.sdk.faults import Faults
from fairlot.sdk.holding import Holding
from fairlot.sdk.options import Options
from fairlot.sdk.pending import PendingExposures
from fairlot.sdk.result import TreatmentResult

if TYPE_CHECKING:
    from fairlot.sdk.delivery import Delivery

_NO_SINK: Final = (
    "nothing is recorded: give the client an api_key of scope ingest, or record_exposure and"
    " record_conversion"
)


class Recording:
    """Makes the events of one client and hands them to the callbacks, the server, or both; to the
    server none while a variant is forced, for then a test runs. Nothing here waits, and nothing
    raises but for arguments of a wrong type."""

    def __init__(
        self, options: Options, delivery: "Delivery | None", holding: Holding, faults: Faults
    ) -> None:
        self._record_exposure = options.record_exposure
        self._record_conversion = options.record_conversion
        self._delivery = delivery
        self._holding = holding
        self._clock = options.clock
        self._faults = faults
        self._pending = PendingExposures(options.clock)
        self.without_decision = 0
        """How often `expose` found nothing to record."""
        self._said_no_sink = False

    def shown(
        self,
        compiled: CompiledManifest | None,
        result: TreatmentResult,
        subject_id: str,
        context: RequestContext | None,
        tenant_id: str | None,
    ) -> None:
        """What comes of a decision whose variant is shown; with manual exposure that waits."""
        self._show_holdout(compiled, result, subject_id, context)
        exposure = self._exposure_of(result, subject_id, context, tenant_id)
        if exposure is None:
            return
        experiment = result.decision.experiment
        if experiment is not None and experiment.manual_exposure:
            self._pending.keep(exposure)
        else:
            self._hand_over(self._record_exposure, exposure)

    def shown_later(self, experiment_key: str, subject_id: str, tenant_id: str | None) -> bool:
        """Record the pending exposure as of now; whether there was one."""
        exposure = self._pending.take(experiment_key, _sound(subject_id))
        if exposure is None:
            return False
        now_ms = self._clock.now_ms()
        tenant = self._text("tenant_id", tenant_id, MAX_SUBJECT_CHARS) or exposure.tenant_id
        exposure = msgspec.structs.replace(
            exposure, event_id=new_event_id(now_ms), at=now_ms, tenant_id=tenant
        )
        self._hand_over(self._record_exposure, exposure)
        return True

    def shown_at_last(
        self,
        result: TreatmentResult | None,
        subject_id: str,
        context: RequestContext | None,
        tenant_id: str | None,
    ) -> bool:
        """Record a decision that was not pending; whether it is one that can be recorded."""
        exposure = None
        if result is not None:
            exposure = self._exposure_of(result, subject_id, context, tenant_id)
        if exposure is None:
            self.without_decision += 1
            return False
        self._hand_over(self._record_exposure, exposure)
        return True

    def _exposure_of(
        self,
        result: TreatmentResult,
        subject_id: str,
        context: RequestContext | None,
        tenant_id: str | None,
    ) -> SentExposure | None:
        """None when the result shows nobody a variant, or only as a preview."""
        decision = result.decision
        variant, experiment = decision.variant, decision.experiment
        if variant is None or experiment is None or decision.reason is Reason.PREVIEW:
            return None
        now_ms = self._clock.now_ms()
        return SentExposure(
            event_id=new_event_id(now_ms),
            subject_id=_sound(subject_id),
            at=now_ms,
            tenant_id=self._text("tenant_id", tenant_id, MAX_SUBJECT_CHARS),
            session_id=self._session_of(context),
            experiment_id=experiment.id,
            experiment_key=experiment.key,
            unit_id=_sound(_unit_of(experiment, subject_id, context)),
            variant_key=variant.key,
            variant_id=variant.id,
            manifest_version=result.manifest_version or 0,
            hash_version=experiment.hash_version,
            reason=decision.reason,
            device=None if context is None or context.device is None else str(context.device),
            url=None if context is None or context.url is None else self._url(context.url),
        )

    def _show_holdout(
        self,
        compiled: CompiledManifest | None,
        result: TreatmentResult,
        subject_id: str,
        context: RequestContext | None,
    ) -> None:
        """The exposure of the holdout itself. Its id is derived, so that all of them count once."""
        holdout = None if compiled is None else compiled.manifest.holdout
        experiment = result.decision.experiment
        if compiled is None or holdout is None or experiment is None:
            return
        unit_id = _unit_of(experiment, subject_id, context)
        was_swapped = compiled.version != result.manifest_version
        if result.reason in NOT_EVALUATED or not unit_id or was_swapped:
            return
        arm = holdout_arm(compiled, unit_id)
        if arm is not None:
            event = self._holdout_exposure(compiled, holdout, experiment, subject_id, unit_id, arm)
            self._hand_over(self._record_exposure, event)

    def _holdout_exposure(
        self,
        compiled: CompiledManifest,
        holdout: Holdout,
        experiment: Experiment,
        subject_id: str,
        unit_id: str,
        arm: str,
    ) -> SentExposure:
        key = f"holdout.{holdout.key}"
        # The server derives the id that it would give itself from a sender's text of its own.
        event_id = _sound(f"{key}:{unit_id}")
        if len(event_id) > MAX_NAME_CHARS:
            manifest = compiled.manifest
            event_id = derived_event_id(f"{manifest.org}/{manifest.project}", event_id)
        return SentExposure(
            event_id=event_id,
            subject_id=_sound(subject_id),
            at=self._clock.now_ms(),
            experiment_id=key,
            experiment_key=key,
            unit_id=_sound(unit_id),
            variant_key=arm,
            variant_id=arm,
            manifest_version=compiled.version,
            hash_version=experiment.hash_version,
            reason=Reason.BUCKET,  # both arms are drawn, so both count in estimates
        )

    def conversion(
        self,
        event_name: str,
        subject_id: str,
        value: float | None,
        tenant_id: str | None,
        context: RequestContext | None,
        properties: Mapping[str, Any] | None,
    ) -> None:
        if not isinstance(event_name, str) or not 0 < len(event_name) <= MAX_NAME_CHARS:
            self._faults.report("event_name", "give a text of 1 to 200 characters; not recorded")
            return
        if value is not None and not _is_number(value):
            self._faults.report("value", "give a finite number, or None; not recorded")
            return
        now_ms = self._clock.now_ms()
        event = SentConversion(
            event_id=new_event_id(now_ms),
            subject_id=_sound(subject_id),
            at=now_ms,
            tenant_id=self._text("tenant_id", tenant_id, MAX_SUBJECT_CHARS),
            session_id=self._session_of(context),
            properties=self._properties(properties),
            event_name=_sound(event_name),
            value=None if value is None else float(value),
        )
        self._hand_over(self._record_conversion, event)

    def identity(self, subject_id: str, user_id: str, context: RequestContext | None) -> None:
        now_ms = self._clock.now_ms()
        event = SentIdentity(
            event_id=new_event_id(now_ms),
            subject_id=_sound(subject_id),
            at=now_ms,
            session_id=self._session_of(context),
            user_id=_sound(user_id),
        )
        self._hand_over(self._record_conversion, event)

    def _hand_over(self, callback: Callable[[Any], object] | None, event: SentEvent) -> None:
        if callback is None and self._delivery is None:
            if not self._said_no_sink:
                self._said_no_sink = True
                self._faults.report("no_sink", _NO_SINK)
            return
        if callback is not None:
            try:
                callback(event)
            except Exception as fault:  # noqa: BLE001 - the edge to the user's own callback
                self._faults.report("callback", fault)
        if self._delivery is not None and not self._holding.serving.forced:
            self._delivery.put(event)

    def _session_of(self, context: RequestContext | None) -> str | None:
        session_id = None if context is None else context.session_id
        return self._text("session_id", session_id, MAX_NAME_CHARS)

    def _text(self, name: str, text: str | None, most: int) -> str | None:
        if text is None:
            return None
        if isinstance(text, str) and 0 < len(text) <= most:
            return _sound(text)
        self._faults.report(name, f"give a text of 1 to {most} characters; recorded without it")
        return None

    def _url(self, url: str) -> str | None:
        """Without its query when that holds a preview token, which is a credential: in whatever
        spelling, and also inside the value of another parameter."""
        kept = url
        if "%" in url or "fxtoken" in url:
            names_token = "fxtoken" in unquote(unquote(url))
            kept = url.partition("?")[0].partition("#")[0] if names_token else url
        return _sound(kept) if len(kept) <= MAX_URL_CHARS else None

    def _properties(self, properties: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """A copy: the caller may change its own while the event waits."""
        if properties is None:
            return None
        try:
            text = msgspec.json.encode(properties)
            if len(text) <= MAX_PROPERTIES_BYTES:
                return msgspec.json.decode(text, type=dict[str, Any])
            problem = f"{len(text)} bytes of JSON, at most {MAX_PROPERTIES_BYTES} are taken"
        except Exception as fault:  # noqa: BLE001 - the edge to objects of the user's own
            problem = f"{type(fault).__name__}: use what JSON can say"
        self._faults.report("properties", f"{problem}; recorded without them")
        return None


def _unit_of(experiment: Experiment, subject_id: str, context: RequestContext | None) -> str:
    if experiment.unit is Unit.SUBJECT:
        return subject_id
    return (None if context is None else context.account_id) or ""


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and _is_finite(value)


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an int beyond all floats
        return False


def _sound(text: str) -> str:
    """A plain text that JSON can carry: what is hashed."""
    try:
        return str.encode(text).decode()
    except UnicodeEncodeError:
        return scalar_text(text)
