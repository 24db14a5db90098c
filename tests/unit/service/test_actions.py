"""Every pair of a state and an action, through the service, and what guards stand before."""

import threading
from collections.abc import Callable

import pytest

from fairlot.service.actions import Acted, Asked, act
from fairlot.service.actors import SYSTEM, Actor, Scope
from fairlot.service.changes.single import revert_document
from fairlot.service.lifecycle import (
    TRANSITIONS,
    Action,
    ActionRefused,
    Refusal,
    State,
    Unreviewed,
)
from fairlot.service.refusals import MissingScope, NotThere, ReasonMissing
from fairlot.service.snapshot import load_snapshot
from fairlot.store import Store
from fairlot.store.audit import read_audit_records
from fairlot.store.experiments import ExperimentRow, find_experiment
from fairlot.store.revisions import revisions_of
from fairlot.store.tables import experiments
from support.applying import ANNA, BEN, CARL, require_review, tenant_of
from unit.service.conftest import NOW_MS, Apply

WAYS: dict[State, tuple[Action, ...]] = {
    State.DRAFT: (),
    State.REVIEW: (Action.SUBMIT,),
    State.APPROVED: (Action.SUBMIT, Action.APPROVE),
    State.RUNNING: (Action.SUBMIT, Action.APPROVE, Action.START),
    State.PAUSED: (Action.SUBMIT, Action.APPROVE, Action.START, Action.PAUSE),
    State.COMPLETED: (Action.SUBMIT, Action.APPROVE, Action.START, Action.COMPLETE),
    State.KILLED: (Action.SUBMIT, Action.APPROVE, Action.START, Action.KILL),
}
Do = Callable[..., Acted]


def draft(key: str = "hero", *lines: str) -> str:
    variants = "variants: [{key: a, name: A}, {key: b, name: B}]"
    return "\n".join((f"key: {key}", "name: Hero", "status: draft", *lines, variants, ""))


@pytest.fixture
def do(store: Store) -> Do:
    def do_one(
        action: Action | str,
        key: str = "hero",
        *,
        actor: Actor = BEN,
        reason: str | None = "because",
        variant: str | None = None,
    ) -> Acted:
        asked = Asked(Action(action), reason, variant)
        with store.writing() as connection:
            tenant = tenant_of(connection)
            return act(connection, tenant, key, asked, actor=actor, now_ms=NOW_MS + 1)

    return do_one


def row_of(store: Store, key: str = "hero") -> ExperimentRow:
    with store.reading() as connection:
        found = find_experiment(connection, tenant_of(connection).id, key)
    assert found is not None
    return found


@pytest.mark.parametrize("review", [False, True])
@pytest.mark.parametrize("state", list(State))
def test_act__every_action_in_a_state__leads_on_or_is_refused_with_a_reason(
    store: Store, apply: Apply, do: Do, state: State, review: bool
) -> None:
    apply(*(draft(f"for-{action}") for action in Action))
    for action in Action:
        for each in WAYS[state]:
            do(each, f"for-{action}")
    if review:
        require_review(store)
    for action in Action:
        key = f"for-{action}"
        before = row_of(store, key)
        assert before.status == state
        cell = TRANSITIONS[state][action]
        if isinstance(cell, Unreviewed):
            cell = cell.refusal if review else cell.state
        if isinstance(cell, Refusal):
            with pytest.raises(ActionRefused) as caught:
                do(action, key, variant="a")
            assert cell.text in str(caught.value)
            assert (caught.value.state, caught.value.action) == (state, action)
            assert row_of(store, key) == before
        else:
            assert do(action, key, variant="a").row == row_of(store, key)
            assert row_of(store, key).status == cell
            assert row_of(store, key).revision == before.revision + 1


@pytest.mark.parametrize("state", [State.RUNNING, State.PAUSED])
def test_kill__of_what_has_started__leaves_the_manifest_and_says_why(
    store: Store, apply: Apply, do: Do, state: State
) -> None:
    apply(draft())
    for each in WAYS[state]:
        do(each)
    acted = do("kill", reason="checkout is broken")
    assert (acted.row.status, acted.row.status_reason) == ("killed", "checkout is broken")
    serving = load_snapshot(store).projects["default", "default"]
    assert serving.version == acted.version
    assert serving.compiled.manifest.experiments == ()


