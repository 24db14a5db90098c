"""Every route of the server."""

import msgspec
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

from fairlot.events.sent import SentBatch
from fairlot.http.api import (
    audit,
    changes,
    definitions,
    events,
    examinations,
    experiments,
    feeds,
    health,
    keys,
    manifests,
    previews,
    products,
    profile_deletion,
    profiles,
    projects,
    questions,
    replays,
    results,
    schema,
    signing_keys,
    sources,
    statements,
    tokens,
)
from fairlot.http.asgi import Handler
from fairlot.http.docs_page import docs_handler
from fairlot.http.faces import (
    assignments,
    drafts,
    intempt_routes,
    manifest,
    ofrep_routes,
    personalization,
    track_routes,
)
from fairlot.http.faces.assignment_wire import AssignmentRequest, InExperiment, OutOfExperiment
from fairlot.http.openapi import openapi_document, openapi_handler
from fairlot.http.problems import PROBLEM_JSON, ProblemDetails, face_reply
from fairlot.http.registry import Answer, Auth, Registry, Route
from fairlot.http.services import Services

_DECIDED = {
    200: Answer(
        "The visitor's variant, or that there is none.",
        (InExperiment, OutOfExperiment),
        headers=("Cache-Control",),
    )
}
_PERSONALIZED = {
    200: Answer(
        "What is active for the visitor, and its properties.",
        (personalization.Personalizations,),
        headers=("Cache-Control",),
    )
}
_CACHED = ("ETag", "Cache-Control")
_NOT_MODIFIED = Answer("The client's copy is current.", media=None, headers=_CACHED)
_MANIFEST = {
    200: Answer("The signed manifest.", (manifest.SignedManifest,), manifest.JOSE, _CACHED),
    304: _NOT_MODIFIED,
}
_JWKS = {
    200: Answer("Current, next and retiring keys.", (manifest.JwkSet,), manifest.JWK_SET, _CACHED),
    304: _NOT_MODIFIED,
}
_REVOKED = {
    200: Answer("What is revoked.", (manifest.Revocations,), headers=_CACHED),
    304: _NOT_MODIFIED,
}
_INGESTED = {
    200: Answer("Every row is on disk.", (events.Accepted,), headers=("Cache-Control",)),
    207: Answer(
        "The rows that are not among `rejected` are on disk.",
        (events.Accepted,),
        headers=("Cache-Control",),
    ),
    413: Answer("Over 1 MiB, or over 1,000 events.", (ProblemDetails,), PROBLEM_JSON),
}
_DRAFT = {
    200: Answer(
        "The experiment in a signed document of its own, as if it were running.",
        (manifest.SignedManifest,),
        manifest.JOSE,
        ("Cache-Control",),
    )
}
_ALIVE = {200: Answer("The process answers.", (health.Health,))}
_READY = {
    200: Answer("Everything can be used.", (health.Health,)),
    503: Answer("What cannot be used.", (health.NotReady,), PROBLEM_JSON, headers=("Retry-After",)),
}
_FIGURES = {200: Answer("The Prometheus text format.", media=CONTENT_TYPE_PLAIN_0_0_4)}
_SCHEMA = {200: Answer("JSON Schema, draft 7.", headers=("Cache-Control",))}
_DOCUMENT = {200: Answer("This document.", headers=("Cache-Control",))}

_PAGE = {200: Answer("A page for people.", media="text/html", headers=("Cache-Control",))}

_OPENAPI_ALIASES = ("/api/v1/openapi",)


def _openapi(_services: Services) -> Handler:
    return openapi_handler(ROUTES)


def _docs(_services: Services) -> Handler:
    return docs_handler(ROUTES)


