"""The assignment face: Ours Privacy's endpoint, request and answers, over our decisions.

The checks come in the order that 3-wire section 2 lists them. A good request is decoded once into
its struct; only a bad one is read again, loosely, to find out which complaint comes first.
"""

from dataclasses import replace
from urllib.parse import unquote

from fairlot.engine import Context, Decision, Reason, decide, explain
from fairlot.engine.bindings import feeds_bound
from fairlot.http.admission import admit_address, admit_tier
from fairlot.http.asgi import JSON, NO_STORE, Handler, Receive, Reply, Scope
from fairlot.http.auth import live_key, may, project_of_token
from fairlot.http.body import read_body
from fairlot.http.faces.assignment_wire import (
    AssignmentRequest,
    decode_request,
    encode_answer,
    field_problems,
    invalid_fields,
    malformed,
    read_loosely,
    unauthorized,
)
from fairlot.http.privacy import wants_privacy
from fairlot.http.problems import Refused, not_found, unavailable
from fairlot.http.services import Services
from fairlot.profiles import Profile
from fairlot.service.actors import Scope as AccessScope
from fairlot.service.profiles import ProfilesUnavailable
from fairlot.service.snapshot import ProjectServing, Snapshot
from fairlot.service.subjects import note_seen, subject_context
from fairlot.warehouse.log import LogUnavailable

PREFIX = "/api/v1/experiments/assignments/"
_HEADERS = (JSON, NO_STORE)
_NOT_RUNNING = frozenset({Reason.UNKNOWN, Reason.SCHEDULED, Reason.ENDED})
_OUT = Reply(200, b'{"success":true,"in_experiment":false}', _HEADERS)
# Anyone who holds the publishable token can have made these attributes up.
_UNTRUSTED = {"attributes": "untrusted"}


def assign(services: Services) -> Handler:
    """POST /api/v1/experiments/assignments/{experiment_key}"""
    return AssignmentFace(services).answer


