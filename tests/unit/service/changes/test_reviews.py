"""What files do where a project asks for a review, and to what is over."""

import pytest
from sqlalchemy import update

from fairlot.service.actions import Asked, act
from fairlot.service.actors import Actor, Scope
from fairlot.service.lifecycle import Action
from fairlot.service.refusals import MissingScope, Refused
from fairlot.service.snapshot import load_snapshot
from fairlot.store import Store
from fairlot.store.experiments import ExperimentRow, find_experiment
from fairlot.store.tables import experiments
from support.applying import ANNA, BEN, require_review, tenant_of
from unit.service.conftest import NOW_MS, Apply

WRITER = Actor("key:12345678", frozenset({Scope.READ, Scope.WRITE}))
SEGMENT = "kind: segment\nkey: vips\nname: VIPs\nrule: {tier: gold}\n"
INNER = "kind: segment\nkey: inner\nrule: {country: DE}\n"
PROPERTY = "kind: property\nkey: tier\nwhen: {event: order}\nvalue: tier\n"
HOLDOUT = "kind: holdout\nkey: quiet\nname: Quiet\nrate: 0.1\n"

FEED = "kind: feed\nkey: shoes\nalgorithm: newest\n"
MORE = "kind: feed\nkey: more\nname: More\nalgorithm: most_popular\n"
BUILT_IN = "kind: feed\nkey: most_popular\nalgorithm: most_popular\npin: [evil]\n"


def yaml(*lines: str, key: str = "hero") -> str:
    variants = "variants: [{key: a, name: A}, {key: b, name: B}]"
    return "\n".join((f"key: {key}", "name: Hero", *lines, variants, ""))


def do(store: Store, action: str, *, actor: Actor = BEN, key: str = "hero") -> None:
    asked = Asked(Action(action), "because", None)
    with store.writing() as connection:
        act(connection, tenant_of(connection), key, asked, actor=actor, now_ms=NOW_MS)


def row_of(store: Store, key: str = "hero") -> ExperimentRow:
    with store.reading() as connection:
        found = find_experiment(connection, tenant_of(connection).id, key)
    assert found is not None
    return found


def problems(apply: Apply, *texts: str, actor: Actor = ANNA) -> list[str]:
    with pytest.raises(Refused) as caught:
        apply(*texts, actor=actor)
    return [str(problem) for problem in caught.value.problems]


@pytest.mark.parametrize("status", ["running", "paused", "completed"])
def test_apply__in_a_project_with_review__stops_at_review_and_says_so(
    store: Store, apply: Apply, status: str
) -> None:
    require_review(store)
    applied = apply(yaml(f"status: {status}"))
    assert (applied.version, row_of(store).status) == (None, "review")
    (warning,) = applied.warnings
    assert (warning.code, warning.about) == ("waits_for_approval", "experiment:hero")
    assert "stops at review: somebody other than its author" in warning.sentence
    assert status in warning.sentence
    again = apply(yaml(f"status: {status}"))
    assert row_of(store).revision == 1
    assert again.warnings == (warning,)


def test_apply__after_the_approval__starts(store: Store, apply: Apply) -> None:
    require_review(store)
    apply(yaml())
    do(store, "approve")
    assert apply(yaml()).version == 1
    row = row_of(store)
    assert (row.status, row.approved_by, row.started_at_ms) == ("running", "local:ben", NOW_MS)


def test_apply__an_edit_of_what_is_approved__needs_another_review(
    store: Store, apply: Apply
) -> None:
    require_review(store)
    apply(yaml())
    do(store, "approve")
    (change,) = apply(yaml("sampleRate: 0.5")).changes
    row = row_of(store)
    assert (row.status, row.approved_by, row.author) == ("review", None, "local:anna")
    assert change.notes[0] == "was approved: what is edited has to be reviewed again"


@pytest.mark.parametrize("comment", ["# why", "status: draft"])
def test_apply__what_nobody_has_to_review__keeps_the_approval(
    store: Store, apply: Apply, comment: str
) -> None:
    apply(yaml("status: draft"))
    do(store, "submit")
    do(store, "approve")
    apply(yaml("status: draft", comment if comment.startswith("#") else "# other"))
    assert (row_of(store).status, row_of(store).approved_by) == ("approved", "local:ben")


def test_apply__a_draft_in_review__is_a_draft_for_the_file(store: Store, apply: Apply) -> None:
    apply(yaml("status: draft"))
    do(store, "submit")
    apply(yaml("status: draft"))
    assert row_of(store).status == "review"
    apply(yaml("status: draft", "priority: 2"))
    assert row_of(store).status == "draft"


