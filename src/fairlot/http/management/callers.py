"""Who calls: the holder of an API key, or whoever works on the data directory itself."""

from dataclasses import dataclass

from sqlalchemy import Connection

from fairlot.engine.errors import shorten
from fairlot.http.admission import admit_key
from fairlot.http.asgi import Scope
from fairlot.http.auth import demand_key, demand_scope, no_live_key
from fairlot.http.problems import Problem, ProblemCode, Refused, not_found
from fairlot.http.services import Services
from fairlot.service.actors import Actor
from fairlot.service.actors import Scope as AccessScope
from fairlot.service.snapshot import ApiKeyRecord
from fairlot.service.uses import FailedUse
from fairlot.store.credentials import is_live_api_key

# Where the ASGI scope holds the actor of a call that never was a request of HTTP. A server makes
# the scope of a request itself, so nobody can send it.
LOCAL_ACTOR = "fairlot.actor"


@dataclass(frozen=True, slots=True)
class Caller:
    """`key` None is somebody on this machine, who may do everything."""

    actor: Actor
    key: ApiKeyRecord | None = None

    @property
    def is_limited(self) -> bool:
        """Whether some projects of the organization are out of reach."""
        return self.key is not None and self.key.project_ids is not None

    def reaches(self, project_id: str) -> bool:
        if self.key is None or self.key.project_ids is None:
            return True
        return project_id in self.key.project_ids


def caller_in(services: Services, scope: Scope, org: str) -> Caller:
    """Refused: 401 without a live key, 404 for another organization than the key's."""
    local = scope.get(LOCAL_ACTOR)
    if isinstance(local, Actor):
        return Caller(local)
    key = demand_key(services, scope)
    if key.org != org:
        services.uses.note_failed(key.org, key.id, FailedUse.OUT_OF_REACH)
        raise not_found(f"{shorten(org)}: no such organization for this key; check its spelling")
    scopes = frozenset(AccessScope(name) for name in key.scopes)
    return Caller(Actor(f"key:{key.id}", scopes), key)


def demand(services: Services, caller: Caller, scope_name: AccessScope, *, whole: bool) -> None:
    """Refused (403) without the scope, or with `whole` for a key that is limited to projects."""
    if caller.key is None:
        return
    demand_scope(services, caller.key, scope_name)
    if whole and caller.is_limited:
        services.uses.note_failed(caller.key.org, caller.key.id, FailedUse.OUT_OF_REACH)
        raise Refused(
            Problem(
                403,
                ProblemCode.FORBIDDEN,
                "the API key is limited to some projects, and this concerns the whole"
                " organization; use a key that was made without a project",
            )
        )


def demand_still_live(connection: Connection, caller: Caller, now_ms: int) -> None:
    """In the transaction of a change: the snapshot that authenticated the caller may be older than
    the revocation of the key. Refused (401)."""
    if caller.key is not None and not is_live_api_key(connection, caller.key.id, now_ms):
        raise no_live_key()


def admit(services: Services, caller: Caller, org: str, project: str | None) -> None:
    """Count the request against the tier of the project, or the server's. Refused (429)."""
    if caller.key is None:
        return
    tenant = None if project is None else services.decisions.snapshot.tenants.get((org, project))
    admit_key(services, caller.key, None if tenant is None else tenant.tier)
