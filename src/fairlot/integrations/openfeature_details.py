"""Our results as OpenFeature's: values of the type that was asked for, reasons and errors."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, TypeVar

from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType
from openfeature.flag_evaluation import Reason as OfOpenFeature

from fairlot import Reason, TreatmentResult
from fairlot.integrations.openfeature_reasons import standard_reason

NO_MANIFEST: Final = "there is no manifest to decide by; fetching one is tried again and again"
T = TypeVar("T")


def details_of(
    result: TreatmentResult, default: T, typed: Callable[[Any], T | None]
) -> FlagResolutionDetails[T]:
    """`typed` gives None for a value of another type."""
    if result.variant_key is None:
        return _without_variant(result, default)
    payload = result.payload
    value = typed(result.variant_key if payload is None else payload)
    if value is None:
        kind = "no payload" if payload is None else f"a payload of type {type(payload).__name__}"
        problem = f"variant {result.variant_key} of {result.experiment_key} has {kind}"
        fix = "get a value of that type" if payload is not None else "get a string: its key"
        return failed(default, ErrorCode.TYPE_MISMATCH, f"{problem}; {fix}", result)
    return FlagResolutionDetails(
        value,
        reason=OfOpenFeature(standard_reason(result.reason)),
        variant=result.variant_key,
        flag_metadata=_metadata_of(result),
    )


def failed(
    default: T, code: ErrorCode, message: str, result: TreatmentResult | None = None
) -> FlagResolutionDetails[T]:
    metadata = {} if result is None else _metadata_of(result)
    return FlagResolutionDetails(
        default, code, message, OfOpenFeature.ERROR, flag_metadata=metadata
    )


def _without_variant(result: TreatmentResult, default: T) -> FlagResolutionDetails[T]:
    key = result.experiment_key
    if result.reason is Reason.UNKNOWN and result.manifest_version is None:
        return failed(default, ErrorCode.PROVIDER_NOT_READY, NO_MANIFEST, result)
    if result.reason is Reason.UNKNOWN:
        problem = f"{key}: no such experiment runs"
        fix = "check the spelling, and whether it was started or killed"
        return failed(default, ErrorCode.FLAG_NOT_FOUND, f"{problem}; {fix}", result)
    if result.reason is Reason.INVALID:
        problem = f"{key}: this version of fairlot cannot read the experiment; update it"
        return failed(default, ErrorCode.PARSE_ERROR, problem, result)
    reason = OfOpenFeature(standard_reason(result.reason))
    return FlagResolutionDetails(default, reason=reason, flag_metadata=_metadata_of(result))


def _metadata_of(result: TreatmentResult) -> dict[str, bool | int | float | str]:
    """`version`, which OpenFeature's telemetry knows, is the manifest's."""
    version = result.manifest_version
    return {
        "fairlotReason": result.reason.value,
        **({} if version is None else {"version": str(version)}),
    }


def as_boolean(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def as_string(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def as_integer(value: Any) -> int | None:
    """Numbers keep their type: `1.0` is no integer, and true is no number."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def as_float(value: Any) -> float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        with suppress(OverflowError):
            return float(value)
    return None


def as_object(value: Any) -> dict[str, FlagValueType] | list[FlagValueType] | None:
    return value if isinstance(value, dict | list) else None
