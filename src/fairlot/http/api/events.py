"""What senders saw: exposures, conversions and identities, in batches that are numbered."""

import msgspec

from fairlot.events.batches import BatchRefusal, BatchRefused, RowProblem
from fairlot.events.sent import MAX_BATCH_BYTES
from fairlot.http.asgi import JSON, NO_STORE, Handler, Receive, Reply, Scope
from fairlot.http.auth import authorized, key_id_of
from fairlot.http.body import read_body
from fairlot.http.problems import Problem, ProblemCode, Refused
from fairlot.http.services import Services
from fairlot.http.throttle import TIERS
from fairlot.service.access import Scope as AccessScope
from fairlot.service.ingest import ingest
from fairlot.service.snapshot import Tenant
from fairlot.warehouse.log import LogUnavailable

RETRY_AFTER_S = 1


class Accepted(msgspec.Struct, frozen=True):
    """`accepted` rows are on disk; a row among `rejected` would be refused again."""

    accepted: int
    rejected: tuple[RowProblem, ...]


_REFUSALS = {
    BatchRefusal.MALFORMED: (400, ProblemCode.MALFORMED_JSON),
    BatchRefusal.INVALID: (400, ProblemCode.INVALID_FIELDS),
    BatchRefusal.TOO_MANY_EVENTS: (413, ProblemCode.TOO_LARGE),
}


def post_events(services: Services) -> Handler:
    """POST /api/v1/orgs/{org}/projects/{project}/events"""
    counts = services.counts

    async def answer(scope: Scope, receive: Receive) -> Reply:
        tenant, key = authorized(services, scope, AccessScope.INGEST)
        _throttle(services, tenant, key_id_of(key))
        body = await read_body(scope, receive, MAX_BATCH_BYTES)
        try:
            batch, rejected = await ingest(
                services.log, tenant.project_id, body, received_at_ms=services.clock_ms()
            )
        except BatchRefused as refused:
            status, code = _REFUSALS[refused.refusal]
            raise Refused(Problem(status, code, str(refused))) from None
        except LogUnavailable:
            counts.event_batches_refused += 1
            raise _unavailable() from None
        counts.events["exposure"] += len(batch.exposures)
        counts.events["conversion"] += len(batch.conversions)
        counts.events["identity"] += len(batch.identities)
        counts.events_rejected += len(rejected)
        body = msgspec.json.encode(Accepted(batch.accepted, rejected))
        return Reply(207 if rejected else 200, body, (JSON, NO_STORE))

    return answer


def _throttle(services: Services, tenant: Tenant, key_id: str) -> None:
    policy = TIERS.get(tenant.tier or services.default_tier)
    if policy is not None:
        services.throttle.admit(policy, f"key:{key_id}")


def _unavailable() -> Refused:
    return Refused(
        Problem(
            503,
            ProblemCode.UNAVAILABLE,
            "the event log cannot take the batch; nothing is acknowledged, send it again as it is",
            headers=((b"retry-after", b"%d" % RETRY_AFTER_S),),
        )
    )
