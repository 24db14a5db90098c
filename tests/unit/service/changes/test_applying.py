import json
from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import text

from fairlot.engine import CompiledManifest, Experiment, Manifest, compile_manifest
from fairlot.manifest import manifest_from_json, verify_manifest
from fairlot.manifest.yaml_reader import LOADER
from fairlot.service.changes.applying import Asked, plan_files
from fairlot.service.changes.single import delete_document
from fairlot.service.plan_document import ChangeAction, PlannedChange
from fairlot.service.publishing import publish
from fairlot.service.refusals import NotDeletable, NotThere, Refused
from fairlot.service.signing_keys import make_signing_key
from fairlot.service.snapshot import ProjectServing, load_snapshot
from fairlot.store import Store
from fairlot.store.audit import read_audit_records
from fairlot.store.signing_keys import KeyState
from fairlot.store.tenants import add_organization
from support.applying import ANNA, source_files, tenant_of
from unit.service.conftest import NOW_MS, Apply


def yaml(
    key: str = "button", *lines: str, variants: str = "[{key: a, name: A}, {key: b, name: B}]"
) -> str:
    return "\n".join((f"key: {key}", "name: Button", *lines, f"variants: {variants}", ""))


def served(store: Store) -> ProjectServing:
    return load_snapshot(store).projects["default", "default"]


def experiments(store: Store) -> dict[str, Experiment]:
    found = served(store).compiled.manifest.experiments
    return {each.key: each for each in found if isinstance(each, Experiment)}


def told(changes: Sequence[PlannedChange]) -> list[tuple[str, ChangeAction]]:
    return [(change.key, change.action) for change in changes]


def only_change(apply: Apply, text_: str) -> tuple[ChangeAction, tuple[str, ...]]:
    (change,) = apply(text_).changes
    return change.action, tuple(field.path for field in change.fields)


def refusals(apply: Apply, *texts: str) -> list[tuple[str, str]]:
    """The path and the message of each problem."""
    with pytest.raises(Refused) as caught:
        apply(*texts)
    assert all(problem.file.startswith("file") for problem in caught.value.problems)
    return [(problem.path, problem.message) for problem in caught.value.problems]


def test_apply__new_experiment__is_published_signed_and_served(store: Store, apply: Apply) -> None:
    result = apply(yaml("button", "description: Secret plans", "owner: anna"))
    assert told(result.changes) == [("button", ChangeAction.CREATE)]
    assert result.version == 1
    serving = served(store)
    manifest = verify_manifest(serving.signed, json.loads(load_snapshot(store).jwks["default"]))
    assert manifest == serving.compiled.manifest
    assert (manifest.version, manifest.published_at) == (1, "2026-11-23T06:00:00.000Z")
    experiment = experiments(store)["button"]
    assert experiment.id.startswith("exp_")
    assert len(experiment.id) == 30
    assert {variant.id[:4] for variant in experiment.variants} == {"var_"}
    assert experiment.salt == "button"
    assert b"Secret" not in serving.signed


def test_apply__keys_of_the_organization__are_in_the_manifest(store: Store, apply: Apply) -> None:
    apply(yaml())
    first = served(store).compiled.manifest.keys
    published = json.loads(load_snapshot(store).jwks["default"])["keys"]
    assert first == tuple(key["kid"] for key in published)
    with store.writing() as connection:
        owner = connection.execute(text("SELECT id FROM organizations")).scalar_one()
        add_organization(connection, "org_2", "second", NOW_MS)
        added = make_signing_key(connection, owner, KeyState.RETIRING, NOW_MS + 1)
        make_signing_key(connection, owner, KeyState.RETIRED, NOW_MS + 1)
        make_signing_key(connection, "org_2", KeyState.RETIRING, NOW_MS + 1)
    assert apply(yaml()).version == 2
    assert served(store).compiled.manifest.keys == (*first, added.kid)


