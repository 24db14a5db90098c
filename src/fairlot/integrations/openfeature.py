"""A provider for OpenFeature: `pip install 'fairlot[openfeature]'`.

    client = Client("https://experiments.example/v1/acme/manifest.json")
    api.set_provider_and_wait(FairlotProvider(client))

A flag is an experiment. Its value is the variant's payload, or the key of a variant without one; a
subject without a variant gets the default value. The targeting key is the subject id, and the
attributes are those that audiences look at. `evaluation_context` makes a context that carries a
`RequestContext` as well, as the attribute `fairlot.request`: its cookies, URL and account are used,
and its response gets the cookies.
"""

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from datetime import datetime
from typing import Any, Final, TypeVar

from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode, ProviderNotReadyError
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType
from openfeature.provider import AbstractProvider, Metadata
from openfeature.track import TrackingEventDetails

from fairlot import Client, RequestContext
from fairlot.events.sent import MAX_SUBJECT_CHARS
from fairlot.integrations.openfeature_details import (
    NO_MANIFEST,
    as_boolean,
    as_float,
    as_integer,
    as_object,
    as_string,
    details_of,
    failed,
)
from fairlot.integrations.openfeature_events import ManifestEvents
from fairlot.manifest.instants import write_instant

REQUEST: Final = "fairlot.request"
T = TypeVar("T")


def evaluation_context(
    subject_id: str, request: RequestContext, attributes: Mapping[str, Any] | None = None
) -> EvaluationContext:
    """For one evaluation, or as the transaction context of a whole request. `attributes` are added
    to those of `request.user`."""
    carried: dict[str, Any] = {**(attributes or {}), REQUEST: request}
    return EvaluationContext(subject_id, carried)


class FairlotProvider(AbstractProvider):
    """Every evaluation records an exposure, as `Client.exposure` does, unless `record_exposures`
    is False. The provider initialises the client when it is set, and closes it when it is replaced
    or shut down, so give each provider a client of its own.
    """

    def __init__(self, client: Client, *, record_exposures: bool = True) -> None:
        super().__init__()
        self._client = client
        self._decide = client.exposure if record_exposures else client.treatment
        self._events = ManifestEvents(client, self.emit)

    def get_metadata(self) -> Metadata:
        return Metadata("Fairlot")

    def initialize(self, evaluation_context: EvaluationContext) -> None:
        """Raises ProviderNotReadyError when no manifest could be had; once there is one,
        PROVIDER_READY is emitted."""
        if self._client.manifest() is None:
            self._client.init()
        if not self._events.start():
            raise ProviderNotReadyError(NO_MANIFEST)

    def shutdown(self) -> None:
        self._events.stop()
        self._client.close()

    def resolve_boolean_details(
        self,
        flag_key: str,
        default_value: bool,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[bool]:
        return self._resolve(flag_key, default_value, evaluation_context, as_boolean)

    def resolve_string_details(
        self,
        flag_key: str,
        default_value: str,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[str]:
        return self._resolve(flag_key, default_value, evaluation_context, as_string)

    def resolve_integer_details(
        self,
        flag_key: str,
        default_value: int,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[int]:
        return self._resolve(flag_key, default_value, evaluation_context, as_integer)

    def resolve_float_details(
        self,
        flag_key: str,
        default_value: float,
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[float]:
        return self._resolve(flag_key, default_value, evaluation_context, as_float)

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        return self._resolve(flag_key, default_value, evaluation_context, as_object)

    def track(
        self,
        tracking_event_name: str,
        evaluation_context: EvaluationContext | None = None,
        tracking_event_details: TrackingEventDetails | None = None,
    ) -> None:
        context = evaluation_context or EvaluationContext()
        details = tracking_event_details or TrackingEventDetails()
        request = context.attributes.get(REQUEST)
        self._client.track(
            tracking_event_name,
            context.targeting_key or "",
            value=details.value,
            properties=details.attributes or None,
            context=request if isinstance(request, RequestContext) else None,
        )

    def _resolve(
        self,
        key: str,
        default: T,
        context: EvaluationContext | None,
        typed: Callable[[Any], T | None],
    ) -> FlagResolutionDetails[T]:
        if context is None or not context.targeting_key:
            fix = "set targeting_key to the subject id: who is to be decided for"
            return failed(default, ErrorCode.TARGETING_KEY_MISSING, fix)
        try:
            subject_id, request = _subject_of(context), _request_of(context)
        except (ValueError, TypeError, OverflowError) as error:
            return failed(default, ErrorCode.INVALID_CONTEXT, str(error))
        return details_of(self._decide(key, subject_id, request), default, typed)


def _subject_of(context: EvaluationContext) -> str:
    """Raises ValueError for what cannot be a subject id."""
    subject_id: Any = context.targeting_key
    if isinstance(subject_id, str) and len(subject_id) <= MAX_SUBJECT_CHARS:
        return subject_id
    kind = type(subject_id).__name__
    given = f"{len(subject_id)} characters" if isinstance(subject_id, str) else kind
    raise ValueError(f"targeting_key: {given}: give a text of 1 to {MAX_SUBJECT_CHARS} characters")


def _request_of(context: EvaluationContext) -> RequestContext | None:
    """Raises ValueError for what is no RequestContext where one should be."""
    attributes = dict(context.attributes)
    request = attributes.pop(REQUEST, None)
    for name, value in attributes.items():
        if isinstance(value, datetime):  # rules know JSON's types only, so compare it as text
            attributes[name] = write_instant(round(value.timestamp() * 1000))
    if request is None:
        return RequestContext(user=attributes) if attributes else None
    if not isinstance(request, RequestContext):
        raise ValueError(f"{REQUEST}: {type(request).__name__}: give a fairlot.RequestContext")
    if not attributes:
        return request
    with_attributes = copy(request)  # shares the memo: what was put on the response counts for both
    with_attributes.user = {**(request.user or {}), **attributes}
    return with_attributes