@pytest.mark.parametrize("reason", [None, "", "  \n"])
@pytest.mark.parametrize(
    ("action", "way"), [("kill", WAYS[State.RUNNING]), ("reject", WAYS[State.REVIEW])]
)
def test_act__that_needs_a_reason__without_one_is_refused(
    store: Store, apply: Apply, do: Do, action: str, way: tuple[Action, ...], reason: str | None
) -> None:
    apply(draft())
    for each in way:
        do(each)
    before = row_of(store)
    with pytest.raises(ReasonMissing, match="say in a few words why"):
        do(action, reason=reason)
    assert row_of(store) == before


def test_approve__by_the_author_of_the_newest_content__is_refused(
    store: Store, apply: Apply, do: Do
) -> None:
    apply(draft(), actor=ANNA)
    do("submit", actor=ANNA)
    with pytest.raises(ActionRefused, match="local:anna is among its authors"):
        do("approve", actor=ANNA)
    approved = do("approve", actor=BEN).row
    assert (approved.status, approved.approved_by, approved.author) == (
        "approved",
        "local:ben",
        "local:anna",
    )


def test_approve__of_what_two_have_written__needs_a_third(
    store: Store, apply: Apply, do: Do
) -> None:
    apply(draft(), actor=ANNA)
    do("submit", actor=ANNA)
    apply(draft("hero", "priority: 3"), actor=BEN)
    assert row_of(store).status == "draft"
    do("submit")
    for author in (ANNA, BEN):
        with pytest.raises(ActionRefused, match="among its authors: somebody else"):
            do("approve", actor=author)
    assert do("approve", actor=CARL).row.approved_by == "local:carl"


def test_approve__of_an_edit_of_what_was_approved__asks_who_wrote_the_edit(
    store: Store, apply: Apply, do: Do
) -> None:
    apply(draft(), actor=ANNA)
    for each in WAYS[State.APPROVED]:
        do(each, actor=BEN)
    apply(draft("hero", "priority: 3"), actor=BEN)
    do("submit")
    with pytest.raises(ActionRefused, match="local:ben is among its authors"):
        do("approve", actor=BEN)
    assert do("approve", actor=ANNA).row.approved_by == "local:anna"


def test_approve__of_a_text_that_another_brought_back__is_not_for_its_author(
    store: Store, apply: Apply, do: Do
) -> None:
    apply(draft(), actor=ANNA)
    apply(draft("hero", "priority: 3"), actor=BEN)
    for each in WAYS[State.APPROVED]:
        do(each, actor=CARL)
    with store.writing() as connection:
        tenant, name = tenant_of(connection), ("experiment", "hero")
        revert_document(connection, tenant, name, 1, actor=BEN, now_ms=NOW_MS + 2)
    do("submit")
    for author in (ANNA, BEN):
        with pytest.raises(ActionRefused, match="among its authors: somebody else"):
            do("approve", actor=author)
    assert do("approve", actor=CARL).row.approved_by == "local:carl"


def test_approve__after_a_comment_by_the_approver__is_done(apply: Apply, do: Do) -> None:
    apply(draft(), actor=ANNA)
    do("submit", actor=ANNA)
    apply(draft("hero", "# a comment"), actor=BEN)
    assert do("approve", actor=BEN).row.approved_by == "local:ben"


def test_reject__of_what_was_approved__forgets_the_approval_and_says_why(
    store: Store, apply: Apply, do: Do
) -> None:
    apply(draft(), actor=ANNA)
    for each in WAYS[State.APPROVED]:
        do(each)
    rejected = do("reject", reason="wrong audience").row
    assert (rejected.status, rejected.approved_by, rejected.status_reason) == (
        "draft",
        None,
        "wrong audience",
    )


@pytest.mark.parametrize("action", list(Action))
def test_act__without_its_scope__is_refused(
    store: Store, apply: Apply, do: Do, action: Action
) -> None:
    apply(draft())
    needed = Scope.APPROVE if action in ("approve", "reject") else Scope.WRITE
    nearly = Actor("key:12345678", frozenset(Scope) - {needed})
    with pytest.raises(MissingScope) as caught:
        do(action, actor=nearly)
    assert caught.value.scope == needed


