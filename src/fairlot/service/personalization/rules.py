"""The rules of a project, compiled once with its manifest, and found by the name of an event."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from fairlot.engine import (
    ActivationRule,
    CompiledManifest,
    Device,
    EventRule,
    Experiment,
    InvalidExperiment,
    ListSegment,
    Manifest,
    Occurrence,
    PropertyRule,
    compile_condition,
    compile_manifest,
    rate_draw,
)
from fairlot.engine.errors import located
from fairlot.engine.hashing import CONTROL
from fairlot.engine.history import MAX_WITHIN_MS, check_event_rule, remembered
from fairlot.engine.needs import HistoryNeeds, all_of


@dataclass(frozen=True, slots=True)
class CompiledEventRule:
    """`counts` asks the properties of one event, `matches` the same of an occurrence, and remembers
    the answer as long as the occurrence is kept. `count` of them are needed within `window_ms`,
    or ever; history goes back `within_ms`."""

    counts: Callable[[Mapping[str, Any]], bool]
    matches: Callable[[Occurrence], bool]
    count: int
    window_ms: int | None

    @property
    def once(self) -> bool:
        return self.count == 1

    @property
    def within_ms(self) -> int:
        return self.window_ms or MAX_WITHIN_MS


@dataclass(frozen=True, slots=True)
class Triggered:
    """A personalization that is activated by what subjects do. `is_control` asks a unit id."""

    experiment: Experiment
    rule: ActivationRule
    when: CompiledEventRule
    is_control: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Captured:
    """A property that is taken from what subjects do."""

    rule: PropertyRule
    when: CompiledEventRule


@dataclass(frozen=True, slots=True)
class Watching:
    """What watches events of one name. `history_wanted` is which history is asked about then."""

    triggered: tuple[Triggered, ...]
    captured: tuple[Captured, ...]
    history_wanted: HistoryNeeds


@dataclass(frozen=True, slots=True)
class ProjectRules:
    """`watching` by the name of an event. `triggered` in the order in which they are served,
    `history_wanted` is what their audiences ask about. `property_keys` in the order of the
    manifest. `activating` decides who is activated.
    `broken` says of properties, by key, what is wrong with them."""

    watching: Mapping[str, Watching]
    triggered: tuple[Experiment, ...]
    history_wanted: HistoryNeeds
    property_keys: tuple[str, ...]
    activating: CompiledManifest
    broken: Mapping[str, str]


def compile_rules(compiled: CompiledManifest, needs: Mapping[str, HistoryNeeds]) -> ProjectRules:
    """`needs` are those of `ProjectServing.profile_needs`. One broken rule does not spoil the
    others: nothing comes of it."""
    manifest = compiled.manifest
    lists = {each.key: each for each in manifest.segments if isinstance(each, ListSegment)}
    broken: dict[str, str] = {}
    triggered: defaultdict[str, list[Triggered]] = defaultdict(list)
    captured: defaultdict[str, list[Captured]] = defaultdict(list)
    experiments = _triggered_of(compiled)
    for experiment, rule in experiments:
        when = _compile_when(rule.when, lists)
        found = Triggered(experiment, rule, when, _control_draw(experiment, rule))
        triggered[rule.when.event].append(found)
    for prop in manifest.properties:
        try:
            captured[prop.when.event].append(Captured(prop, _compile_when(prop.when, lists)))
        except InvalidExperiment as error:
            broken[prop.key] = str(error.under("when"))
    served = tuple(experiment for experiment, _ in experiments)
    return ProjectRules(
        watching={
            event: _watching(triggered[event], captured[event], needs)
            for event in (*triggered, *captured)
        },
        triggered=served,
        history_wanted=all_of(needs.get(each.key, {}) for each in served),
        property_keys=tuple(each.key for each in manifest.properties),
        activating=compile_manifest(_activating(manifest, served)),
        broken=broken,
    )


def _triggered_of(compiled: CompiledManifest) -> list[tuple[Experiment, ActivationRule]]:
    """Those that work, `priority` descending, then by key."""
    found = [
        (each, each.activation)
        for each in compiled.manifest.experiments
        if isinstance(each, Experiment)
        and each.activation is not None
        and each.key not in compiled.broken
    ]
    return sorted(found, key=lambda pair: (-pair[0].priority, pair[0].key))


def _compile_when(rule: EventRule, lists: Mapping[str, ListSegment]) -> CompiledEventRule:
    check_event_rule(rule)
    with located("where"):
        counts = compile_condition(rule.where, lists) if rule.where else _always
    matches = remembered(counts) if rule.where else _always
    return CompiledEventRule(counts, matches, rule.count, rule.within_ms)


def _always(_asked: object) -> bool:
    return True


def _control_draw(experiment: Experiment, rule: ActivationRule) -> Callable[[str], bool]:
    share_bp = rule.control_share_bp
    return rate_draw(experiment.salt, CONTROL, share_bp, inside=True, outside=False).outcome_for()


def _watching(
    triggered: list[Triggered], captured: list[Captured], needs: Mapping[str, HistoryNeeds]
) -> Watching:
    whens = [(each.rule.when.event, each.when) for each in triggered]
    whens += [(each.rule.when.event, each.when) for each in captured]
    counted = [{event: when.within_ms} for event, when in whens if not when.once]
    audiences = [needs.get(each.experiment.key, {}) for each in triggered]
    return Watching(tuple(triggered), tuple(captured), all_of([*counted, *audiences]))


def _activating(manifest: Manifest, triggered: tuple[Experiment, ...]) -> Manifest:
    """An event has no page. Who was activated before keeps its arm, but is asked again. Drawn as
    what events do not activate is."""
    return replace(
        manifest,
        experiments=tuple(
            replace(
                each,
                audience=replace(
                    each.audience, url_patterns=(), query_params=(), device=Device.ALL
                ),
                recheck_audience=True,
                activation=None,
            )
            for each in triggered
        ),
    )
