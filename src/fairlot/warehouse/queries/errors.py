"""What can go wrong between a question and its answer."""

from collections.abc import Iterable

from fairlot.engine.errors import FairlotError


class QueryFailed(FairlotError):
    """The engine did not answer: it is away, was interrupted, or refuses the SQL."""

    code = "query_failed"

    def __init__(self, engine: str, detail: str) -> None:
        self.engine = engine
        super().__init__(
            f"{engine} did not answer the query: {detail}; nothing was changed, so ask again, or"
            " look at the query with `fairlot sql`"
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
