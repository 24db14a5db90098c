"""API keys for tests that are about something else."""

import time
from collections.abc import Iterable
from typing import Final

from fairlot.service.actors import Actor, Scope
from fairlot.service.api_keys import CreatedKey, create_api_key
from fairlot.store import Store
from fairlot.store.tenants import find_organization

ANYBODY: Final = Actor("local:anybody", frozenset(Scope))


def create_key(
    store: Store,
    org: str = "default",
    *,
    scopes: Iterable[str],
    project: str | None = None,
    expires_at_ms: int | None = None,
    now_ms: int | None = None,
) -> CreatedKey:
    """`now_ms` defaults to the clock."""
    with store.writing() as connection:
        organization = find_organization(connection, org)
        assert organization is not None
        return create_api_key(
            connection,
            organization,
            scopes=scopes,
            projects=None if project is None else [project],
            expires_at_ms=expires_at_ms,
            actor=ANYBODY,
            now_ms=time.time_ns() // 1_000_000 if now_ms is None else now_ms,
        )
