"""What senders saw: exposures, conversions and identities, in batches that are numbered."""

import msgspec

from fairlot.events import ReceivedBatch
from fairlot.events.batches import BatchRefusal, BatchRefused, RowProblem
from fairlot.events.sent import MAX_BATCH_BYTES
from fairlot.http.admission import admit_key
from fairlot.http.asgi import JSON, NO_STORE, Handler, Receive, Reply, Scope
from fairlot.http.auth import authorized
from fairlot.http.body import read_body
from fairlot.http.privacy import wants_privacy
from fairlot.http.problems import Problem, ProblemCode, Refused, unavailable
from fairlot.http.services import Services
from fairlot.service.actors import Scope as AccessScope
from fairlot.service.ingest import ingest
from fairlot.service.personalization.conversions import works_of
from fairlot.service.profiles import ProfilesUnavailable
from fairlot.service.snapshot import Tenant
from fairlot.warehouse.log import LogUnavailable

_NOT_TAKEN = "the event log cannot take the batch; nothing is acknowledged, send it again as it is"
_NOT_KNOWN = (
    "the events are on disk, but what they change of profiles could not be written; send the batch "
    "again as it is"
)


class Accepted(msgspec.Struct, frozen=True):
    """`accepted` rows are on disk, but for those of subjects who rejected, which nobody keeps; a
    row among `rejected` would be refused again."""

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
        admit_key(services, key, tenant.tier)
        body = await read_body(scope, receive, MAX_BATCH_BYTES)
        try:
            batch, rejected, withheld = await ingest(
                services.log,
                tenant.project_id,
                body,
                received_at_ms=services.clock_ms(),
                rejects=services.privacy.rejects,
                private=wants_privacy(scope, tenant),
            )
            await _happen(services, tenant, batch)
        except BatchRefused as refused:
            status, code = _REFUSALS[refused.refusal]
            raise Refused(Problem(status, code, str(refused))) from None
        except LogUnavailable:
            counts.event_batches_refused += 1
            raise unavailable(_NOT_TAKEN) from None
        except ProfilesUnavailable:
            counts.event_batches_refused += 1
            raise unavailable(_NOT_KNOWN) from None
        counts.events["exposure"] += len(batch.exposures)
        counts.events["conversion"] += len(batch.conversions)
        counts.events["identity"] += len(batch.identities)
        counts.events_rejected += len(rejected)
        counts.events_withheld += withheld
        body = msgspec.json.encode(Accepted(batch.accepted, rejected))
        return Reply(207 if rejected else 200, body, (JSON, NO_STORE))

    return answer


async def _happen(services: Services, tenant: Tenant, batch: ReceivedBatch) -> None:
    project = services.decisions.snapshot.projects.get((tenant.org, tenant.project))
    if project is not None:
        await services.profiles.apply_all(works_of(project, batch.conversions))