def test_apply__an_edit_of_what_runs__needs_the_scope_approve(store: Store, apply: Apply) -> None:
    apply(yaml(), actor=WRITER)
    require_review(store)
    (told,) = problems(apply, yaml("sampleRate: 0.5"), actor=WRITER)
    assert told.startswith("file0.yaml:3: audience.sampleRate: 0.5: it has started, and this")
    assert "use a key with scope approve" in told
    apply(yaml("owner: ben"), actor=WRITER)
    apply(yaml("status: paused", "owner: ben"), actor=WRITER)
    apply(yaml("status: paused", "sampleRate: 0.5"), actor=ANNA)


@pytest.mark.parametrize("written", ["audience: {rule: {vip: %s}}", "metadata: {vip: %s}"])
def test_apply__value_of_another_type__is_an_edit(store: Store, apply: Apply, written: str) -> None:
    apply(yaml(written % 1), actor=WRITER)
    require_review(store)
    (told,) = problems(apply, yaml(written % "true"), actor=WRITER)
    assert "use a key with scope approve" in told
    apply(yaml("status: completed", "rollout: a", written % 1))
    (told,) = problems(apply, yaml("status: completed", "rollout: a", written % "true"))
    assert "use" not in told


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((SEGMENT,), (SEGMENT.replace("gold", "silver"),)),
        ((SEGMENT.replace("gold", "1"),), (SEGMENT.replace("gold", "true"),)),
        ((SEGMENT, HOLDOUT), (SEGMENT, HOLDOUT.replace("0.1", "0.9"))),
        ((SEGMENT,), (SEGMENT, HOLDOUT)),
        ((SEGMENT, INNER), (SEGMENT + "segments: [inner]\n",)),
        ((SEGMENT + "segments: [inner]\n", INNER), (SEGMENT,)),
        ((SEGMENT + "segments: [inner]\n", INNER), (INNER.replace("DE", "FR"),)),
    ],
)
def test_apply__a_definition_that_reaches_into_what_runs__needs_the_scope_approve(
    store: Store, apply: Apply, before: tuple[str, ...], after: tuple[str, ...]
) -> None:
    mine = yaml("audience: {segments: [vips]}")
    apply(mine, *before, actor=WRITER)
    require_review(store)
    (told,) = problems(apply, mine, *after, actor=WRITER)
    assert "is in use by what has started" in told
    apply(mine, *after, actor=ANNA)


def test_apply__a_definition_that_nothing_started_uses__needs_no_approval(
    store: Store, apply: Apply
) -> None:
    apply(SEGMENT, INNER, yaml("audience: {segments: [vips]}"), actor=WRITER)
    require_review(store)
    assert apply(INNER.replace("DE", "FR"), actor=WRITER).version is None
    assert apply(SEGMENT.replace("VIPs", "The best"), actor=WRITER).version is None


def test_apply__a_holdout_where_nothing_has_started__needs_no_approval(
    store: Store, apply: Apply
) -> None:
    require_review(store)
    apply(yaml("status: draft"), actor=WRITER)
    apply(HOLDOUT, actor=WRITER)
    apply(HOLDOUT.replace("0.1", "0.2"), actor=WRITER)
    apply(yaml())
    (told,) = problems(apply, HOLDOUT, actor=WRITER)
    assert "the holdout is in use by what has started or is under review" in told


def test_apply__a_definition_that_reaches_into_what_is_approved__needs_the_scope_approve(
    store: Store, apply: Apply
) -> None:
    require_review(store)
    apply(yaml("audience: {segments: [vips]}"), SEGMENT)
    do(store, "approve")
    (told,) = problems(apply, SEGMENT.replace("gold", "silver"), actor=WRITER)
    assert "is in use by what has started or is under review" in told


def test_apply__a_property_that_what_runs_looks_at__needs_the_scope_approve(
    store: Store, apply: Apply
) -> None:
    mine = yaml("audience: {rule: {tier: gold}}")
    apply(mine, PROPERTY, PROPERTY.replace("tier", "other"), actor=WRITER)
    require_review(store)
    apply(PROPERTY.replace("tier", "other").replace("order", "view"), actor=WRITER)
    (told,) = problems(apply, PROPERTY.replace("order", "view"), actor=WRITER)
    assert "tier: the property is in use by what has started" in told
    apply(PROPERTY.replace("order", "view"))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((FEED,), (FEED + "pin: [evil]\n",)),
        ((FEED + "only: {stock: 1}\n",), (FEED + "only: {stock: true}\n",)),
        ((FEED + "fillUp: [more]\n", MORE), (MORE + "pin: [evil]\n",)),
        ((FEED + "fillUp: [most_popular]\n",), (BUILT_IN,)),
        ((FEED + "fillUp: [more]\n", MORE), (FEED,)),
    ],
    ids=[
        "bound",
        "of another type",
        "fills up",
        "takes the place of a built-in one",
        "filled up no more",
    ],
)
def test_apply__a_feed_that_what_runs_binds__needs_the_scope_approve(
    store: Store, apply: Apply, before: tuple[str, ...], after: tuple[str, ...]
) -> None:
    mine = yaml().replace("name: A}", "name: A, payload: {shown: [{$feed: shoes}]}}")
    apply(mine, *before, actor=WRITER)
    require_review(store)
    (told,) = problems(apply, *after, actor=WRITER)
    assert "the feed is in use by what has started" in told
    apply(*after, actor=ANNA)


