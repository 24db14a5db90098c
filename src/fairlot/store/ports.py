"""What the services need of a store, whichever database holds it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy import Connection

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
