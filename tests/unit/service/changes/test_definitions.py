"""Layers, segments, the holdout and metrics in a change; deletes; stale plans."""

import pytest
from sqlalchemy import text

from fairlot.engine import Holdout, Layer, Manifest, RuleSegment
from fairlot.service.actions import Asked as Act
from fairlot.service.actions import act
from fairlot.service.changes.single import delete_document, put_document, revert_document
from fairlot.service.lifecycle import Action
from fairlot.service.plan_document import ChangeAction
from fairlot.service.refusals import NotThere, Refused, StalePlan
from fairlot.service.snapshot import load_snapshot
from fairlot.store import Store
from fairlot.store.definitions import DefinitionRow, definitions_of
from fairlot.store.revisions import RevisionRow, revisions_of
from support.applying import ANNA, BEN, tenant_of
from unit.service.conftest import NOW_MS, Apply

LIST = "kind: segment\nkey: list\nvalues: [a]\n"
LAYER = "kind: layer\nkey: shop\nname: Shop\n"
GOLD = "kind: segment\nkey: gold\nname: Gold\nrule: {tier: gold}\n"
VIPS = "kind: segment\nkey: vips\nname: VIPs\nsegments: [gold]\n"
HOLDOUT = "kind: holdout\nkey: quiet\nname: Quiet\nrate: 0.1\n"
METRIC = "kind: metric\nkey: orders\nname: Orders\ntype: conversion\neventName: order\n"


def yaml(*lines: str, key: str = "hero") -> str:
    variants = "variants: [{key: a, name: A}, {key: b, name: B}]"
    return "\n".join((f"key: {key}", "name: Hero", *lines, variants, ""))


IN_SHOP = yaml("layer: {key: shop, start: 0, end: 5000}")
FOR_VIPS = yaml("audience: {segments: [vips]}")
OF_ORDERS = yaml("metrics: [orders]")


def manifest(store: Store) -> Manifest:
    return load_snapshot(store).projects["default", "default"].compiled.manifest


def definition(store: Store, kind: str, key: str) -> DefinitionRow:
    with store.reading() as connection:
        rows = definitions_of(connection, tenant_of(connection).id)
    (row,) = [row for row in rows if (row.kind, row.key) == (kind, key)]
    return row


def revisions(store: Store, kind: str, key: str) -> list[RevisionRow]:
    with store.reading() as connection:
        tenant = tenant_of(connection)
        return revisions_of(connection, tenant.id, kind, key, limit=100, before=None)


def problems(apply: Apply, *texts: str, allow_deletes: bool = False) -> list[str]:
    with pytest.raises(Refused) as caught:
        apply(*texts, allow_deletes=allow_deletes)
    return [str(problem) for problem in caught.value.problems]


def test_apply__all_kinds__are_stored_and_what_is_used_is_published(
    store: Store, apply: Apply
) -> None:
    applied = apply(LAYER, GOLD, VIPS, HOLDOUT, METRIC, FOR_VIPS)
    assert [(each.kind, each.key, each.action) for each in applied.changes] == [
        ("layer", "shop", ChangeAction.CREATE),
        ("segment", "gold", ChangeAction.CREATE),
        ("segment", "vips", ChangeAction.CREATE),
        ("holdout", "quiet", ChangeAction.CREATE),
        ("metric", "orders", ChangeAction.CREATE),
        ("experiment", "hero", ChangeAction.CREATE),
    ]
    published = manifest(store)
    assert published.holdout == Holdout("quiet", "holdout.default", 1000)
    assert published.layers == ()
    assert {each.key for each in published.segments} == {"gold", "vips"}
    assert published.segments[0] == RuleSegment("gold", {"tier": "gold"})
    assert definition(store, "metric", "orders").salt is None
    assert definition(store, "layer", "shop").salt == "layer.shop"


def test_apply__same_definitions_again__changes_nothing(store: Store, apply: Apply) -> None:
    texts = (LAYER, GOLD, VIPS, HOLDOUT, METRIC, FOR_VIPS)
    first = apply(*texts)
    again = apply(*texts)
    assert {change.action for change in again.changes} == {ChangeAction.NONE}
    assert (again.version, again.base) == (None, first.base)
    assert len(revisions(store, "segment", "gold")) == 1


