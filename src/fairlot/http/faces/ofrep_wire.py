"""The requests and answers of the OpenFeature Remote Evaluation Protocol 0.3."""

from enum import StrEnum
from typing import Annotated, Any, Final

import msgspec

from fairlot.engine import Decision, Device
from fairlot.http.body import why_no_json
from fairlot.http.misfits import misfit
from fairlot.http.problems import Problem, ProblemCode, Refused
from fairlot.integrations.openfeature_reasons import Standard, standard_reason

MAX_TARGETING_KEY: Final = 400
OWN: Final = "fairlot"
"""The member of the evaluation context that is no attribute: what is known of the request."""
_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_TARGETING_KEY)]


class ErrorCode(StrEnum):
    """Those of OpenFeature that these routes use."""

    PARSE_ERROR = "PARSE_ERROR"
    TARGETING_KEY_MISSING = "TARGETING_KEY_MISSING"
    INVALID_CONTEXT = "INVALID_CONTEXT"
    FLAG_NOT_FOUND = "FLAG_NOT_FOUND"
    GENERAL = "GENERAL"


class Request(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What is known of the page, and the account that experiments of accounts are drawn for."""

    url: str | None = None
    search: str | None = None
    device: Device | None = None
    account_id: _Text | None = None


class EvaluationContext(msgspec.Struct, frozen=True, rename="camel"):
    """`targetingKey` is the subject. All other members, but `fairlot`, are its attributes."""

    targeting_key: _Text
    fairlot: Request | None = None


class EvaluationRequest(msgspec.Struct, frozen=True):
    context: EvaluationContext


class Evaluation(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`value` is the payload of the variant, or its key if it has none; without a variant there is
    no value, and the caller's default holds. Our own reason is `metadata.fairlotReason`."""

    key: str
    reason: Standard
    variant: str | None
    metadata: dict[str, str]
    value: Any = msgspec.UNSET


class Evaluations(msgspec.Struct, frozen=True):
    """Of all experiments, by their order in the manifest."""

    flags: list[Evaluation]
    metadata: dict[str, str]


class Asked(msgspec.Struct, frozen=True):
    """Who is meant, and what is known of who asks. `raw` is the whole context, for comparison."""

    targeting_key: str
    attributes: dict[str, Any]
    request: Request
    raw: bytes


def read_request(body: bytes) -> Asked:
    """Refused (400) with the error code that says what is wrong."""
    context = _context_of(body)
    key = context.get("targetingKey")
    if key is None or key == "":
        raise bad_request(
            ErrorCode.TARGETING_KEY_MISSING,
            "context.targetingKey: absent; send the id of the subject that is decided for",
        )
    if not isinstance(key, str) or len(key) > MAX_TARGETING_KEY or "\0" in key:
        raise bad_request(
            ErrorCode.INVALID_CONTEXT,
            f"context.targetingKey: must be a text of 1 to {MAX_TARGETING_KEY} characters without"
            " U+0000",
        )
    known = {"targetingKey": key, OWN: context.get(OWN) or None}
    try:
        request = msgspec.convert(known, EvaluationContext).fairlot or Request()
    except msgspec.ValidationError as error:
        detail = f"context.{misfit(error, EvaluationContext, known, OWN)}"
        raise bad_request(ErrorCode.INVALID_CONTEXT, detail) from None
    attributes = {
        name: value for name, value in context.items() if name not in ("targetingKey", OWN)
    }
    try:
        raw = msgspec.json.encode(context, order="deterministic")
    except RecursionError:
        raise nested_too_deeply() from None
    return Asked(key, attributes, request, raw)


def bad_request(code: ErrorCode, detail: str) -> Refused:
    kind = ProblemCode.MALFORMED_JSON if code is ErrorCode.PARSE_ERROR else ProblemCode.BAD_REQUEST
    return Refused(Problem(400, kind, detail, extra={"errorCode": code}))


def nested_too_deeply() -> Refused:
    return bad_request(ErrorCode.INVALID_CONTEXT, "context: nested too deeply; flatten it")


def evaluation_of(key: str, decision: Decision, version: int) -> Evaluation:
    variant = decision.variant
    metadata = {"fairlotReason": decision.reason.value, "version": str(version)}
    if variant is not None and variant.redirect is not None:
        metadata["redirect"] = variant.redirect
    value: Any = msgspec.UNSET
    if variant is not None:
        value = variant.key if variant.payload is None else variant.payload
    return Evaluation(
        key=key,
        reason=standard_reason(decision.reason),
        variant=None if variant is None else variant.key,
        metadata=metadata,
        value=value,
    )


def _context_of(body: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(body or b"{}")
    except (ValueError, RecursionError) as error:
        raise bad_request(ErrorCode.PARSE_ERROR, why_no_json(body, error)) from None
    if not isinstance(found, dict):
        raise bad_request(ErrorCode.PARSE_ERROR, "the body must be a JSON object with a context")
    context = found.get("context")
    if context is None:
        return {}
    if not isinstance(context, dict):
        raise bad_request(ErrorCode.INVALID_CONTEXT, "context: must be an object")
    return context
