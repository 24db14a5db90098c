"""What the services need of a store, and a store of its database."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy import Connection

from fairlot.store.errors import Place
from fairlot.store.vault import Vault


class Store(Protocol):
    """Transactions over the tables of `fairlot.store.tables`. Failures raise StoreFailed."""

    @property
    def vault(self) -> Vault: ...

    def reading(self) -> AbstractContextManager[Connection]:
        """One consistent state, however many statements."""

    def writing(self, *, keep: bool = True) -> AbstractContextManager[Connection]:
        """The only writer; committed at the end, or rolled back on an error or without `keep`."""

    def generation(self) -> int:
        """A number that has grown whenever what is served has changed."""

    async def follow(self, changed: Callable[[], None]) -> None:
        """Call `changed` soon after the generation has grown, whoever raised it, until cancelled.

        It may miss some while the database is away, and returns at once where there is nothing to
        hear: poll `generation` as well.
        """

    def close(self) -> None: ...


class Database(Protocol):
    """Where a store is, before it is opened."""

    @property
    def place(self) -> Place: ...

    def alone(self) -> AbstractContextManager[Connection]:
        """A write transaction, while no other process makes, migrates or unlocks the store."""

    def store(self, vault: Vault) -> Store:
        """On tables that are up to date."""

    def close(self) -> None:
        """What `store` has given is closed with it."""