def test_act__by_the_server_itself__needs_no_scope(apply: Apply, do: Do) -> None:
    apply(draft())
    assert do("start", actor=SYSTEM).row.status == "running"


def test_act__on_what_is_not_there_or_deleted__is_refused(apply: Apply, do: Do) -> None:
    apply(draft(), draft("other"))
    apply(draft("other"), allow_deletes=True)
    for key in ("hero", "nowhere"):
        with pytest.raises(NotThere, match=key):
            do("start", key)


def test_start__first_time__keeps_the_draw_and_the_moment(
    store: Store, apply: Apply, do: Do
) -> None:
    apply(draft("hero", "layer: {key: shop, start: 0, end: 5000}"))
    assert row_of(store).started_at_ms is None
    started = do("start").row
    assert started.started_at_ms == NOW_MS + 1
    assert started.draw_at_start is not None
    assert "layer.shop" in started.draw_at_start
    do("pause")
    resumed = do("resume").row
    assert (resumed.started_at_ms, resumed.draw_changed) == (NOW_MS + 1, False)


@pytest.mark.parametrize(("first", "then"), [("start", "start"), ("resume", "resume")])
def test_start_and_resume__in_buckets_that_another_runs_in__are_refused(
    apply: Apply, do: Do, first: str, then: str
) -> None:
    mine = draft("hero", "layer: {key: shop, start: 0, end: 5000}")
    apply(mine, draft("other", "layer: {key: shop, start: 4999, end: 6000}"))
    if first == "resume":
        do("start")
        do("pause")
    do("start", "other")
    with pytest.raises(ActionRefused, match="other, which runs in 4999-6000"):
        do(then)
    do("pause", "other")
    assert do(then).row.status == "running"


def test_rollout__of_a_completed_one__is_served_to_everybody_until_it_ends(
    store: Store, apply: Apply, do: Do
) -> None:
    apply(draft())
    do("start")
    do("complete")
    assert load_snapshot(store).projects["default", "default"].compiled.experiments == {}
    with pytest.raises(ActionRefused, match="name one of a, b"):
        do("rollout", variant="c")
    with pytest.raises(ActionRefused, match="no rollout"):
        do("rollout")
    do("rollout", variant="b")
    (served,) = load_snapshot(store).projects["default", "default"].compiled.manifest.experiments
    assert getattr(served, "rollout", None) == "b"
    with pytest.raises(ActionRefused, match="gives b already"):
        do("rollout", variant="b")
    do("rollout")
    assert load_snapshot(store).projects["default", "default"].compiled.experiments == {}


def test_act__every_time__adds_a_revision_and_an_audit_record(
    store: Store, apply: Apply, do: Do
) -> None:
    apply(draft())
    do("start", actor=ANNA)
    do("kill", reason="broken", actor=BEN)
    with store.reading() as connection:
        tenant = tenant_of(connection)
        killed, started, created = revisions_of(
            connection, tenant.id, "experiment", "hero", limit=10, before=None
        )
        records = read_audit_records(connection, tenant.organization_id, limit=100, after=0)
    assert (created.number, created.action, created.status) == (1, "create", "draft")
    assert (started.number, started.action, started.author) == (2, "start", "local:anna")
    assert (killed.action, killed.status, killed.reason) == ("kill", "killed", "broken")
    assert killed.source == draft()
    told = [(row.actor, row.action) for row in records if row.target == "experiment:hero"]
    assert told == [
        ("local:anna", "experiment.create"),
        ("local:anna", "experiment.start"),
        ("local:ben", "experiment.kill"),
    ]


def test_kill__of_what_cannot_be_read__is_possible(store: Store, apply: Apply, do: Do) -> None:
    apply(draft())
    do("start")
    with store.writing() as connection:
        connection.execute(experiments.update().values(document=b"{}"))
    assert do("kill").row.status == "killed"


def test_start__twice_at_the_same_time__succeeds_once(store: Store, apply: Apply, do: Do) -> None:
    apply(draft())
    together, outcomes = threading.Barrier(2), []

    def start() -> None:
        together.wait()
        try:
            outcomes.append(do("start").row.status)
        except ActionRefused as refused:
            outcomes.append(refused.refusal.text)

    threads = [threading.Thread(target=start) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["it runs already: edit it, pause it or complete it", "running"]
    assert row_of(store).revision == 2
