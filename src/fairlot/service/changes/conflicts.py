"""What stands between the parts of a project after a change: ranges shared, names gone."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

from fairlot.engine import Experiment, LayerRange
from fairlot.engine.bindings import feeds_bound
from fairlot.engine.model import Status
from fairlot.manifest.definitions import FeedDefinition, PropertyDefinition, SegmentDefinition
from fairlot.manifest.parts import groups_named
from fairlot.service.assembly import Stored, StoredDefinition
from fairlot.service.lifecycle import OVER
from fairlot.service.project_state import (
    EXPERIMENT,
    FEED,
    LAYER,
    METRIC,
    SEGMENT,
    Name,
    ProjectState,
)


class Overlap(NamedTuple):
    """Two running experiments that would share buckets of a layer."""

    mine: Experiment
    theirs: Experiment

    @property
    def buckets(self) -> str:
        mine = _range_of(self.mine)
        return f"{mine.start}-{mine.end}"

    @property
    def sentence(self) -> str:
        mine, theirs = _range_of(self.mine), _range_of(self.theirs)
        return (
            f"{self.mine.key} would share buckets of layer {mine.key} with {self.theirs.key}, which"
            f" runs in {theirs.start}-{theirs.end}: choose buckets that are free, or pause one of"
            " the two"
        )


def overlaps(experiments: Iterable[Stored], changed: Collection[str]) -> Iterator[Overlap]:
    """Those in which a changed experiment has a part, told from the side of the one that comes
    later in `changed`."""
    order = {key: number for number, key in enumerate(changed)}
    layers = defaultdict(list)
    for each in experiments:
        running = each.readable
        if running is not None and running.layer is not None and each.row.status == Status.RUNNING:
            layers[running.layer.key].append(running)
    for members in layers.values():
        for pair in _sharing(members):
            theirs, mine = sorted(pair, key=lambda each: order.get(each.key, -1))
            if mine.key in order:
                yield Overlap(mine, theirs)


def _sharing(members: list[Experiment]) -> Iterator[tuple[Experiment, Experiment]]:
    """Swept from bucket 0 up, so that a full layer of many experiments costs no square."""
    open_ones: list[Experiment] = []
    for each in sorted(members, key=lambda member: _range_of(member).start):
        start = _range_of(each).start
        open_ones = [other for other in open_ones if _range_of(other).end > start]
        yield from ((other, each) for other in open_ones)
        open_ones.append(each)


def _range_of(experiment: Experiment) -> LayerRange:
    if experiment.layer is None:
        raise LookupError(f"{experiment.key} is in no layer")
    return experiment.layer


def users_of(state: ProjectState) -> dict[Name, list[tuple[Name, str]]]:
    """Who names each definition, with the field that does; of experiments those of which it
    matters, now or later, what the definition says."""
    found: defaultdict[Name, list[tuple[Name, str]]] = defaultdict(list)
    for each in state.live_experiments:
        if each.row.status not in OVER or each.is_served:
            for name, field in _named_by(each):
                found[name].append(((EXPERIMENT, each.row.key), field))
    for definition in state.live_definitions:
        for name, field in _needed_by(definition):
            found[name].append(((definition.row.kind, definition.row.key), field))
    return dict(found)


def _named_by(each: Stored) -> Iterator[tuple[Name, str]]:
    experiment = each.readable
    if experiment is not None:
        if experiment.layer is not None:
            yield (LAYER, experiment.layer.key), "layer.key"
        for key in experiment.audience.segments:
            yield (SEGMENT, key), "audience.segments"
        for key in groups_named(experiment.audience.rule):
            yield (SEGMENT, key), "audience.rule"
        if experiment.activation is not None:
            for key in groups_named(experiment.activation.when.where):
                yield (SEGMENT, key), "when.where"
        for variant in experiment.variants:
            for key in feeds_bound(variant.payload):
                yield (FEED, key), f"variants.{variant.key}.payload"
    for metric in each.row.metrics:
        if "metric" in metric:
            yield (METRIC, metric["metric"]), "metrics"


def _needed_by(each: StoredDefinition) -> Iterator[tuple[Name, str]]:
    if isinstance(each.definition, SegmentDefinition):
        for key in each.definition.segments:
            yield (SEGMENT, key), "segments"
        for key in groups_named(each.definition.rule):
            yield (SEGMENT, key), "rule"
        for condition in each.definition.history:
            for key in groups_named(condition.where):
                yield (SEGMENT, key), "history"
    if isinstance(each.definition, PropertyDefinition):
        for key in groups_named(each.definition.when.where):
            yield (SEGMENT, key), "when.where"
    if isinstance(each.definition, FeedDefinition):
        for key in each.definition.fill_up:
            yield (FEED, key), "fillUp"