def test_apply__same_again__publishes_nothing(store: Store, apply: Apply) -> None:
    apply(yaml())
    generation = store.generation()
    result = apply(yaml(), now_ms=NOW_MS + 5)
    assert told(result.changes) == [("button", ChangeAction.NONE)]
    assert result.version is None
    assert store.generation() == generation


def test_plan__of_files__tells_the_changes_and_makes_none(store: Store, apply: Apply) -> None:
    generation = store.generation()
    with store.reading() as connection:
        asked = Asked(source_files(yaml()))
        planned = plan_files(connection, tenant_of(connection), asked, actor=ANNA, now_ms=NOW_MS)
    assert told(planned.prepared.changes) == [("button", ChangeAction.CREATE)]
    assert store.generation() == generation
    assert experiments(store) == {}
    assert apply(yaml()).changes == planned.prepared.changes


def test_plan__of_what_is_new__tells_no_field_that_no_file_can_hold(apply: Apply) -> None:
    (change,) = apply(yaml()).changes
    assert "hashVersion" not in {field.path for field in change.fields}


def test_apply__changed__keeps_ids_and_raises_version_and_generation(
    store: Store, apply: Apply
) -> None:
    apply(yaml())
    before, generation = experiments(store)["button"], store.generation()
    result = apply(yaml(variants="[{key: b, name: B}, {key: c, name: C}, {key: a, name: A}]"))
    after = experiments(store)["button"]
    assert result.version == 2
    assert store.generation() > generation
    assert after.id == before.id
    ids = {variant.key: variant.id for variant in after.variants}
    assert all(ids[variant.key] == variant.id for variant in before.variants)


def test_apply__variant_removed_and_back_again__has_its_id(store: Store, apply: Apply) -> None:
    apply(yaml(variants="[{key: a, name: A}, {key: b, name: B}, {key: c, name: C}]"))
    before = experiments(store)["button"].variant("c")
    apply(yaml())
    assert experiments(store)["button"].variant("c") is None
    apply(yaml(variants="[{key: a, name: A}, {key: b, name: B}, {key: c, name: C}]"))
    assert experiments(store)["button"].variant("c") == before


def test_apply__every_change__is_on_record_with_what_it_started(store: Store, apply: Apply) -> None:
    apply(yaml("one"), "kind: layer\nkey: shop\n", reason="launch")
    apply(yaml("one", "status: paused"))
    apply(yaml("one", "status: completed", "priority: 2"))
    with store.reading() as connection:
        owner = tenant_of(connection).organization_id
        records = read_audit_records(connection, owner, limit=100, after=0)
    found = [row for row in records if row.target in ("experiment:one", "layer:shop")]
    assert [(row.action, row.actor, row.project) for row in found] == [
        (action, "local:anna", "default")
        for action in (
            "definition.create",
            "experiment.create",
            "experiment.start",
            "experiment.pause",
            "experiment.update",
            "experiment.complete",
        )
    ]
    assert json.loads(found[2].details) == {
        "reason": "launch",
        "revision": 1,
        "status": "running",
    }
    assert json.loads(found[4].details)["fields"] == ["priority", "status"]


def test_apply__in_whatever_order__is_published_by_key(store: Store, apply: Apply) -> None:
    apply(yaml("two"), yaml("one"), yaml("three"))
    assert list(experiments(store)) == ["one", "three", "two"]
    assert apply(yaml("three"), yaml("two"), yaml("one")).version is None


def test_apply__some_experiments__leaves_the_others_alone(store: Store, apply: Apply) -> None:
    apply(yaml("one"), yaml("two"))
    apply(yaml("three"))
    assert set(experiments(store)) == {"one", "two", "three"}


