"""What the services need of a store, whichever database holds it."""

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

    def close(self) -> None: ...
