"""What the options of `Client` must be; their defaults stand in its signature."""

import math
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from fairlot.events.sent import SentConversion, SentExposure, SentIdentity
from fairlot.sdk.clock import Clock
from fairlot.sdk.codec import is_token
from fairlot.sdk.context import RequestContext
from fairlot.sdk.endpoints import Endpoints
from fairlot.sdk.errors import InvalidOption
from fairlot.sdk.storage import StickyStorage
from fairlot.sdk.transport import Transport

_CO_COROUTINE: Final = 0x80


@dataclass(frozen=True, slots=True)
class AdapterRequest:
    """What a decision adapter is asked about. Its answer is a variant key; None, or a key that the
    experiment does not have, lets the draw decide."""

    experiment_key: str
    subject_id: str
    context: RequestContext | None


RefreshErrorCallback = Callable[[Exception], object]
RecordExposure = Callable[[SentExposure], object]
RecordConversion = Callable[[SentConversion | SentIdentity], object]
Excluded = bool | Callable[[RequestContext | None], bool]
DecisionAdapter = Callable[[AdapterRequest], str | None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Options:
    """The options of a client; raises InvalidOption for the first that cannot be used."""

    manifest_url: str
    api_key: str | None
    refresh_interval_s: float
    transport: Transport | None
    on_refresh_error: RefreshErrorCallback | None
    record_exposure: RecordExposure | None
    record_conversion: RecordConversion | None
    storage: StickyStorage
    excluded: Excluded | None
    decision_adapter: DecisionAdapter | None
    preview_jwks_url: str | None
    preview_jwks: Mapping[str, Any] | None
    manifest_cache: Path | str | None
    trusted_keys: Collection[str] | None
    subject_cookie: str
    events_url: str | None
    timeout_s: float
    queue_bound: int
    clock: Clock

    def __post_init__(self) -> None:
        for name, (holds, fix) in _RULES.items():
            value = getattr(self, name)
            if not holds(value):
                raise InvalidOption(name, _SECRET if name == "api_key" else value, fix)

    def endpoints(self) -> Endpoints:
        return Endpoints.of(
            self.manifest_url,
            preview_jwks_url=self.preview_jwks_url,
            events_url=self.events_url,
        )


class _Secret:
    def __repr__(self) -> str:
        return "(not shown)"


_SECRET: Final = _Secret()


def _is_function(value: object) -> bool:
    """A coroutine function would return something that nobody awaits."""
    code = getattr(value, "__code__", getattr(type(value).__call__, "__code__", None))
    return callable(value) and not getattr(code, "co_flags", 0) & _CO_COROUTINE


def _is_function_or_none(value: object) -> bool:
    return value is None or _is_function(value)


def _is_seconds(value: object) -> bool:
    return _is_number(value) and math.isfinite(value) and value > 0  # type: ignore[arg-type, operator]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_key(value: object) -> bool:
    return value is None or (
        isinstance(value, str) and value.isascii() and value.isprintable() and value.strip() != ""
    )


def _is_whole(value: object) -> bool:
    return type(value) is int and value >= 1


def _is_jwks(value: Any) -> bool:
    return value is None or (isinstance(value, Mapping) and isinstance(value.get("keys"), list))


def _is_path(value: object) -> bool:
    return value is None or (isinstance(value, str | os.PathLike) and os.fspath(value) != "")


def _has(*methods: str) -> Callable[[object], bool]:
    def holds(value: object) -> bool:
        return not isinstance(value, type) and all(
            callable(getattr(value, method, None)) for method in methods
        )

    return holds


_A_FUNCTION: Final = (_is_function_or_none, "give a plain function (no `async def`), or None")
_SECONDS: Final = (_is_seconds, "give seconds, more than 0")
_RULES: Final[Mapping[str, tuple[Callable[[object], bool], str]]] = {
    "api_key": (_is_key, "give an API key of scope ingest, without spaces or a line end, or None"),
    "refresh_interval_s": _SECONDS,
    "timeout_s": _SECONDS,
    "queue_bound": (_is_whole, "give a whole number of events, 1 or more"),
    "transport": _A_FUNCTION,
    "on_refresh_error": _A_FUNCTION,
    "record_exposure": _A_FUNCTION,
    "record_conversion": _A_FUNCTION,
    "decision_adapter": _A_FUNCTION,
    "excluded": (
        lambda value: isinstance(value, bool) or _is_function_or_none(value),
        "give True, False, or a plain function of the request context",
    ),
    "storage": (
        _has("read", "write", "forget"),
        "give an object with read, write and forget, as in CookieStorage() or NoopStorage()",
    ),
    "preview_jwks": (_is_jwks, "give a JWKS, as in {'keys': [...]}, or None"),
    "manifest_cache": (_is_path, "give the path of a file, or None"),
    "subject_cookie": (is_token, "give the name of a cookie, as in fx_sid"),
    "clock": (_has("now_ms", "monotonic_s", "wait"), "give a fairlot.sdk.clock.Clock"),
}