@pytest.mark.parametrize(
    ("lines", "variants", "fields"),
    [
        (("sampleRate: 0.5",), "[{key: a, name: A}, {key: b, name: B}]", ("audience.sampleRate",)),
        (("owner: anna",), "[{key: a, name: A}, {key: b, name: B}]", ("owner",)),
        (("# a comment",), "[{key: a, name: A}, {key: b, name: B}]", ("source",)),
        ((), "[{key: a, name: New}, {key: b, name: B}]", ("variants.a.name",)),
        ((), "[{key: a, name: A}, {key: c, name: C}]", ("variants",)),
        (
            ("status: paused", "priority: 3"),
            "[{key: a, name: A}, {key: b, name: B}]",
            ("priority", "status"),
        ),
    ],
)
def test_apply__one_thing_changed__is_named(
    apply: Apply, lines: tuple[str, ...], variants: str, fields: tuple[str, ...]
) -> None:
    apply(yaml())
    assert only_change(apply, yaml("button", *lines, variants=variants)) == (
        ChangeAction.UPDATE,
        fields,
    )


def test_apply__only_the_status__is_a_change_of_status(store: Store, apply: Apply) -> None:
    apply(yaml())
    assert only_change(apply, yaml("button", "status: paused")) == (
        ChangeAction.STATUS,
        ("status",),
    )
    assert experiments(store)["button"].status == "paused"


@pytest.mark.parametrize(
    ("life", "is_served"),
    [
        (("draft",), False),
        (("draft", "running"), True),
        (("running", "paused", "running"), True),
        (("running", "completed"), False),
        (("paused", "completed"), False),
        (("draft", "completed"), False),
        (("running", "completed", "completed\nrollout: b"), True),
    ],
)
def test_apply__statuses_in_turn__lead_to_what_is_served(
    store: Store, apply: Apply, life: tuple[str, ...], is_served: bool
) -> None:
    for status in life:
        apply(yaml("button", f"status: {status}"))
    assert ("button" in experiments(store)) is is_served


@pytest.mark.parametrize(
    ("life", "refused"),
    [
        (("running", "draft"), (3, "status", "draft")),
        (("paused", "draft"), (3, "status", "draft")),
        (("running", "completed", "completed\npriority: 2"), (4, "priority", "2")),
        (
            ("running", "completed", "completed\nhypothesis: It was so"),
            (4, "hypothesis", "It was so"),
        ),
        (("running", "completed", "completed\ntags: [a]"), (4, "tags", '["a"]')),
        (("running", "running\nsalt: other"), (4, "salt", "other")),
        (("paused", "paused\nunit: account"), (4, "unit", "account")),
    ],
)
def test_apply__what_life_does_not_allow__is_refused_whole(
    store: Store, apply: Apply, life: tuple[str, ...], refused: tuple[int, str, str]
) -> None:
    *before, last = [yaml("button", f"status: {status}") for status in life]
    for each in before:
        apply(each)
    version = served(store).version
    with pytest.raises(Refused) as caught:
        apply(last, yaml("other"))
    (problem,) = caught.value.problems
    assert (problem.line, problem.path, problem.value) == refused
    assert served(store).version == version
    assert "other" not in experiments(store)


def test_apply__many_problems_in_one_document__read_it_once(
    apply: Apply, monkeypatch: pytest.MonkeyPatch
) -> None:
    arms = "[" + ", ".join(f"{{key: v{at}, name: {{word}} {at}}}" for at in range(20)) + "]"
    apply(yaml("button", variants=arms.replace("{word}", "Arm")))
    apply(yaml("button", "status: completed", variants=arms.replace("{word}", "Arm")))
    read: list[str] = []

    def counting(text: str) -> Any:
        read.append(text)
        return LOADER(text)

    monkeypatch.setattr("fairlot.manifest.yaml_reader.LOADER", counting)
    edited = yaml("button", "status: completed", variants=arms.replace("{word}", "Leg"))
    assert len(refusals(apply, edited)) == 20
    assert read == [edited]