def test_apply__changed_segment__is_told_field_by_field_and_published(
    store: Store, apply: Apply
) -> None:
    apply(GOLD, VIPS, FOR_VIPS)
    applied = apply(GOLD.replace("gold}", "silver}"))
    (change,) = applied.changes
    (field,) = change.fields
    assert (field.path, field.before, field.after) == (
        "rule",
        {"tier": "gold"},
        {"tier": "silver"},
    )
    assert applied.version == 2
    assert manifest(store).segments[0] == RuleSegment("gold", {"tier": "silver"})
    newest, first = revisions(store, "segment", "gold")
    assert (newest.number, newest.action, newest.author) == (2, "update", "local:anna")
    assert (first.source, newest.source) == (GOLD, GOLD.replace("gold}", "silver}"))


def test_apply__layer_that_is_first_named_and_then_written__is_one_layer(
    store: Store, apply: Apply
) -> None:
    applied = apply(IN_SHOP)
    assert applied.changes[0].notes == ("made because hero names it",)
    assert applied.not_in_files == ()
    (change,) = apply(LAYER).changes
    assert (change.action, [field.path for field in change.fields]) == (
        ChangeAction.UPDATE,
        ["name"],
    )
    assert manifest(store).layers == (Layer("shop", "layer.shop"),)
    assert len(revisions(store, "layer", "shop")) == 2


def test_apply__layer_of_the_files__is_there_for_their_experiments(
    store: Store, apply: Apply
) -> None:
    apply(f"{LAYER}salt: special\n", IN_SHOP)
    assert manifest(store).layers == (Layer("shop", "special"),)
    apply(LAYER)
    assert manifest(store).layers == (Layer("shop", "special"),)


@pytest.mark.parametrize("status", ["draft", "running", "paused"])
def test_apply__new_salt_of_a_layer_in_use__is_refused(apply: Apply, status: str) -> None:
    mine = yaml(f"status: {status}", "layer: {key: shop, start: 0, end: 5000}")
    apply(LAYER, mine)
    (told,) = problems(apply, f"{LAYER}salt: other\n")
    assert "file0.yaml:4: salt: other: a new salt deals all buckets of the layer anew" in told
    assert "experiment:hero uses it" in told


def test_apply__new_salt_of_a_layer_that_nobody_uses__is_stored(store: Store, apply: Apply) -> None:
    apply(LAYER, yaml("status: draft", "layer: {key: shop, start: 0, end: 5000}"))
    apply(f"{LAYER}salt: other\n", yaml("status: draft"))
    assert definition(store, "layer", "shop").salt == "other"


def test_apply__new_salt_of_a_holdout__is_refused(store: Store, apply: Apply) -> None:
    apply(HOLDOUT)
    (told,) = problems(apply, f"{HOLDOUT}salt: other\n")
    assert "another salt holds others back" in told
    apply(HOLDOUT.replace("0.1", "0.25"))
    assert manifest(store).holdout == Holdout("quiet", "holdout.default", 2500)


@pytest.mark.parametrize(
    ("rate", "told"),
    [
        ("0.25", "moves 15% of all subjects from open to held"),
        ("0.0625", "moves 3.75% of all subjects from held to open"),
    ],
)
def test_apply__new_rate_of_a_holdout__warns_of_its_result(
    apply: Apply, rate: str, told: str
) -> None:
    assert apply(HOLDOUT).warnings == ()
    (warning,) = apply(HOLDOUT.replace("0.1", rate)).warnings
    assert (warning.code, warning.about) == ("holdout_rate", "holdout:quiet")
    assert told in warning.sentence
    assert "begin another under a new key" in warning.sentence
    assert apply(HOLDOUT.replace("0.1", rate).replace("Quiet", "Calm")).warnings == ()


def test_apply__second_holdout__is_refused_until_the_first_is_gone(
    store: Store, apply: Apply
) -> None:
    apply(HOLDOUT)
    other = HOLDOUT.replace("quiet", "calm")
    (told,) = problems(apply, other)
    assert "a project has one holdout" in told
    applied = apply(other, allow_deletes=True)
    assert [(each.key, each.action) for each in applied.changes] == [
        ("calm", ChangeAction.CREATE),
        ("quiet", ChangeAction.DELETE),
    ]
    (warning,) = applied.warnings
    assert (warning.code, warning.about) == ("holdout_salt", "holdout:calm")
    assert "holds the same subjects back as quiet did" in warning.sentence
    found = manifest(store).holdout
    assert found is not None
    assert found.key == "calm"
    (told,) = problems(apply, HOLDOUT, allow_deletes=True)
    assert "a deleted key is never used again" in told


