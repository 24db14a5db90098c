"""A connection to PostgreSQL that never waits for ever, and what may be said of where it leads."""

from collections.abc import Generator, Mapping
from time import monotonic
from typing import Any, Final, TypeVar

import psycopg
from psycopg.conninfo import conninfo_to_dict

from fairlot.store.errors import StoreUnusable

SETTING: Final = "FAIRLOT_DATABASE_URL"
CONNECT_WITHIN_S: Final = 3
STATEMENT_WITHIN_S: Final = 15.0
"""The server gives up before: this is for a server, or a network, that says nothing."""

# Enforced by the server. A writer waits as long as SQLite would, and one that stopped half-way
# holds up the others for a minute at most.
_SERVER_SIDE: Final = {
    "statement_timeout": "12s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "60s",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
# What the operator's URL does not say otherwise. Of libpq.
_DEFAULTS: Final[Mapping[str, str | int]] = {
    "connect_timeout": CONNECT_WITHIN_S,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "application_name": "fairlot",
    "client_encoding": "UTF8",
}
_LET_ALONE_S: Final = 1.0
R = TypeVar("R")


class NoAnswer(psycopg.OperationalError):
    """The server did not answer in time; the connection was closed."""


class BoundedConnection(psycopg.Connection[Any]):
    """Closes itself and raises NoAnswer when the server says nothing for `within_s` seconds of one
    exchange. libpq itself has no such limit after the connection is made."""

    within_s: float = STATEMENT_WITHIN_S

    def wait(self, gen: Generator[Any, Any, R], *args: Any, **kwargs: Any) -> R:
        return super().wait(self._bounded(gen), *args, **kwargs)

    def _bounded(self, exchange: Generator[Any, Any, R]) -> Generator[Any, Any, R]:
        give_up_at = monotonic() + self.within_s
        try:
            wanted = next(exchange)
            while True:
                ready = yield wanted
                if not ready and monotonic() > give_up_at:
                    self.pgconn.finish()
                    raise NoAnswer(f"no answer within {self.within_s:g} s")
                wanted = exchange.send(ready)
        except StopIteration as done:
            result: R = done.value
            return result


class Connector:
    """Makes connections. For a second after one could not be made, none is tried: whoever waited in
    line while the server is away is told at once, and not one after the other."""

    def __init__(self, parameters: Mapping[str, Any]) -> None:
        self._parameters = parameters
        self._problem = ""
        self._try_again_at = 0.0

    def connect(self) -> BoundedConnection:
        if monotonic() < self._try_again_at:
            raise psycopg.OperationalError(self._problem)
        try:
            return BoundedConnection.connect(**self._parameters)
        except psycopg.Error as error:
            self._problem = str(error)
            self._try_again_at = monotonic() + _LET_ALONE_S
            raise


def parameters_of(url: str) -> dict[str, Any]:
    """What libpq is to connect with. Raises StoreUnusable, which does not quote the URL."""
    try:
        given = conninfo_to_dict(url)
    except psycopg.Error:
        raise StoreUnusable(
            SETTING,
            "is not a URL that libpq can read",
            "write postgresql://USER:PASSWORD@HOST:5432/DATABASE, with %xx for special characters",
        ) from None
    ours = " ".join(f"-c {name}={value}" for name, value in _SERVER_SIDE.items())
    return {**_DEFAULTS, **given, "options": f"{ours} {given.get('options', '')}".strip()}


def place_of(parameters: Mapping[str, Any]) -> str:
    """The URL without password and options."""
    user, port = parameters.get("user"), parameters.get("port")
    host = parameters.get("host") or parameters.get("hostaddr") or ""
    return "".join(
        (
            "postgresql://",
            f"{user}@" if user else "",
            str(host),
            f":{port}" if port else "",
            f"/{parameters.get('dbname') or user or ''}",
        )
    )