@pytest.mark.parametrize("status", ["running", "paused", "draft"])
def test_apply__file_that_does_not_know_of_the_end__changes_nothing_and_says_so(
    store: Store, apply: Apply, status: str
) -> None:
    apply(yaml("button", "status: completed", "rollout: b"))
    before = experiments(store)["button"]
    applied = apply(yaml("button", f"status: {status}"), yaml("other"))
    (warning,) = applied.warnings
    assert (warning.code, warning.about) == ("completed", "experiment:button")
    assert "write status: completed and rollout: b" in warning.sentence
    after = experiments(store)
    assert after["button"] == before
    assert after["button"].rollout == "b"
    assert "other" in after


def test_apply__file_without_a_status__leaves_what_is_paused(store: Store, apply: Apply) -> None:
    apply(yaml("button"))
    apply(yaml("button", "status: paused"))
    (warning,) = apply(yaml("button", "priority: 2")).warnings
    assert warning.code == "stays_paused"
    assert "write status: running to resume it" in warning.sentence
    assert (experiments(store)["button"].status, experiments(store)["button"].priority) == (
        "paused",
        2,
    )


def test_apply__file_that_resumes__says_what_it_undoes(store: Store, apply: Apply) -> None:
    apply(yaml("button", "status: paused"))
    (warning,) = apply(yaml("button", "status: running")).warnings
    assert warning.code == "resumed"
    assert "write status: paused to keep it so" in warning.sentence
    assert experiments(store)["button"].status == "running"


def test_apply__variant_taken_away_while_it_runs__says_what_that_does(apply: Apply) -> None:
    three = "[{key: a, name: A}, {key: b, name: B}, {key: c, name: C}]"
    apply(yaml("button", variants=three))
    assert apply(yaml("button", "priority: 2", variants=three)).warnings == ()
    (warning,) = apply(yaml("button", "priority: 2")).warnings
    assert (warning.code, warning.about) == ("variant_removed", "experiment:button")
    assert warning.sentence.startswith("takes c away")
    assert apply(yaml("button", "priority: 3")).warnings == ()


def test_apply__variant_taken_away_from_a_draft__is_nobodys_loss(apply: Apply) -> None:
    three = "[{key: a, name: A}, {key: b, name: B}, {key: c, name: C}]"
    apply(yaml("button", "status: draft", variants=three))
    assert apply(yaml("button", "status: draft")).warnings == ()


def test_apply__layer_that_is_misspelt__is_made_and_asked_about(apply: Apply) -> None:
    apply("kind: layer\nkey: checkout\n")
    layer = "layer: {key: chekout, start: 0, end: 10}"
    changes = apply(yaml("button", layer)).changes
    (note,) = [note for change in changes if change.kind == "layer" for note in change.notes]
    assert note == "made because button names it; did you mean checkout?"


def test_apply__draft__may_still_change_everything(store: Store, apply: Apply) -> None:
    apply(yaml("button", "status: draft"))
    apply(yaml("button", "status: draft", "salt: other", "unit: account"))
    apply(yaml("button", "salt: third"))
    assert experiments(store)["button"].salt == "third"


def test_apply__salt_no_longer_written__stays_as_it_was(store: Store, apply: Apply) -> None:
    apply(yaml("button", "salt: special"))
    apply(yaml("button", "priority: 2"))
    assert experiments(store)["button"].salt == "special"
    assert served(store).always_look_up == frozenset()


@pytest.mark.parametrize("status", ["running", "paused"])
def test_apply__recipe_sample_rate__may_only_rise(apply: Apply, status: str) -> None:
    def with_rate(rate: float) -> str:
        return yaml(
            "button",
            f"status: {status}",
            variants=f"[{{key: a, name: A}}, {{key: b, name: B, recipeSampleRate: {rate}}}]",
        )

    apply(with_rate(0.5))
    apply(with_rate(0.6))
    assert refusals(apply, with_rate(0.55))[0][0] == "variants.b.recipeSampleRate"


