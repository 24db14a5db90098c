"""What a client cannot decide, and what the server has to know of a subject to decide it."""

from collections.abc import Iterable, Mapping

from fairlot.engine.bindings import feeds_bound
from fairlot.engine.conditions import ACCOUNT, paths_read
from fairlot.engine.history import MAX_WITHIN_MS
from fairlot.engine.model import (
    Experiment,
    HistorySegment,
    Manifest,
    RuleSegment,
    Segment,
    Unit,
    VisitorStatus,
)

ALWAYS = "always"
HistoryNeeds = Mapping[str, int]
"""Names of events, each with how far back they matter, in ms."""


def needs_server(experiment: Experiment, segments: Mapping[str, Segment]) -> bool:
    """Whether it depends on what only the server knows: what the subject did or was shown, how
    often it came, what activated it, or the products of a feed."""
    named = (segments.get(key) for key in experiment.audience.segments)
    return (
        experiment.activation is not None
        or experiment.display != ALWAYS
        or experiment.audience.visitor_status is not VisitorStatus.ANY
        or any(isinstance(each, HistorySegment) for each in named)
        or any(feeds_bound(variant.payload) for variant in experiment.variants)
    )


def needing_server(manifest: Manifest) -> frozenset[str]:
    """The keys of the experiments that no client can decide."""
    segments = {segment.key: segment for segment in manifest.segments}
    return frozenset(
        experiment.key
        for experiment in manifest.experiments
        if isinstance(experiment, Experiment) and needs_server(experiment, segments)
    )


def profile_needs(manifest: Manifest) -> dict[str, HistoryNeeds]:
    """By the key of each experiment that asks what the server knows of a subject, be it its account
    only: the history that its audience reads."""
    segments = {segment.key: segment for segment in manifest.segments}
    return {
        experiment.key: _history_of(experiment, segments)
        for experiment in manifest.experiments
        if isinstance(experiment, Experiment)
        and (needs_server(experiment, segments) or _asks_account(experiment, segments))
    }


def all_of(needs: Iterable[HistoryNeeds]) -> dict[str, int]:
    """The least that satisfies each of them."""
    found: dict[str, int] = {}
    for each in needs:
        for event, within_ms in each.items():
            found[event] = max(within_ms, found.get(event, 0))
    return found


def _asks_account(experiment: Experiment, segments: Mapping[str, Segment]) -> bool:
    """A caller of the SDK knows the account of its subject; one over HTTP may leave that to us."""
    named = (segments.get(key) for key in experiment.audience.segments)
    rules = [each.rule for each in named if isinstance(each, RuleSegment | HistorySegment)]
    return experiment.unit is Unit.ACCOUNT or any(
        path == ACCOUNT or path.startswith(f"{ACCOUNT}.")
        for rule in (experiment.audience.rule, *rules)
        for path in paths_read(rule)
    )


def _history_of(experiment: Experiment, segments: Mapping[str, Segment]) -> HistoryNeeds:
    named = (segments.get(key) for key in experiment.audience.segments)
    return all_of(
        {condition.rule.event: condition.rule.within_ms or MAX_WITHIN_MS}
        for segment in named
        if isinstance(segment, HistorySegment)
        for condition in segment.conditions
    )
