"""The OpenAPI 3.1 document, made from the registry's routes; nothing is written twice."""

import re
from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from importlib.metadata import version
from typing import Any

import msgspec

from fairlot.http.asgi import JSON, Handler, Receive, Reply, Scope
from fairlot.http.problems import (
    PROBLEM_JSON,
    ErrorShape,
    FaceError,
    FaceErrors,
    IngestError,
    OfrepError,
    ProblemCode,
    ProblemDetails,
    errors_reply,
    face_reply,
    ingest_reply,
    ofrep_reply,
)
from fairlot.http.registry import Answer, Auth, Route
from fairlot.http.statuses import known_codes

_PROBLEMS = ("ProblemDetails", "NotReady")
_CODES = sorted({*ProblemCode, *known_codes()})
_REF = "#/components/schemas/{name}"

# What each refusal means, and the headers it comes with.
REFUSALS: dict[int, tuple[str, tuple[str, ...]]] = {
    400: ("The request is malformed, or a field is wrong.", ()),
    401: ("The credential is missing or not known.", ()),
    403: ("The caller may not do this.", ()),
    404: ("Nothing like this is here for this caller.", ()),
    405: ("The path knows other methods only.", ("Allow",)),
    408: ("The request did not arrive in time; the connection is closed.", ()),
    409: ("What is there does not allow this now.", ()),
    412: ("It was changed meanwhile; `current` is the newer revision.", ("ETag",)),
    413: ("The body is over {limit}.", ()),
    415: ("The body is of another media type than JSON.", ()),
    422: (
        "Refused, `problems` says why; or the Idempotency-Key was used for another request.",
        (),
    ),
    428: ("The request does not say which revision it replaces.", ("ETag",)),
    429: ("Over the throttle tier.", ("Retry-After", "RateLimit", "RateLimit-Policy")),
    431: ("The headers are over 32 KiB; the connection is closed.", ()),
    503: ("A part that the answer needs cannot be used now.", ("Retry-After",)),
}

# Any request can use a wrong method, or be too slow or too large for the protocol.
ALWAYS_POSSIBLE = (405, 408, 431)

_TEXT_MEDIA = ("application/yaml", "application/json")
_INTEGER = {"type": "integer", "minimum": 1}
_TEXT = {"type": "string"}
HEADERS: dict[str, dict[str, Any]] = {
    "Allow": {"description": "The methods of this path.", "schema": _TEXT},
    "Access-Control-Allow-Origin": {
        "description": "The page of this origin may read the answer.",
        "schema": _TEXT,
    },
    "Cache-Control": {"description": "How long the answer may be kept.", "schema": _TEXT},
    "Idempotency-Replayed": {
        "description": "true: this is the answer that was given before.",
        "schema": {"type": "string", "enum": ["true"]},
    },
    "ETag": {"description": "The strong validator of the document.", "schema": _TEXT},
    "RateLimit": {
        "description": "What is left of the quota (draft-ietf-httpapi-ratelimit-headers).",
        "schema": _TEXT,
    },
    "RateLimit-Policy": {"description": "The quota.", "schema": _TEXT},
    "Retry-After": {"description": "Seconds to wait.", "schema": _INTEGER},
    "x-should-retry": {
        "description": "false: trying again by itself would not help.",
        "schema": {"type": "string", "enum": ["false"]},
    },
}

# What a route may want to know in a header of the request.
REQUEST_HEADERS: dict[str, dict[str, Any]] = {
    "Idempotency-Key": {
        "description": "Sent again within 24 hours, the same request gives the same answer, and "
        "nothing is changed twice.",
        "schema": {"type": "string", "pattern": "^[!-~]{1,128}$"},
    },
    "If-Match": {
        "description": "The ETag of the revision that is replaced.",
        "schema": {"type": "string"},
    },
    "X-Fairlot-Project": {
        "description": "The project, where the path names none.",
        "schema": {"type": "string"},
    },
    "If-None-Match": {
        "description": "`*`: only if nothing is there.",
        "schema": {"type": "string", "enum": ["*"]},
    },
}

_SECURITY_SCHEMES = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key; for a private manifest also the project's experiment token.",
    },
    "basic": {
        "type": "http",
        "scheme": "basic",
        "description": "An API key, split at its first dot into user and password.",
    },
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "query": {"type": "apiKey", "in": "query", "name": "apiKey"},
    "preview": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "A preview token of the experiment.",
    },
}
# The errors of the faces, and the statuses below 500 with which their clients are not told to leave
# it at that; None: they are never told.
_FACES: dict[ErrorShape, tuple[type, tuple[int, ...] | None]] = {
    face_reply: (FaceError, ()),
    ingest_reply: (IngestError, (429,)),
    errors_reply: (FaceErrors, None),
    ofrep_reply: (OfrepError, None),
}
_Requirements = list[dict[str, list[str]]]
_NOTHING: _Requirements = [{}]
_KEYS: _Requirements = [{name: []} for name in ("bearer", "basic", "header", "query")]
_ANY_KEY = _NOTHING + _KEYS
_SECURITY: dict[Auth, _Requirements] = {
    Auth.NONE: [],
    Auth.TOKEN_IN_BODY: _ANY_KEY,
    Auth.BEARER_WHEN_PRIVATE: _ANY_KEY,
    Auth.API_KEY: _KEYS,
    Auth.PREVIEW_TOKEN: [{"preview": []}],
}