@pytest.mark.parametrize("line", ["sampleRate: 0.4", "layer: {key: shop, start: 0, end: 5000}"])
def test_apply__draw_changed_after_the_start__is_looked_up_for_ever(
    store: Store, apply: Apply, line: str
) -> None:
    apply(yaml(), yaml("other"))
    assert served(store).always_look_up == frozenset()
    apply(yaml("button", line))
    assert served(store).always_look_up == {"button"}
    apply(yaml())
    assert served(store).always_look_up == {"button"}


@pytest.mark.parametrize(
    ("lines", "variants", "changes"),
    [
        ((), "[{key: b, name: B}, {key: a, name: A}]", True),
        ((), "[{key: a, name: A, weight: 4000}, {key: b, name: B, weight: 6000}]", True),
        ((), "[{key: a, name: A}, {key: b, name: B}, {key: c, name: C}]", True),
        (("audience: {rule: {tier: pro}}",), "[{key: a, name: A}, {key: b, name: B}]", False),
        (("divertTo: a",), "[{key: a, name: A}, {key: b, name: B}]", False),
        ((), "[{key: a, name: New, payload: 1}, {key: b, name: B}]", False),
    ],
)
def test_apply__edit_while_running__changes_the_draw_or_not(
    store: Store, apply: Apply, lines: tuple[str, ...], variants: str, changes: bool
) -> None:
    apply(yaml())
    apply(yaml("button", *lines, variants=variants))
    assert served(store).always_look_up == ({"button"} if changes else frozenset())


def test_apply__draft_edited_before_its_start__draws_as_at_its_start(
    store: Store, apply: Apply
) -> None:
    apply(yaml("button", "status: draft"))
    apply(yaml("button", "sampleRate: 0.5"))
    assert served(store).always_look_up == frozenset()


def test_apply__layer_named_first__is_made_with_its_salt(store: Store, apply: Apply) -> None:
    apply(
        yaml("one", "layer: {key: shop, start: 0, end: 5000}"),
        yaml("two", "layer: {key: shop, start: 5000, end: 10000}"),
    )
    (layer,) = served(store).compiled.manifest.layers
    assert (layer.key, layer.salt) == ("shop", "layer.shop")
    apply(yaml("three"))
    assert len(served(store).compiled.manifest.layers) == 1


def test_apply__overlapping_ranges_in_a_layer__are_refused(apply: Apply) -> None:
    apply(yaml("one", "layer: {key: shop, start: 0, end: 5000}"))
    both = refusals(
        apply,
        yaml("two", "layer: {key: shop, start: 4999, end: 6000}"),
        yaml("three", "layer: {key: shop, start: 5999, end: 7000}"),
    )
    assert [path for path, _ in both] == ["layer", "layer"]
    assert "two" in both[0][1] and "one" in both[0][1]
    assert "three" in both[1][1] and "two" in both[1][1]
    apply(yaml("two", "layer: {key: other, start: 4999, end: 6000}"))
    apply(
        yaml("one", "status: paused", "layer: {key: shop, start: 0, end: 5000}"),
        yaml("four", "layer: {key: shop, start: 0, end: 100}"),
    )


def test_apply__resumed_in_a_range_that_was_given_away__is_refused_naming_both(
    apply: Apply,
) -> None:
    apply(yaml("one", "status: paused", "layer: {key: shop, start: 0, end: 5000}"))
    apply(yaml("two", "layer: {key: shop, start: 0, end: 100}"))
    resumed = yaml("one", "status: running", "layer: {key: shop, start: 0, end: 5000}")
    ((path, message),) = refusals(apply, resumed)
    assert path == "layer"
    assert "one" in message
    assert "two" in message


def test_apply__several_problems__are_all_named(store: Store, apply: Apply) -> None:
    apply(yaml("one"), yaml("two"))
    found = refusals(apply, yaml("one", "status: draft"), yaml("two", "salt: new"), yaml("three"))
    assert sorted(path for path, _ in found) == ["salt", "status"]
    assert "three" not in experiments(store)