def test_apply__a_feed_that_nothing_started_binds__needs_no_approval(
    store: Store, apply: Apply
) -> None:
    mine = yaml("status: draft").replace("name: A}", "name: A, payload: {$feed: more}}")
    apply(mine, yaml(key="other"), FEED, MORE, actor=WRITER)
    require_review(store)
    apply(FEED + "pin: [good]\n", MORE + "pin: [good]\n", actor=WRITER)
    apply(mine.replace("draft", "running"), actor=WRITER)
    apply(FEED, actor=WRITER)
    (told,) = problems(apply, MORE, actor=WRITER)
    assert "more: the feed is in use by what has started or is under review" in told
    apply(MORE.replace("More", "Others") + "pin: [good]\n", actor=WRITER)


@pytest.mark.parametrize("status", ["running", "paused", "draft"])
def test_apply__a_killed_experiment__stays_killed_and_is_warned_of(
    store: Store, apply: Apply, status: str
) -> None:
    apply(yaml())
    do(store, "kill")
    applied = apply(yaml(f"status: {status}"), yaml(key="other"))
    assert row_of(store).status == "killed"
    (warning,) = applied.warnings
    assert (warning.code, warning.about) == ("killed", "experiment:hero")
    assert "was killed (because) and stays so, though file0.yaml:1" in warning.sentence
    served = load_snapshot(store).projects["default", "default"].compiled.experiments
    assert set(served) == {"other"}


def test_apply__completed_for_a_killed_one__asks_for_nothing_more(
    store: Store, apply: Apply
) -> None:
    apply(yaml())
    do(store, "kill")
    applied = apply(yaml("status: completed"))
    assert applied.warnings == ()
    assert (row_of(store).status, row_of(store).status_reason) == ("killed", "because")
    assert "status: completed" in row_of(store).source


def test_apply__an_edit_of_a_killed_one__is_refused(store: Store, apply: Apply) -> None:
    apply(yaml())
    do(store, "kill")
    told = problems(apply, yaml("status: completed", "rollout: a", "priority: 2"))
    why = "it is killed, and nothing may change: start afresh under a new key"
    assert told == [f"file0.yaml:4: rollout: a: {why}", f"file0.yaml:5: priority: 2: {why}"]


def test_apply__of_a_killed_one_without_a_field_that_it_had__names_the_field(
    store: Store, apply: Apply
) -> None:
    apply(yaml("priority: 2"))
    do(store, "kill")
    (told,) = problems(apply, yaml("status: completed"))
    assert told.startswith("file0.yaml:1: priority: it is killed, and nothing may change")


def test_rollout__where_a_review_is_asked_for__needs_the_scope_approve(
    store: Store, apply: Apply
) -> None:
    apply(yaml("status: completed"))
    require_review(store)
    everybody = Asked(Action.ROLLOUT, None, "b")
    with pytest.raises(MissingScope), store.writing() as connection:
        act(connection, tenant_of(connection), "hero", everybody, actor=WRITER, now_ms=NOW_MS)
    (told,) = problems(apply, yaml("status: completed", "rollout: b"), actor=WRITER)
    assert "use a key with scope approve" in told
    apply(yaml("status: completed", "rollout: b"), actor=ANNA)
    with store.writing() as connection:
        nobody = Asked(Action.ROLLOUT)
        act(connection, tenant_of(connection), "hero", nobody, actor=WRITER, now_ms=NOW_MS)


def test_apply__paused_for_a_reason__tells_it(store: Store, apply: Apply) -> None:
    apply(yaml())
    do(store, "pause")
    (kept,) = apply(yaml("owner: ben")).warnings
    assert kept.sentence == "was paused (because) and stays so: write status: running to resume it"
    (undone,) = apply(yaml("owner: ben", "status: running")).warnings
    assert undone.sentence.startswith("was paused (because) and is resumed, as ")


def test_apply__completed_and_unreadable__is_no_fault_of_the_server(
    store: Store, apply: Apply
) -> None:
    apply(yaml("status: completed"))
    with store.writing() as connection:
        connection.execute(update(experiments).values(document=b"{}"))
    told = problems(apply, yaml("status: running"))
    assert told
    assert all("it is completed, and only rollout may change" in each for each in told)
