"""The request and the answers of the assignment face, and the complaints about a bad request."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import msgspec

from fairlot.engine import Decision, Device, Explanation
from fairlot.http.body import why_no_json
from fairlot.http.problems import Problem, ProblemCode, Refused
from fairlot.http.texts import NO_NUL

MAX_VISITOR_ID = 400


class AssignmentContext(msgspec.Struct, frozen=True):
    """What decides eligibility, never the bucket; but of an experiment whose unit is the account,
    `account_id` is what is drawn for."""

    url: str | None = None
    search: str | None = None
    device: Device | None = None
    attributes: dict[str, Any] | None = None
    account_id: (
        Annotated[
            str,
            msgspec.Meta(min_length=1, max_length=MAX_VISITOR_ID),
            NO_NUL,
        ]
        | None
    ) = None


class AssignmentRequest(msgspec.Struct, frozen=True):
    """`track_impression` absent or null is true. `explain` needs an API key of scope read."""

    token: str
    visitor_id: Annotated[
        str,
        msgspec.Meta(
            min_length=1, max_length=MAX_VISITOR_ID, extra_json_schema={"pattern": NO_NUL.pattern}
        ),
    ]
    context: AssignmentContext | None = None
    track_impression: bool | None = None
    explain: bool | None = None


class TraceStep(msgspec.Struct, frozen=True):
    """One step of the decision; `verdict` is passed, answered or skipped."""

    name: str
    verdict: str
    note: str
    details: dict[str, Any]


class Trace(msgspec.Struct, frozen=True):
    """How the decision came out, only with `explain`."""

    reason: str
    steps: tuple[TraceStep, ...]


TRUE = msgspec.Meta(extra_json_schema={"const": True})
_FALSE = msgspec.Meta(extra_json_schema={"const": False})


class InExperiment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The visitor's variant. `payload` and `redirect` are there when the variant has them."""

    success: Annotated[bool, TRUE]
    in_experiment: Annotated[bool, TRUE]
    experiment_id: str
    experiment_key: str
    experiment_name: str
    variant_id: str
    variant_key: str
    variant_name: str
    is_control: bool
    type: str
    payload: Any = msgspec.UNSET
    redirect: str | msgspec.UnsetType = msgspec.UNSET
    trace: Trace | msgspec.UnsetType = msgspec.UNSET


class OutOfExperiment(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """No variant: render the default."""

    success: Annotated[bool, TRUE]
    in_experiment: Annotated[bool, _FALSE]
    trace: Trace | msgspec.UnsetType = msgspec.UNSET


decode_request = msgspec.json.Decoder(AssignmentRequest).decode


def encode_answer(decision: Decision, explanation: Explanation | None = None) -> bytes:
    trace = msgspec.UNSET if explanation is None else trace_of(explanation)
    experiment, variant = decision.experiment, decision.variant
    if experiment is None or variant is None:
        return msgspec.json.encode(OutOfExperiment(success=True, in_experiment=False, trace=trace))
    return msgspec.json.encode(
        InExperiment(
            success=True,
            in_experiment=True,
            experiment_id=experiment.id,
            experiment_key=experiment.key,
            experiment_name=experiment.name,
            variant_id=variant.id,
            variant_key=variant.key,
            variant_name=variant.name,
            is_control=variant.is_control,
            type=experiment.type,
            payload=msgspec.UNSET if variant.payload is None else variant.payload,
            redirect=variant.redirect or msgspec.UNSET,
            trace=trace,
        )
    )


def trace_of(explanation: Explanation) -> Trace:
    return Trace(
        explanation.decision.reason,
        tuple(
            TraceStep(step.name, step.verdict, step.note, dict(step.details))
            for step in explanation.steps
        ),
    )


def read_loosely(body: bytes) -> dict[str, Any]:
    """The object that a refused body is, whatever its fields. Raises Refused (400) for what is no
    JSON object at all."""
    try:
        found = msgspec.json.decode(body)
    except RecursionError:
        raise malformed("the body is nested too deeply") from None
    except UnicodeDecodeError:
        raise malformed("the body is not UTF-8; encode it so") from None
    except msgspec.DecodeError as error:
        raise malformed(why_no_json(body, error)) from None
    if not isinstance(found, dict):
        raise malformed("the body must be a JSON object with token and visitor_id")
    return found


def malformed(detail: str) -> Refused:
    return Refused(Problem(400, ProblemCode.MALFORMED_JSON, detail))


def unauthorized(detail: str) -> Refused:
    return Refused(Problem(401, ProblemCode.UNAUTHORIZED, detail))


def field_problems(fields: dict[str, Any]) -> list[str]:
    """Every wrong field with what it must be; fields that nobody knows are ignored."""
    problems = checked(fields, FIELDS)
    context = fields.get("context")
    if isinstance(context, dict):
        problems += checked(context, _CONTEXT_FIELDS, "context.")
    return problems


def invalid_fields(problems: list[str]) -> Refused:
    return Refused(Problem(400, ProblemCode.INVALID_FIELDS, "; ".join(problems)))


def checked(fields: Mapping[str, Any], rules: "_Rules", prefix: str = "") -> list[str]:
    return [
        f"{prefix}{name}: must be {wanted}"
        for name, (holds, wanted) in rules.items()
        if not holds(fields.get(name))
    ]


def _is_id(value: object) -> bool:
    return isinstance(value, str) and 1 <= len(value) <= MAX_VISITOR_ID and "\0" not in value


def _or_null(*kinds: type) -> Callable[[object], bool]:
    return lambda value: value is None or isinstance(value, kinds)


_Rules = dict[str, tuple[Callable[[object], bool], str]]
_ID = f"a text of 1 to {MAX_VISITOR_ID} characters without U+0000"
FIELDS: _Rules = {
    "visitor_id": (_is_id, _ID),
    "context": (_or_null(dict), "an object or null"),
    "track_impression": (_or_null(bool), "true, false or null"),
    "explain": (_or_null(bool), "true, false or null"),
}
_CONTEXT_FIELDS: _Rules = {
    "url": (_or_null(str), "a text or null"),
    "search": (_or_null(str), "a text or null"),
    "device": (
        lambda value: value is None or value in tuple(Device),
        "all, desktop, mobile or null",
    ),
    "attributes": (_or_null(dict), "an object or null"),
    "account_id": (lambda value: value is None or _is_id(value), f"{_ID}, or null"),
}
