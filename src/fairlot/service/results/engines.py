"""What results can be made from: the event log of this server, or a warehouse of the user's."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from fairlot.engine.errors import FairlotError, shorten
from fairlot.manifest.problems import suggestion

SETTING: Final = "FAIRLOT_WAREHOUSE_URL"
_OTHER_NAMES: Final[Mapping[str, str]] = {"postgresql": "postgres"}
_IN_A_SESSION: Final = frozenset({"spark", "databricks"})
_WRITTEN_ONLY: Final = frozenset({"bigquery", "snowflake", "clickhouse"})


class ResultEngine(StrEnum):
    """`DUCKDB` reads the event log, `POSTGRES` the database that the setting names."""

    DUCKDB = "duckdb"
    POSTGRES = "postgres"


class UnusableEngine(FairlotError):
    """Nothing here can ask that engine."""

    code = "unusable_engine"

    def __init__(self, engine: str, fix: str) -> None:
        self.engine = engine
        super().__init__(f"engine: {shorten(engine)}: {fix}")


class NoWarehouse(FairlotError):
    """The engine is one that answers, and nobody has said where it is."""

    code = "no_warehouse"

    def __init__(self, engine: ResultEngine) -> None:
        self.engine = engine
        super().__init__(
            f"engine: {engine.value!r}: no warehouse is set; set warehouse_url ({SETTING}), where"
            " the server or the command runs, to postgresql://USER:PASSWORD@HOST:5432/DATABASE"
        )


class WarehouseUnusable(FairlotError):
    """It cannot be reached, or does not hold what is read. `place` is its URL without password."""

    code = "warehouse_unusable"

    def __init__(self, place: str, problem: str, fix: str) -> None:
        self.place = place
        self.problem = problem
        self.fix = fix
        super().__init__(f"{SETTING}: {place}: {problem}; {fix}")


def engine_named(name: str) -> ResultEngine:
    """Raises UnusableEngine."""
    known = _OTHER_NAMES.get(name, name)
    engines = [*map(str, ResultEngine)]
    if known in engines:
        return ResultEngine(known)
    if name in _IN_A_SESSION:
        fix = "is asked from Python, with a session of yours: answer(SparkEngine(session), ...)"
        raise UnusableEngine(name, f"{fix}, as in docs/how-to/warehouse.md")
    if name in _WRITTEN_ONLY:
        fix = f"run what `fairlot sql` prints by --engine {name}; results are made by"
        raise UnusableEngine(name, f"{fix} {' or '.join(engines)}")
    raise UnusableEngine(name, suggestion(name, engines))
