"""What stands in the way of a change when all of a project is looked at, before and after."""

from collections.abc import Iterator

from msgspec import structs

from fairlot.engine import Experiment, PropertyRule
from fairlot.engine.bindings import feeds_bound
from fairlot.manifest.contents import same_content
from fairlot.manifest.definitions import Definition, HoldoutDefinition
from fairlot.manifest.parts import ManifestParts, manifest_parts
from fairlot.manifest.problems import SpecProblem
from fairlot.service.actors import Actor, Scope
from fairlot.service.changes.conflicts import overlaps, users_of
from fairlot.service.changes.steps import Places, problem_at
from fairlot.service.feeds.sources import sources_of, with_built_in
from fairlot.service.lifecycle import UNDER_REVIEW
from fairlot.service.moves.deals import reached_by
from fairlot.service.moves.properties import properties_read
from fairlot.service.plan_document import PlanWarning
from fairlot.service.project_state import (
    EXPERIMENT,
    FEED,
    HOLDOUT,
    LAYER,
    PROPERTY,
    SEGMENT,
    Name,
    ProjectState,
)


def problems_between(
    before: ProjectState, after: ProjectState, places: Places, actor: Actor
) -> Iterator[SpecProblem]:
    yield from _overlaps(after, places)
    yield from _used_and_gone(before, after, places)
    yield from _new_layer_salts(before, after, places)
    yield from _second_holdout(after, places)
    if after.tenant.review_required and Scope.APPROVE not in actor.scopes:
        yield from _unreviewed(before, after, places)


def warnings_between(before: ProjectState, after: ProjectState) -> Iterator[PlanWarning]:
    yield from _salt_of_an_ended_holdout(before, after)
    yield from _new_holdout_rate(before, after)


def _new_holdout_rate(before: ProjectState, after: ProjectState) -> Iterator[PlanWarning]:
    """A holdout remembers nobody: those between the rates change their arm."""
    for name, each in after.definitions.items():
        stored = before.definitions.get(name)
        if stored is None or each.row.deleted_at_ms is not None:
            continue
        was, will = stored.definition, each.definition
        if not isinstance(was, HoldoutDefinition) or not isinstance(will, HoldoutDefinition):
            continue
        moved_bp = will.rate_bp - was.rate_bp
        if not moved_bp:
            continue
        turn = "from open to held" if moved_bp > 0 else "from held to open"
        sentence = (
            f"moves {abs(moved_bp) / 100:g}% of all subjects {turn}; in the holdout's own result"
            " those seen before stay in their first arm, or, seen in both, are left out: it tells"
            " too small a difference, and is blocked once they are many; to measure, delete this"
            " holdout, and begin another under a new key, with a salt of its own"
        )
        yield PlanWarning(code="holdout_rate", about=":".join(name), sentence=sentence)


def _salt_of_an_ended_holdout(before: ProjectState, after: ProjectState) -> Iterator[PlanWarning]:
    """One that begins with the salt of one that has ended holds the same subjects."""
    ended = {
        each.row.salt: each.row.key
        for name, each in after.definitions.items()
        if name[0] == HOLDOUT and each.row.deleted_at_ms is not None
    }
    for name, each in after.definitions.items():
        if name[0] == HOLDOUT and name not in before.definitions and each.row.salt in ended:
            sentence = (
                f"holds the same subjects back as {ended[each.row.salt]} did: write a salt of its"
                " own to draw them anew"
            )
            yield PlanWarning(code="holdout_salt", about=":".join(name), sentence=sentence)


def _overlaps(after: ProjectState, places: Places) -> Iterator[SpecProblem]:
    keys = [key for kind, key in places if kind == EXPERIMENT]
    for each in overlaps(after.live_experiments, keys):
        spec = places[EXPERIMENT, each.mine.key]
        yield problem_at(spec, "layer", each.buckets, each.sentence)


def _used_and_gone(
    before: ProjectState, after: ProjectState, places: Places
) -> Iterator[SpecProblem]:
    gone = [
        name
        for name, each in after.definitions.items()
        if each.row.deleted_at_ms is not None and before.definitions[name].row.deleted_at_ms is None
    ]
    used_by = users_of(after) if gone else {}
    for name in gone:
        for user, field in used_by.get(name, ())[:1]:
            kind, key = name
            fix = (
                f"the {kind} {key} would be deleted, and {':'.join(user)} uses it: keep the {kind},"
                " or change that first"
            )
            yield problem_at(places.get(user), field, key, fix)