@pytest.mark.parametrize(
    ("kept", "gone", "field"),
    [
        (IN_SHOP, LAYER, "layer.key"),
        (FOR_VIPS + "---\n" + GOLD, VIPS, "audience.segments"),
        (VIPS, GOLD, "segments"),
        (
            yaml("audience: {rule: {id: {$inGroup: list}}}"),
            "kind: segment\nkey: list\nvalues: [a]\n",
            "audience.rule",
        ),
        (OF_ORDERS, METRIC, "metrics"),
        (yaml("status: draft", "metrics: [{metric: orders, isPrimary: true}]"), METRIC, "metrics"),
    ],
)
def test_apply__deletion_of_what_is_in_use__is_refused_at_who_uses_it(
    store: Store, apply: Apply, kept: str, gone: str, field: str
) -> None:
    apply(kept, gone)
    (told,) = problems(apply, kept, allow_deletes=True)
    place, _, rest = told.partition(": ")
    assert rest.startswith(f"{field}: ")
    line = kept.splitlines()[int(place.removeprefix("file0.yaml:")) - 1]
    assert line.startswith(f"{field.partition('.')[0]}: ")
    assert "would be deleted, and" in told
    (left,) = apply(kept).not_in_files
    assert left.status is None


def test_apply__deletion_with_its_last_user__is_made(store: Store, apply: Apply) -> None:
    apply(OF_ORDERS.replace("name: Hero", "name: Hero\nstatus: draft"), METRIC, LAYER)
    applied = apply(LAYER, allow_deletes=True)
    assert [(each.key, each.action) for each in applied.changes] == [
        ("shop", ChangeAction.NONE),
        ("orders", ChangeAction.DELETE),
        ("hero", ChangeAction.DELETE),
    ]
    assert definition(store, "metric", "orders").deleted_at_ms == NOW_MS
    assert revisions(store, "metric", "orders")[0].action == "delete"


def test_apply__without_leave_to_delete__names_what_is_missing(store: Store, apply: Apply) -> None:
    apply(yaml("status: draft", key="one"), yaml(key="two"), GOLD, IN_SHOP)
    applied = apply(LAYER)
    assert [(each.kind, each.key, each.status) for each in applied.not_in_files] == [
        ("segment", "gold", None),
        ("experiment", "hero", "running"),
        ("experiment", "one", "draft"),
        ("experiment", "two", "running"),
    ]


def test_apply__with_leave_to_delete__ends_drafts_and_what_is_over_only(
    store: Store, apply: Apply
) -> None:
    states = {"draft": "draft", "running": "running", "paused": "paused", "over": "completed"}
    apply(*(yaml(f"status: {status}", key=key) for key, status in states.items()), yaml(key="shot"))
    with store.writing() as connection:
        asked = Act(Action.KILL, "broken")
        act(connection, tenant_of(connection), "shot", asked, actor=ANNA, now_ms=NOW_MS)
    applied = apply(LAYER, allow_deletes=True)
    deleted = {each.key for each in applied.changes if each.action is ChangeAction.DELETE}
    assert deleted == {"draft", "over", "shot"}
    assert {each.key for each in applied.not_in_files} == {"running", "paused"}


def test_apply__no_document_at_all__deletes_nothing(store: Store, apply: Apply) -> None:
    apply(yaml("status: draft"))
    (told,) = problems(apply, "# nothing\n", allow_deletes=True)
    assert "no experiment or definition in any file" in told
    assert apply(LAYER).not_in_files[0].key == "hero"


def test_apply__layer_named_after_its_deletion__is_refused(store: Store, apply: Apply) -> None:
    apply(LAYER, GOLD)
    apply(GOLD, allow_deletes=True)
    (told,) = problems(apply, IN_SHOP)
    assert "layer.key: shop: was deleted, and a deleted key is never used again" in told


def test_apply__plan_made_before_another_publish__is_stale(store: Store, apply: Apply) -> None:
    base = apply(GOLD).base
    apply(yaml(), actor=BEN)
    with pytest.raises(StalePlan, match="version 1 was published since by local:ben"):
        apply(VIPS, base=base)
    with store.reading() as connection:
        assert len(definitions_of(connection, tenant_of(connection).id)) == 1


def test_apply__plan_made_before_another_draft__is_stale(apply: Apply) -> None:
    base = apply(GOLD).base
    apply(yaml("status: draft"), actor=BEN, now_ms=NOW_MS + 1)
    told = r"experiment hero was changed since by local:ben \(create\); plan again"
    with pytest.raises(StalePlan, match=told):
        apply(VIPS, base=base)


def test_apply__base_of_this_very_state__is_applied(apply: Apply) -> None:
    base = apply(GOLD).base
    assert apply(yaml(), base=base).version == 1


