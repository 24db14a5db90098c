"""What a request carries through its framework: the context that somebody asked for."""

import logging
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any, Final

from fairlot import Client, RequestContext, get_or_create_subject_id

KEY: Final = "fairlot.carried"
_log = logging.getLogger("fairlot")
_warned_of: set[str] = set()


class Carried:
    """Put into a request before anybody asks for its context, and read when its response starts.
    Copies of the request share it."""

    __slots__ = ("client", "context")

    def __init__(self, client: Client | None = None) -> None:
        self.client = client
        self.context: RequestContext | None = None

    def context_of(
        self,
        make: Callable[[], RequestContext],
        user: Mapping[str, Any] | None,
        account_id: str | None,
    ) -> RequestContext:
        """The one context of the request; what is given is set on it, also when it was made
        before."""
        if self.context is None:
            self.context = make()
        if user is not None:
            self.context.user = user
        if account_id is not None:
            self.context.account_id = account_id
        return self.context

    def subject_id(self, context: RequestContext, consent: bool, client: Client | None) -> str:
        return get_or_create_subject_id(context, consent=consent, client=client or self.client)


def carried_in(place: MutableMapping[str, Any], framework: str) -> Carried:
    """What the middleware has put there; without one, what nobody will look at."""
    carried: Carried | None = place.get(KEY)
    if carried is None:
        warn_that_nothing_is_sent(framework)
        carried = place[KEY] = Carried()
    return carried


def warn_that_nothing_is_sent(framework: str) -> None:
    """Once in a process: a request that no middleware has seen, such as a test may make."""
    if framework not in _warned_of:
        _warned_of.add(framework)
        _log.warning(
            "no Fairlot middleware has seen this request, so its response gets no cookies: "
            "add the middleware as fairlot.integrations.%s describes",
            framework,
        )


def begin(client: Client | None) -> None:
    """Fetch the manifest, unless one is there already."""
    if client is not None and client.manifest() is None:
        client.init()


async def finish(client: Client) -> None:
    """Deliver before the server ends the process, maybe by a signal that lets nothing else run."""
    if not await client.aflush():
        left = client.stats().queued
        client.report("events_left", f"{left} wait at shutdown; a process ended now loses them")
