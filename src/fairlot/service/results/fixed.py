"""What is fixed of an analysis, and its looks, as they are stored."""

from datetime import date

import msgspec
from sqlalchemy import Connection

from fairlot.stats.plans import AnalysisPlan
from fairlot.stats.results import Look
from fairlot.store.analyses import looks_of


class KeptLook(Look, frozen=True, kw_only=True):
    """With the digest of the metric that it is of."""

    definition: str = ""


class DroppedLook(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The newest of a comparison whose looks were dropped: how many subjects it had counted, and
    the digest of the metric that it was of. These go on to tell what was changed since."""

    metric: str
    variant: str
    day: date
    n: int
    definition: str


class Dropping(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Why `by` dropped that many `looks`, the `newest` of each comparison, and the `caps`."""

    at_ms: int
    by: str
    reason: str
    looks: int
    newest: tuple[DroppedLook, ...]
    caps: dict[str, float]


class FixedAnalysis(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """`comparisons` of the primary metrics; `caps` by metric, those that are final."""

    plan: AnalysisPlan
    primaries: tuple[str, ...]
    comparisons: int
    caps: dict[str, float] = {}
    dropped: tuple[Dropping, ...] = ()


def decode_analysis(document: bytes | None) -> FixedAnalysis:
    if document is None:
        raise LookupError("the analysis was deleted while its result was made")
    return msgspec.json.decode(document, type=FixedAnalysis)


def stored_looks(
    connection: Connection, experiment_id: str
) -> dict[tuple[str, str], list[KeptLook]]:
    """By metric and variant, rising."""
    found: dict[tuple[str, str], list[KeptLook]] = {}
    for row in looks_of(connection, experiment_id):
        look = msgspec.json.decode(row.document, type=KeptLook)
        found.setdefault((row.metric_key, row.variant_key), []).append(look)
    return found