class AssignmentFace:
    """Decides, records, answers. `_replies` keeps the encoded answers of the current snapshot, by
    the identity of the decisions that the engine shares."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._decisions = services.decisions
        self._clock_ms = services.clock_ms
        self._counted = services.counts.decisions
        self._replies: dict[int, tuple[Decision, Reply]] = {}
        self._replies_of: Snapshot | None = None

    async def answer(self, scope: Scope, receive: Receive) -> Reply:
        body = await read_body(scope, receive)
        key: str = scope["raw_path"][len(PREFIX) :].decode("latin-1")
        if "%" in key:
            key = unquote(key)
        try:
            request = decode_request(body)
        except (ValueError, RecursionError):
            raise self._complaint(scope, key, body) from None
        project = project_of_token(self._services, request.token)
        if (
            project is None
            or key not in project.compiled.experiments
            or "\0" in request.visitor_id
            or (request.explain and not self._may_explain(scope, project))
        ):
            raise self._complaint(scope, key, body)
        self._throttle(scope, project, key)
        return await self._decide(project, key, request, wants_privacy(scope, project))

    async def _decide(
        self, project: ProjectServing, key: str, request: AssignmentRequest, private: bool
    ) -> Reply:
        context = _context_of(request, self._clock_ms())
        properties = _UNTRUSTED if context.attributes else None
        track, profile = request.track_impression is not False, None
        visitor_id, asks = request.visitor_id, key in project.profile_needs
        try:
            if asks:
                context, profile = await self._known(project, key, visitor_id, context)
            decision = await self._decisions.decide_and_record(
                project,
                key,
                visitor_id,
                context,
                track=track,
                private=private,
                properties=properties,
            )
        except LogUnavailable:
            raise unavailable("the event log cannot take the impression; try again") from None
        except RecursionError:
            raise malformed("context.attributes: nested too deeply; flatten it") from None
        self._count(key, decision)
        if asks and track:
            self._note_seen(project, visitor_id, profile, context.now_ms)
        explanation = None
        if request.explain:
            explanation = explain(project.compiled, key, visitor_id, context)
        elif decision.variant is None:
            return _OUT
        elif not asks or not feeds_bound(decision.variant.payload):
            return self._reply_of(decision)
        shown = await self._with_products(project, decision, profile)
        return Reply(200, encode_answer(shown, explanation), _HEADERS)

    def _count(self, key: str, decision: Decision) -> None:
        experiment = decision.experiment
        kind = "unknown" if experiment is None else experiment.type
        self._counted[kind, decision.reason] += 1
        if decision.reason in _NOT_RUNNING:
            raise _not_running(key)

    async def _known(
        self, project: ProjectServing, key: str, visitor_id: str, context: Context
    ) -> tuple[Context, Profile | None]:
        """What the profile adds to the context."""
        profiles = self._services.profiles
        try:
            return await subject_context(profiles, project, key, visitor_id, context)
        except ProfilesUnavailable:
            raise unavailable("the profiles cannot be read now; try again") from None

    def _note_seen(
        self, project: ProjectServing, visitor_id: str, profile: Profile | None, now_ms: int
    ) -> None:
        if not self._services.privacy.rejects(project.project_id, visitor_id):
            note_seen(self._services.profiles, project.project_id, visitor_id, profile, now_ms)

    async def _with_products(
        self, project: ProjectServing, decision: Decision, profile: Profile | None
    ) -> Decision:
        """The decision with products in place of the feeds that its payload binds."""
        variant = decision.variant
        if variant is None or not feeds_bound(variant.payload):
            return decision
        payload = variant.payload
        try:
            resolved = await self._services.feeds.resolve(project.project_id, payload, profile)
        except ProfilesUnavailable:
            raise unavailable("the products cannot be read now; try again") from None
        return replace(decision, variant=replace(variant, payload=resolved))

    def _reply_of(self, decision: Decision) -> Reply:
        if self._replies_of is not self._decisions.snapshot:
            self._replies = {}
            self._replies_of = self._decisions.snapshot
        known = self._replies.get(id(decision))
        if known is not None and known[0] is decision:
            return known[1]
        reply = Reply(200, encode_answer(decision), _HEADERS)
        self._replies[id(decision)] = (decision, reply)
        return reply

    def _may_explain(self, scope: Scope, project: ProjectServing) -> bool:
        return may(live_key(self._services, scope), AccessScope.READ, project)

    def _throttle(self, scope: Scope, project: ProjectServing, key: str) -> None:
        try:
            admit_tier(self._services, project.tier, project.project_id)
            admit_address(self._services, scope)
        except Refused:
            if self._is_running(project, key):
                raise
            raise _not_running(key) from None

    def _is_running(self, project: ProjectServing, key: str) -> bool:
        decision = decide(project.compiled, key, "", Context(now_ms=self._clock_ms()))
        return decision.reason not in _NOT_RUNNING

    def _complaint(self, scope: Scope, key: str, body: bytes) -> Refused:
        """What is wrong with a request first, in the order of the checks."""
        if not key:
            return malformed("the path names no experiment; append its key to /assignments/")
        fields = read_loosely(body)
        token = fields.get("token")
        project = None
        if isinstance(token, str):
            project = project_of_token(self._services, token)
        if project is None:
            return unauthorized("token: missing or not known; send the project's experiment token")
        if fields.get("explain") is True and not self._may_explain(scope, project):
            return unauthorized("explain: needs an API key of this project with the scope read")
        if not self._is_running(project, key):
            return _not_running(key)
        return invalid_fields(field_problems(fields) or ["the body: does not fit the request"])


def _context_of(request: AssignmentRequest, now_ms: int) -> Context:
    given = request.context
    if given is None:
        return Context(now_ms=now_ms)
    return Context(
        attributes=given.attributes or {},
        account_id=given.account_id,
        url=given.url,
        search=given.search,
        device=given.device,
        now_ms=now_ms,
    )


def _not_running(key: str) -> Refused:
    return not_found(f"no experiment {key[:64]!r} is running here; render the default")