ROUTES = (
    Route(
        "POST",
        "/api/v1/experiments/assignments/{experiment_key}",
        "Assign a visitor to a variant",
        assignments.assign,
        _DECIDED,
        request=AssignmentRequest,
        auth=Auth.TOKEN_IN_BODY,
        errors=(400, 401, 404, 413, 429, 503),
        shape=face_reply,
        aliases=(assignments.PREFIX[:-1],),
    ),
    *intempt_routes.ROUTES,
    Route(
        "POST",
        "/api/v1/experiments/personalization",
        "What personalizations and properties a visitor has",
        personalization.personalize,
        _PERSONALIZED,
        request=personalization.PersonalizationRequest,
        auth=Auth.TOKEN_IN_BODY,
        errors=(400, 401, 413, 429, 503),
        shape=face_reply,
    ),
    Route(
        "GET",
        "/v1/{org}/manifest.json",
        "The signed manifest of the project default",
        manifest.manifest,
        _MANIFEST,
        auth=Auth.BEARER_WHEN_PRIVATE,
        errors=(404,),
    ),
    Route(
        "GET",
        "/v1/{org}/{project}/manifest.json",
        "The signed manifest of a project",
        manifest.manifest,
        _MANIFEST,
        auth=Auth.BEARER_WHEN_PRIVATE,
        errors=(404,),
    ),
    Route(
        "GET",
        "/.well-known/jwks/{org}",
        "The keys that manifests are signed with",
        manifest.jwks,
        _JWKS,
        errors=(404,),
    ),
    Route(
        "GET",
        "/.well-known/revocations/{org}",
        "The manifest versions and preview tokens that are revoked",
        manifest.revocations,
        _REVOKED,
        errors=(404,),
    ),
    Route(
        "POST",
        "/api/v1/orgs/{org}/projects/{project}/events",
        "Record a batch of exposures, conversions and identities",
        events.post_events,
        _INGESTED,
        request=SentBatch,
        auth=Auth.API_KEY,
        errors=(400, 401, 403, 404, 429, 503),
    ),
    Route(
        "GET",
        "/v1/{org}/preview.json",
        "An experiment of the project default that is previewed, draft or not",
        drafts.draft,
        _DRAFT,
        auth=Auth.PREVIEW_TOKEN,
        errors=(401, 404, 429, 503),
    ),
    Route(
        "GET",
        "/v1/{org}/{project}/preview.json",
        "An experiment that is previewed, draft or not",
        drafts.draft,
        _DRAFT,
        auth=Auth.PREVIEW_TOKEN,
        errors=(401, 404, 429, 503),
    ),
    *track_routes.ROUTES,
    *ofrep_routes.ROUTES,
    *experiments.ROUTES,
    *definitions.ROUTES,
    *feeds.ROUTES,
    *products.ROUTES,
    *changes.ROUTES,
    *sources.ROUTES,
    *keys.ROUTES,
    *signing_keys.ROUTES,
    *manifests.ROUTES,
    *replays.ROUTES,
    *statements.ROUTES,
    *results.ROUTES,
    *examinations.ROUTES,
    *audit.ROUTES,
    *tokens.ROUTES,
    *projects.ROUTES,
    *profile_deletion.ROUTES,
    *profiles.ROUTES,
    *questions.ROUTES,
    *previews.ROUTES,
    Route("GET", "/healthz", "Whether the process lives", health.healthz, _ALIVE),
    Route("GET", "/readyz", "Whether store, log and manifest are usable", health.readyz, _READY),
    Route("GET", "/metrics", "Figures of all workers", health.metrics, _FIGURES, errors=(403,)),
    Route("GET", "/schema.json", "The JSON Schema of experiment files", schema.schema, _SCHEMA),
    Route("GET", "/openapi.json", "This document", _openapi, _DOCUMENT, aliases=_OPENAPI_ALIASES),
    Route("GET", "/docs", "All routes, for people", _docs, _PAGE),
)


def serve_routes(services: Services) -> Registry:
    """The ASGI callable for http scopes."""
    return Registry(ROUTES, services, hot=assignments.PREFIX)


def openapi_json() -> bytes:
    """The document as `GET /openapi.json` serves it."""
    return msgspec.json.encode(openapi_document(ROUTES))
