"""Whether a change makes looks that were taken not count: they are of what a metric was."""

from collections.abc import Iterator, Sequence
from typing import Final

from sqlalchemy import Connection

from fairlot.manifest.contents import same_content
from fairlot.manifest.definitions import MetricDefinition
from fairlot.service.lifecycle import STARTED
from fairlot.service.plan_document import PlanWarning
from fairlot.service.project_state import METRIC, ProjectState
from fairlot.service.results.fixed import (
    decode_analysis,
    definitions_seen,
    redefined,
    stored_looks,
)
from fairlot.service.results.measured import metrics_among
from fairlot.stats.metrics import Metric
from fairlot.stats.words import listed
from fairlot.store.analyses import read_analysis
from fairlot.store.experiments import ExperimentRow

_CODE: Final = "metric_changed"


def redefinition_warnings(
    connection: Connection, before: ProjectState, after: ProjectState
) -> Iterator[PlanWarning]:
    """Of what has started; looks are read only where a digest differs."""
    was_known, known = _metric_definitions(before), _metric_definitions(after)
    for key, stored in before.experiments.items():
        row, following = stored.row, after.experiments[key].row
        if row.status not in STARTED or (row is following and same_content(was_known, known)):
            continue
        was, will = metrics_among(row.metrics, was_known), metrics_among(following.metrics, known)
        digests = {each.key: each.digest for each in was}
        if any(each.digest != digests.get(each.key) for each in will):
            yield from _warnings(connection, row, was, will)


def _metric_definitions(state: ProjectState) -> dict[str, MetricDefinition]:
    found = (each.definition for each in state.live_definitions if each.row.kind == METRIC)
    return {each.key: each for each in found if isinstance(each, MetricDefinition)}


def _warnings(
    connection: Connection, row: ExperimentRow, was: Sequence[Metric], will: Sequence[Metric]
) -> Iterator[PlanWarning]:
    """Not of those whose looks did not count before either."""
    document = read_analysis(connection, row.id)
    if document is None:
        return
    fixed = decode_analysis(document)
    seen = definitions_seen(stored_looks(connection, row.id), fixed.dropped)
    new = redefined(seen, will) - redefined(seen, was)
    keys = [each.key for each in will if each.key in new]
    if keys:
        primaries = [key for key in keys if key in fixed.primaries]
        about = f"experiment:{row.key}"
        yield PlanWarning(code=_CODE, about=about, sentence=_sentence(keys, primaries))


def _sentence(keys: list[str], primaries: list[str]) -> str:
    then = "they do not count any more, and none is added"
    if primaries:
        are = "is" if len(primaries) == 1 else "are"
        then = (
            "they do not count any more, none is added, and its result is blocked, because"
            f" {listed(primaries)} {are} primary"
        )
    return (
        f"has looks of {listed(keys)}, which {'is' if len(keys) == 1 else 'are'} defined anew:"
        f" {then}; leave the definition as it was, and measure what is new as a metric with"
        " another key"
    )