def openapi_document(routes: Iterable[Route]) -> dict[str, Any]:
    """The document of `routes`, ready for JSON."""
    documented = tuple(routes)
    types = list(dict.fromkeys(_types_of(documented)))
    schemas, components = msgspec.json.schema_components(types, ref_template=_REF)
    schema_of = dict(zip(types, schemas, strict=True))
    for problem in (components[name] for name in _PROBLEMS if name in components):
        problem["properties"]["code"] = {"type": "string", "enum": [*_CODES]}
    paths: dict[str, Any] = {}
    for route in documented:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(
            route, schema_of, components
        )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Fairlot",
            "version": version("fairlot"),
            "description": "Server-side experiments: decisions, manifests, and the control plane.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "paths": paths,
        "components": {
            "schemas": components,
            "headers": HEADERS,
            "securitySchemes": _SECURITY_SCHEMES,
        },
    }


def openapi_handler(routes: Iterable[Route]) -> Handler:
    """Serves the document of `routes`, made once, when it is first asked for."""

    @cache
    def reply() -> Reply:
        document = msgspec.json.encode(openapi_document(routes))
        return Reply(200, document, (JSON, (b"cache-control", b"public, max-age=300")))

    async def answer(_scope: Scope, _receive: Receive) -> Reply:
        return reply()

    return answer


def _types_of(routes: Iterable[Route]) -> Iterable[Any]:
    yield from (ProblemDetails, *(error for error, _ in _FACES.values()))
    for route in routes:
        if route.request is not None:
            yield route.request
        if route.query is not None:
            yield route.query
        for answer in route.answers.values():
            yield from answer.bodies


def _operation(
    route: Route, schema_of: dict[Any, Any], components: dict[str, Any]
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": f"{route.method.lower()}{_camel(route.path)}",
        "summary": route.summary,
        "parameters": [
            *_path_parameters(route),
            *([] if route.query is None else _query_parameters(components[route.query.__name__])),
            *({"name": name, "in": "header", **REQUEST_HEADERS[name]} for name in route.headers),
        ],
        "responses": _responses(route, schema_of),
        "security": _SECURITY[route.auth],
    }
    if route.scope is not None:
        operation["description"] = f"Needs an API key with the scope `{route.scope}`."
    if route.request is not None:
        operation["requestBody"] = {
            "required": not _takes_nothing(route.request),
            "content": {"application/json": {"schema": schema_of[route.request]}},
        }
    if route.text is not None:
        schema = {"type": "string", "description": route.text}
        operation["requestBody"] = {
            "required": True,
            "content": {media: {"schema": schema} for media in _TEXT_MEDIA},
        }
    return operation


def _path_parameters(route: Route) -> Iterable[dict[str, Any]]:
    for name in re.findall(r"\{(\w+)\}", route.path):
        yield {"name": name, "in": "path", "required": True, "schema": _TEXT}


def _query_parameters(struct: dict[str, Any]) -> Iterable[dict[str, Any]]:
    for name, schema in struct["properties"].items():
        described = {"description": schema["description"]} if "description" in schema else {}
        required = name in struct.get("required", ())
        yield {"name": name, "in": "query", "required": required, "schema": schema} | described


def _takes_nothing(request: type) -> bool:
    """Whether every field may be absent, so that the body may be."""
    try:
        msgspec.convert({}, request)
    except msgspec.ValidationError:
        return False
    return True


def _responses(route: Route, schema_of: dict[Any, Any]) -> dict[str, Any]:
    replayed = ("Idempotency-Replayed",) if "Idempotency-Key" in route.headers else ()
    found = {
        status: _answer(replace(answer, headers=(*answer.headers, *replayed)), schema_of)
        for status, answer in route.answers.items()
    }
    for status in (*route.errors, *ALWAYS_POSSIBLE):
        text, headers = REFUSALS[status]
        if status not in found:
            text = text.format(limit=f"{route.body_limit // 1024:,} KiB")
            found[status] = _answer(_refusal(route, status, text, headers), schema_of)
    return {str(status): found[status] for status in sorted(found)}


def _refusal(route: Route, status: int, text: str, headers: tuple[str, ...]) -> Answer:
    # a slow request is answered below the routes, which have no say in its shape
    face = None if status in (408, 431) else _FACES.get(route.shape)
    if face is None:
        return Answer(text, (ProblemDetails,), PROBLEM_JSON, headers)
    error, repeatable = face
    is_final = repeatable is not None and status < 500 and status not in repeatable
    retry = ("x-should-retry",) if is_final else ()
    return Answer(text, (error,), headers=(*headers, *retry))


def _answer(answer: Answer, schema_of: dict[Any, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"description": answer.text}
    if answer.headers:
        found["headers"] = {
            name: {"$ref": f"#/components/headers/{name}"} for name in answer.headers
        }
    if answer.media is not None:
        schemas = [schema_of[body] for body in answer.bodies]
        schema = {} if not schemas else schemas[0] if len(schemas) == 1 else {"oneOf": schemas}
        found["content"] = {answer.media: {"schema": schema}}
    return found


def _camel(path: str) -> str:
    return "".join(word[0].upper() + word[1:] for word in re.findall(r"[A-Za-z0-9]+", path))
