"""Intempt's track, with and without a source: what users and accounts did, and products."""

import asyncio
from functools import partial
from typing import Final

from fairlot.http.asgi import NO_STORE, Handler, Receive, Reply, Scope
from fairlot.http.body import read_body
from fairlot.http.faces.intempt import admitted, id_of
from fairlot.http.faces.intempt_track_wire import BODY_BYTES, Reported, read_track
from fairlot.http.privacy import wants_privacy
from fairlot.http.problems import Refused, invalid_fields, unavailable
from fairlot.http.services import Services
from fairlot.service.actors import Scope as AccessScope
from fairlot.service.profiles import ChangeRefused, ProfilesUnavailable
from fairlot.service.reports import Reporting
from fairlot.warehouse.log import LogUnavailable

# What is read in a millisecond or so does not need a thread.
_READ_AT_ONCE_BYTES: Final = 16 * 1024
_TAKEN: Final = Reply(201, b"", (NO_STORE,))
_AGAIN: Final = "send it again as it is; events with an eventId are recorded once"


def track(services: Services) -> Handler:
    """POST /v1/{org}/projects/{project}/track and .../sources/{source}/track"""
    counts = services.counts
    reporting = Reporting(services.log, services.profiles, services.feeds, services.privacy)

    async def answer(scope: Scope, receive: Receive) -> Reply:
        tenant = admitted(services, scope, AccessScope.INGEST)
        body = await read_body(scope, receive, BODY_BYTES)
        source_id = id_of("the source in the path", scope["path_params"].get("source"))
        now_ms = services.clock_ms()
        try:
            reports, products = await _read(
                partial(read_track, body, tenant.project_id, source_id, now_ms), len(body)
            )
        except Refused:
            counts.events_rejected += 1
            raise
        try:
            recorded = await reporting.record(
                tenant.project_id,
                reports,
                products,
                now_ms,
                is_private=wants_privacy(scope, tenant),
            )
        except LogUnavailable:
            counts.event_batches_refused += 1
            raise unavailable(f"the event log cannot take it; {_AGAIN}") from None
        except ProfilesUnavailable as error:
            counts.event_batches_refused += 1
            raise unavailable(f"{error}; {_AGAIN}") from None
        except ChangeRefused as error:
            counts.events_rejected += 1
            raise invalid_fields(str(error)) from None
        counts.events["conversion"] += recorded
        counts.events_withheld += len(reports) - recorded
        return _TAKEN

    return answer


async def _read(read: "partial[Reported]", size: int) -> Reported:
    return read() if size <= _READ_AT_ONCE_BYTES else await asyncio.to_thread(read)
