"""OpenFeature's remote evaluation, over our decisions."""

from dataclasses import replace
from hashlib import sha256
from typing import Any, Final

import msgspec

from fairlot.engine import Context, Decision, decide
from fairlot.engine.bindings import feeds_bound
from fairlot.http.admission import admit_key
from fairlot.http.asgi import JSON, NO_STORE, Handler, Receive, Reply, Scope, header
from fairlot.http.auth import demand_key, demand_scope, reached_project
from fairlot.http.body import read_body
from fairlot.http.etags import is_known
from fairlot.http.faces.ofrep_wire import (
    Asked,
    ErrorCode,
    Evaluation,
    Evaluations,
    evaluation_of,
    nested_too_deeply,
    read_request,
)
from fairlot.http.privacy import wants_privacy
from fairlot.http.problems import Problem, ProblemCode, Refused, unavailable
from fairlot.http.services import Services
from fairlot.profiles import Profile
from fairlot.service.actors import Scope as AccessScope
from fairlot.service.bootstrap import DEFAULT
from fairlot.service.profiles import ProfilesUnavailable
from fairlot.service.snapshot import ProjectServing, Tenant
from fairlot.service.subjects import all_contexts, note_seen, subject_context
from fairlot.warehouse.log import LogUnavailable

SOURCE: Final = "ofrep"
_HEADERS: Final = (JSON, NO_STORE)
_NO_FLAGS: Final = msgspec.json.encode(Evaluations([], {}))


def evaluate(services: Services) -> Handler:
    """POST /ofrep/v1/evaluate/flags/{key}"""
    face = _Face(services)

    async def answer(scope: Scope, receive: Receive) -> Reply:
        key: str = scope["path_params"]["key"]
        try:
            return await face.one(scope, receive, key)
        except Refused as refused:
            problem = refused.problem
            raise Refused(replace(problem, extra={**problem.extra, "key": key})) from None

    return answer


def evaluate_all(services: Services) -> Handler:
    """POST /ofrep/v1/evaluate/flags"""
    return _Face(services).all