def test_put__one_document_in_yaml_or_json__is_applied(store: Store) -> None:
    texts = {"gold": GOLD, "vips": '{"kind": "segment", "key": "vips", "segments": ["gold"]}'}
    for key, source in texts.items():
        with store.writing() as connection:
            tenant = tenant_of(connection)
            put_document(connection, tenant, ("segment", key), source, actor=ANNA, now_ms=NOW_MS)
        assert definition(store, "segment", key).source == source


@pytest.mark.parametrize(
    ("source", "told"),
    [
        (
            VIPS.replace("segments: [gold]", "rule: {a: 1}"),
            "segment vips: send one document, of the segment gold",
        ),
        (GOLD + "---\n" + VIPS, "segment gold, segment vips: send one document"),
        ("", "none: send one document"),
        (GOLD.replace("rule", "ruel"), "did you mean rule"),
        (yaml(key="gold"), "kind: missing: write `kind: segment`"),
    ],
)
def test_put__anything_but_that_document__is_refused(store: Store, source: str, told: str) -> None:
    with pytest.raises(Refused, match=told), store.writing() as connection:
        put_document(
            connection,
            tenant_of(connection),
            ("segment", "gold"),
            source,
            actor=ANNA,
            now_ms=NOW_MS,
        )


def test_delete__definition_in_use__is_refused(store: Store, apply: Apply) -> None:
    apply(GOLD, VIPS)
    with (
        pytest.raises(Refused, match="segment:vips uses it") as caught,
        store.writing() as connection,
    ):
        delete_document(
            connection, tenant_of(connection), ("segment", "gold"), actor=ANNA, now_ms=NOW_MS
        )
    assert str(caught.value).startswith("segments: gold: ")
    with store.writing() as connection:
        tenant = tenant_of(connection)
        for key in ("vips", "gold"):
            delete_document(connection, tenant, ("segment", key), actor=ANNA, now_ms=NOW_MS)
        with pytest.raises(NotThere):
            delete_document(connection, tenant, ("segment", key), actor=ANNA, now_ms=NOW_MS)


def test_revert__to_an_earlier_revision__is_a_new_one_with_its_text(
    store: Store, apply: Apply
) -> None:
    apply(GOLD, VIPS, FOR_VIPS)
    apply(GOLD.replace("gold}", "silver}"))
    with store.writing() as connection:
        tenant = tenant_of(connection)
        revert_document(
            connection,
            tenant,
            ("segment", "gold"),
            1,
            actor=BEN,
            now_ms=NOW_MS,
            reason="silver was wrong",
        )
    newest = revisions(store, "segment", "gold")[0]
    assert (newest.number, newest.action, newest.author, newest.reason, newest.source) == (
        3,
        "revert",
        "local:ben",
        "silver was wrong",
        GOLD,
    )
    assert manifest(store).segments[0] == RuleSegment("gold", {"tier": "gold"})


def test_revert__what_the_planner_refuses__is_refused(store: Store, apply: Apply) -> None:
    apply(yaml("status: draft", "salt: first"))
    apply(yaml("salt: second"))
    with pytest.raises(Refused, match="never a draft again"), store.writing() as connection:
        revert_document(
            connection, tenant_of(connection), ("experiment", "hero"), 1, actor=BEN, now_ms=NOW_MS
        )


@pytest.mark.parametrize(
    ("name", "number", "told"),
    [
        (("experiment", "hero"), 9, "hero 9: there is no such revision; list its revisions"),
        (("experiment", "nobody"), 1, "nobody: there is no such experiment"),
        (("layer", "shop"), 1, "it has no text"),
    ],
)
def test_revert__to_nothing__is_refused(
    store: Store, apply: Apply, name: tuple[str, str], number: int, told: str
) -> None:
    apply(IN_SHOP)
    with pytest.raises(NotThere, match=told), store.writing() as connection:
        revert_document(connection, tenant_of(connection), name, number, actor=BEN, now_ms=NOW_MS)


def test_apply__layer_of_the_time_before_definitions__is_used_as_it_is(
    store: Store, apply: Apply
) -> None:
    """Revision 0004 made its document without a name."""
    apply(IN_SHOP)
    with store.writing() as connection:
        document = {"document": b'{"kind":"layer","key":"shop"}'}
        connection.execute(text("UPDATE definitions SET document = :document"), document)
    apply(yaml("priority: 2", "layer: {key: shop, start: 0, end: 5000}"))
    assert manifest(store).layers == (Layer("shop", "layer.shop"),)
