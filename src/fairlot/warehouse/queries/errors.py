"""What can go wrong between a question and its answer."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from fairlot.engine.errors import FairlotError

if TYPE_CHECKING:
    from psycopg import Error


class QueryFailed(FairlotError):
    """The engine did not answer: it is away, was interrupted, or refuses the SQL."""

    code = "query_failed"

    def __init__(self, engine: str, detail: str, fix: str = "") -> None:
        self.engine = engine
        super().__init__(
            f"{engine} did not answer the query: {detail}; nothing was changed, so"
            f" {fix or 'ask again, or look at the query with `fairlot sql`'}"
        )


class UnknownDialect(FairlotError):
    code = "unknown_dialect"

    def __init__(self, name: str, known: Iterable[str]) -> None:
        self.name = name
        super().__init__(f"{name!r} is no dialect that queries are written in: {', '.join(known)}")


class UnusableQuestion(FairlotError):
    """A question that has no query."""

    code = "unusable_question"

    def __init__(self, path: str, detail: str) -> None:
        self.path = path
        super().__init__(f"{path}: {detail}")


def postgres_problem(error: "Error") -> str:
    """One line; what else PostgreSQL says may quote values."""
    said = error.diag.message_primary or str(error).strip().partition("\n")[0]
    return said or type(error).__name__
