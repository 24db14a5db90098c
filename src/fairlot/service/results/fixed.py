"""What is fixed of an analysis, and its looks, as they are stored."""

from collections.abc import Iterable, Mapping
from datetime import date

import msgspec
from sqlalchemy import Connection

from fairlot.stats.metrics import Metric
from fairlot.stats.plans import AnalysisPlan
from fairlot.stats.results import Look
from fairlot.store.analyses import looks_of


class KeptLook(Look, frozen=True, kw_only=True):
    """With the digest of the metric that it is of, and when it was taken, which older versions have
    not stored."""

    definition: str = ""
    taken_at_ms: int | None = None


class DroppedLook(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The newest of a comparison whose looks were dropped: how many subjects it had counted, the
    digest of the metric that it was of, and when it was taken. These go on to tell what was changed
    since."""

    metric: str
    variant: str
    day: date
    n: int
    definition: str
    taken_at_ms: int | None = None


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


def definitions_seen(
    looks: Mapping[tuple[str, str], Iterable[KeptLook]], dropped: Iterable[Dropping]
) -> frozenset[tuple[str, str]]:
    """The keys of metrics, and a digest that each had when a look of it was taken, also when that
    look was dropped: or whoever drops looks could choose what is measured."""
    kept = {(key, look.definition) for (key, _), each in looks.items() for look in each}
    forgotten = {(look.metric, look.definition) for each in dropped for look in each.newest}
    return frozenset(kept | forgotten)


def redefined(seen: Iterable[tuple[str, str]], metrics: Iterable[Metric]) -> frozenset[str]:
    """The keys of metrics that measured something else when a look of them was taken."""
    digests = {metric.key: metric.digest for metric in metrics}
    return frozenset(
        key for key, definition in seen if definition not in {"", digests.get(key, "")}
    )