def test_apply__segment_that_nobody_knows__is_refused(apply: Apply) -> None:
    ((path, message),) = refusals(apply, yaml("one", "audience: {segments: [nobody]}"))
    assert path.startswith("audience.segments")
    assert "no such segment" in message


def test_apply__key_twice__is_refused(apply: Apply) -> None:
    ((path, message),) = refusals(apply, yaml("one"), yaml("one", "priority: 2"))
    assert path == "key"
    assert "file0.yaml" in message


def test_apply__source__is_kept_as_it_was_written(store: Store, apply: Apply) -> None:
    written = yaml("button", "# why: because", "owner: anna")
    apply(written)
    with store.reading() as connection:
        row = connection.execute(text("SELECT source, owner FROM experiments")).one()
    assert row.source.strip() == written.strip()
    assert row.owner == "anna"


def test_delete__completed_or_draft__is_gone_and_its_key_used_up(
    store: Store, apply: Apply
) -> None:
    apply(yaml("one", "status: draft"), yaml("two"))
    apply(yaml("two", "status: completed", "rollout: b"))
    with store.writing() as connection:
        for key in ("one", "two"):
            delete_document(
                connection, tenant_of(connection), ("experiment", key), actor=ANNA, now_ms=NOW_MS
            )
    for key in ("one", "two"):
        ((path, _),) = refusals(apply, yaml(key))
        assert path == "key"
    assert experiments(store) == {}


@pytest.mark.parametrize(
    ("key", "error", "told"),
    [("runs", NotDeletable, "complete it or kill it"), ("nowhere", NotThere, "spelling")],
)
def test_delete__running_or_unknown__is_refused(
    store: Store, apply: Apply, key: str, error: type[Exception], told: str
) -> None:
    apply(yaml("runs"))
    with pytest.raises(error, match=told), store.writing() as connection:
        delete_document(
            connection, tenant_of(connection), ("experiment", key), actor=ANNA, now_ms=NOW_MS
        )
    assert set(experiments(store)) == {"runs"}


def test_publish__stored_experiment_spoilt__is_refused_and_what_is_served_stays(
    store: Store, apply: Apply
) -> None:
    apply(yaml("one"), yaml("two"))
    with store.writing() as connection:
        connection.execute(text("UPDATE experiments SET document = '{}' WHERE key = 'one'"))
    with pytest.raises(Refused, match="one"):
        apply(yaml("three"))
    assert set(served(store).compiled.broken) == set()


def test_publish__one_of_several_changed__compiles_that_one(
    apply: Apply, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it does, nobody else can change anything."""
    compiled: list[list[str]] = []

    def noting(manifest: Manifest) -> CompiledManifest:
        compiled.append([each.key for each in manifest.experiments])
        return compile_manifest(manifest)

    apply(yaml("one"), yaml("two"))
    monkeypatch.setattr("fairlot.service.publishing.compile_manifest", noting)
    apply(yaml("two", "divertTo: b"))
    assert compiled == [["two"]]


def test_publish__newest_version_unreadable__is_followed(store: Store, apply: Apply) -> None:
    apply(yaml("one"))
    with store.writing() as connection:
        connection.execute(text("UPDATE manifests SET payload = '{}' WHERE version = 1"))
        version = publish(connection, tenant_of(connection), ANNA, now_ms=NOW_MS)
    assert version == 2
    assert set(experiments(store)) == {"one"}


def test_publish__newest_version_revoked__publishes_again(store: Store, apply: Apply) -> None:
    apply(yaml())
    with store.writing() as connection:
        connection.execute(text("UPDATE manifests SET revoked_at_ms = 1 WHERE version = 1"))
    assert apply(yaml()).version == 2


def test_publish__stored_manifest__is_what_was_signed(store: Store, apply: Apply) -> None:
    apply(yaml())
    with store.reading() as connection:
        payloads = (
            connection.execute(text("SELECT payload FROM manifests ORDER BY version DESC"))
            .scalars()
            .all()
        )
    assert manifest_from_json(payloads[0]) == served(store).compiled.manifest