def _new_layer_salts(
    before: ProjectState, after: ProjectState, places: Places
) -> Iterator[SpecProblem]:
    changed = [
        name
        for name, each in after.definitions.items()
        if name[0] == LAYER
        and name in before.definitions
        and each.row.salt != before.definitions[name].row.salt
    ]
    if not changed:
        return
    users_before, users_after = users_of(before), users_of(after)
    for name in changed:
        still = {user for user, _ in users_before.get(name, ())} & {
            user for user, _ in users_after.get(name, ())
        }
        for user in sorted(still)[:1]:
            fix = (
                f"a new salt deals all buckets of the layer anew, and {':'.join(user)} uses it:"
                " take another layer, under a new key"
            )
            yield problem_at(places.get(name), "salt", after.definitions[name].row.salt or "", fix)


def _second_holdout(after: ProjectState, places: Places) -> Iterator[SpecProblem]:
    live = [each.row.key for each in after.live_definitions if each.row.kind == HOLDOUT]
    for key in live[1:]:
        other = live[0] if (HOLDOUT, key) in places else key
        mine = key if (HOLDOUT, key) in places else live[0]
        fix = f"a project has one holdout, and it has {other}: delete that one first"
        yield problem_at(places.get((HOLDOUT, mine)), "key", mine, fix)


def _unreviewed(before: ProjectState, after: ProjectState, places: Places) -> Iterator[SpecProblem]:
    """A definition reaches into what somebody has approved or has to: changing one is an edit."""
    was, will = _guarded(before), _guarded(after)
    changed: list[Name] = []
    if was.experiments and was.holdout != will.holdout:
        changed += [(HOLDOUT, each.key) for each in (will.holdout or was.holdout,) if each]
    changed += [
        (SEGMENT, each.key)
        for each in was.segments
        if not same_content(_holds(before, each.key), _holds(after, each.key))
    ]
    changed += [(PROPERTY, key) for key in _other_properties(was, will)]
    changed += [(FEED, key) for key in _other_feeds(was, will)]
    for name in changed:
        fix = (
            f"the {name[0]} is in use by what has started or is under review, and this project asks"
            " for one: use a key with scope approve"
        )
        yield problem_at(places.get(name), "", name[1], fix)


def _other_properties(was: ManifestParts, will: ManifestParts) -> list[str]:
    """Those that an audience looks at; another audience or segment is an edit of its own."""
    segments = {each.key: each for each in was.segments}
    before: dict[str, PropertyRule] = {}
    after: dict[str, PropertyRule] = {}
    for each in was.experiments:
        if isinstance(each, Experiment):
            reached = reached_by(each, segments).values()
            before |= properties_read(each.audience, reached, was.properties)
            after |= properties_read(each.audience, reached, will.properties)
    keys = dict.fromkeys((*before, *after))
    return [key for key in keys if not same_content(before.get(key), after.get(key))]


def _holds(state: ProjectState, key: str) -> Definition:
    """What a segment says of subjects, also which others it nests, but for what people call it."""
    definition = state.definitions[SEGMENT, key].definition
    return structs.replace(definition, name=key, description=None)


def _other_feeds(was: ManifestParts, will: ManifestParts) -> list[str]:
    """Those that a payload binds, or that fill such a one up, and whose products will be others."""
    before, after = with_built_in(was.feeds), with_built_in(will.feeds)
    reached = dict.fromkeys(
        key
        for each in was.experiments
        if isinstance(each, Experiment)
        for variant in each.variants
        for key in feeds_bound(variant.payload)
    )
    for key in [*reached]:
        if key in before:
            reached |= dict.fromkeys(feed.key for feed in sources_of(before[key], before))
    return [key for key in reached if not same_content(before.get(key), after.get(key))]


def _guarded(state: ProjectState) -> ManifestParts:
    return manifest_parts(
        [
            each.experiment
            for each in state.live_experiments
            if each.is_served or each.row.status in UNDER_REVIEW
        ],
        [each.definition for each in state.live_definitions],
        state.tenant.key,
    )