class _Face:
    """One evaluation is an exposure, as an assignment is. Evaluating all of them is none: a page
    asks for all before it shows any."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._decisions = services.decisions
        self._counted = services.counts.decisions

    async def one(self, scope: Scope, receive: Receive, key: str) -> Reply:
        project, asked = await self._asked(scope, receive)
        experiment = None if project is None else project.compiled.experiments.get(key)
        if project is None or experiment is None:
            raise _unknown(key)
        private = wants_privacy(scope, project)
        context, profile = self._context_of(asked), None
        try:
            context, profile = await subject_context(
                self._services.profiles, project, key, asked.targeting_key, context
            )
            decision = await self._decisions.decide_and_record(
                project,
                key,
                asked.targeting_key,
                context,
                track=not _is_exposed_by_hand(project, key, context),
                private=private,
                source=SOURCE,
            )
            shown = await self._shown(project, key, decision, profile)
        except (LogUnavailable, ProfilesUnavailable, RecursionError) as error:
            raise _refused(error) from None
        if key in project.profile_needs:
            self._note_seen(project, asked.targeting_key, profile, context.now_ms)
        return Reply(200, msgspec.json.encode(shown), _HEADERS)

    async def all(self, scope: Scope, receive: Receive) -> Reply:
        project, asked = await self._asked(scope, receive)
        if project is None:
            return _cached(scope, b"", asked, _NO_FLAGS)
        subject_id, plain = asked.targeting_key, self._context_of(asked)
        try:
            context_of, profile = await all_contexts(
                self._services.profiles, project, subject_id, plain
            )
            decisions = await self._decisions.decide_all(project, subject_id, context_of)
            flags = [
                await self._shown(project, key, decision, profile)
                for key, decision in zip(project.compiled.experiments, decisions, strict=True)
            ]
        except (LogUnavailable, ProfilesUnavailable, RecursionError) as error:
            raise _refused(error) from None
        if project.profile_needs:
            self._note_seen(project, subject_id, profile, plain.now_ms)
        body = msgspec.json.encode(Evaluations(flags, {"version": str(project.version)}))
        return _cached(scope, project.etag.encode(), asked, body)

    async def _asked(self, scope: Scope, receive: Receive) -> tuple[ProjectServing | None, Asked]:
        """None is a project that has not been published yet."""
        tenant = self._tenant_of(scope)
        asked = read_request(await read_body(scope, receive))
        snapshot = self._decisions.snapshot
        return snapshot.projects.get((tenant.org, tenant.project)), asked

    def _tenant_of(self, scope: Scope) -> Tenant:
        """Of the key, and of X-Fairlot-Project. Refused: 401, 403, 404 or 429."""
        key = demand_key(self._services, scope)
        named = (header(scope, b"x-fairlot-project") or DEFAULT.encode()).decode("latin-1")
        tenants = self._decisions.snapshot.tenants
        if key.project_ids is not None and header(scope, b"x-fairlot-project") is None:
            own = [each for each in tenants.values() if each.project_id in key.project_ids]
            named = own[0].project if len(own) == 1 else named
        tenant = reached_project(self._services, key, key.org, named)
        demand_scope(self._services, key, AccessScope.DECIDE)
        admit_key(self._services, key, tenant.tier)
        return tenant

    def _context_of(self, asked: Asked) -> Context:
        request = asked.request
        return Context(
            attributes=asked.attributes,
            account_id=request.account_id,
            url=request.url,
            search=request.search,
            device=request.device,
            now_ms=self._services.clock_ms(),
        )

    async def _shown(
        self, project: ProjectServing, key: str, decision: Decision, profile: Profile | None
    ) -> Evaluation:
        """With products in place of the feeds that the payload binds."""
        experiment, variant = decision.experiment, decision.variant
        kind = "unknown" if experiment is None else experiment.type
        self._counted[kind, decision.reason] += 1
        if variant is not None and feeds_bound(variant.payload):
            payload: Any = await self._services.feeds.resolve(
                project.project_id, variant.payload, profile
            )
            decision = replace(decision, variant=replace(variant, payload=payload))
        return evaluation_of(key, decision, project.version)

    def _note_seen(
        self, project: ProjectServing, subject_id: str, profile: Profile | None, now_ms: int
    ) -> None:
        if not self._services.privacy.rejects(project.project_id, subject_id):
            note_seen(self._services.profiles, project.project_id, subject_id, profile, now_ms)


def _cached(scope: Scope, version: bytes, asked: Asked, body: bytes) -> Reply:
    """304 when the client has it. The validator is over what was asked, by which version, and what
    came out: the answer changes with the time and the profile too."""
    digest = sha256(b"\0".join((version, asked.raw, body))).hexdigest()[:32]
    tag = f'"{digest}"'
    headers = ((b"etag", tag.encode()), NO_STORE)
    if is_known(header(scope, b"if-none-match"), tag):
        return Reply(304, b"", headers)
    return Reply(200, body, (JSON, *headers))


def _is_exposed_by_hand(project: ProjectServing, key: str, context: Context) -> bool:
    experiment = decide(project.compiled, key, "", context).experiment
    return experiment is not None and experiment.manual_exposure


def _unknown(key: str) -> Refused:
    fix = "check the spelling, and whether it was started or killed"
    detail = f"no experiment {key[:64]!r} runs here; {fix}"
    extra = {"errorCode": ErrorCode.FLAG_NOT_FOUND}
    return Refused(Problem(404, ProblemCode.NOT_FOUND, detail, extra=extra))


def _refused(error: Exception) -> Refused:
    if isinstance(error, RecursionError):
        return nested_too_deeply()
    if isinstance(error, LogUnavailable):
        return unavailable("the event log cannot take the decision; try again")
    return unavailable("the profiles cannot be read now; try again")
