"""Ways to send what people do, and to look at what became of it."""

from dataclasses import replace
from hashlib import sha256
from typing import Any

from fairlot.events import Conversion
from fairlot.profiles import (
    Identifier,
    IdentifierKind,
    Profile,
    claim_of_subject,
    subject_identifier,
)
from fairlot.profiles.consents import GENERAL, consented
from fairlot.service.profiles import Work
from fairlot.service.snapshot import Snapshot, SourceToken, Tenant
from fairlot.warehouse.log import read_conversions
from support.asgi import Response
from support.serving import NOW_MS, Desk, a_project, a_snapshot

SOURCE = "src_" + "s" * 32
PUBLIC = "src_" + "p" * 32
FOREIGN = "src_" + "f" * 32
LATE = "src_" + "l" * 32
PAGE = "https://shop.example"
DAY_MS = 86_400_000
JSON = "application/json; charset=utf-8"


def a_snapshot_with_sources() -> Snapshot:
    """A project that was never published takes events too."""
    tenant = Tenant("default", "unpublished", "prj_unpublished", None)
    foreign = Tenant("other", "default", "prj_foreign", None)
    tokens = {
        SOURCE: SourceToken(tenant, None),
        PUBLIC: SourceToken(tenant, frozenset({PAGE})),
        FOREIGN: SourceToken(foreign, None),
        LATE: SourceToken(tenant, None),
    }
    return replace(
        a_snapshot(a_project()),
        source_tokens={sha256(text.encode()).digest(): each for text, each in tokens.items()},
        token_ends={sha256(LATE.encode()).digest(): NOW_MS},
        public_origins=frozenset({PAGE}),
    )


def post(desk: Desk, route: str, body: Any, **headers: str) -> Response:
    headers = {"content_type": JSON, **headers}
    return desk.client.post(f"/api/v1/{route}", body, **headers)


def track(desk: Desk, event: str = "paid", token: str = SOURCE, **fields: Any) -> Response:
    body = {"token": token, "event": event, "userId": "v_1", **fields}
    return post(desk, "track", {name: value for name, value in body.items() if value is not ...})


def identify(desk: Desk, token: str = SOURCE, **fields: Any) -> Response:
    return post(desk, "identify", {"token": token, "userProperties": {}, **fields})


def batch(desk: Desk, *rows: Any, token: str = SOURCE) -> Response:
    return post(desk, "batch", {"token": token, "events": rows})


def row(distinct_id: str, **fields: Any) -> dict[str, Any]:
    return {"event": "paid", "distinctId": distinct_id, "userId": "v_1", **fields}


def page(desk: Desk, route: str, origin: str | None = PAGE, **fields: Any) -> Response:
    body = {"token": PUBLIC, "event": "seen", "userId": "v_1", **fields}
    headers = {} if origin is None else {"origin": origin}
    return post(desk, route, body, **headers)


def conversions(desk: Desk) -> list[Conversion]:
    return list(read_conversions(desk.events_dir))


def profile(desk: Desk, *identifiers: Identifier) -> Profile | None:
    found: Profile | None = desk.client.run(
        desk.services.profiles.find("prj_unpublished", identifiers)
    )
    return found


def visitor(desk: Desk, subject_id: str = "v_1") -> Profile:
    found = profile(desk, subject_identifier(subject_id))
    assert found is not None
    return found


def history(desk: Desk, name: str, subject_id: str = "v_1") -> list[dict[str, Any]]:
    wanted = {name: 30 * DAY_MS}
    found = desk.client.run(
        desk.services.profiles.history(visitor(desk, subject_id), wanted, NOW_MS)
    )
    return [dict(each.properties) for each in found[name]]


def external(value: str) -> Identifier:
    return Identifier(IdentifierKind.EXTERNAL, value)


def reject(desk: Desk, who: str) -> None:
    work = Work(
        "prj_unpublished",
        claim_of_subject(who),
        NOW_MS,
        consents=[lambda profile: consented(profile, GENERAL, False, NOW_MS)],
    )
    desk.client.run(desk.services.profiles.apply(work))
