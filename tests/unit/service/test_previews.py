import json
from typing import Any

import pytest
from sqlalchemy import text

from fairlot.engine import (
    Context,
    Experiment,
    Manifest,
    Overrides,
    Reason,
    Status,
    compile_manifest,
    decide,
)
from fairlot.manifest import (
    DocumentType,
    InvalidPreview,
    ManifestRefused,
    PreviewClaims,
    PreviewRefused,
    RefusalReason,
    verify_manifest,
    verify_preview,
)
from fairlot.manifest.previews import LONGEST_TTL_S
from fairlot.service.access import existing_project
from fairlot.service.previews import (
    MintedPreview,
    NotPreviewable,
    draft_document,
    mint_preview,
    revoke_preview,
)
from fairlot.service.snapshot import load_snapshot
from fairlot.store import Store
from fairlot.store.previews import read_revoked_previews
from fairlot.store.tenants import (
    ProjectRow,
    add_organization,
    add_project,
    find_organization,
)
from support.credentials import ANYBODY
from unit.service.conftest import NOW_MS, Apply

DRAFT = (
    "key: hero\nname: Hero\nstatus: draft\nvariants: [{key: a, name: A}, {key: bold, name: B}]\n"
)
DAY_MS = 86_400_000


def jwks_of(store: Store, org: str = "default") -> dict[str, Any]:
    found: dict[str, Any] = json.loads(load_snapshot(store).jwks[org])
    return found


def revoked_in(store: Store, now_ms: int = NOW_MS, org: str = "default") -> list[str]:
    snapshot = load_snapshot(store, now_ms=now_ms)
    found: list[str] = json.loads(snapshot.revocations[org])["previews"]
    return found


def minted(
    store: Store, experiment: str = "hero", variant: str = "bold", **more: Any
) -> MintedPreview:
    with store.reading() as connection:
        tenant = existing_project(connection, "default", "default")
        return mint_preview(connection, tenant, experiment, variant, **{"now_ms": NOW_MS, **more})


def revoked(store: Store, jti: str, now_ms: int = NOW_MS, org: str = "default") -> None:
    with store.writing() as connection:
        organization = find_organization(connection, org)
        assert organization is not None
        revoke_preview(connection, organization, jti, actor=ANYBODY, now_ms=now_ms)


def claims_of(store: Store, preview: MintedPreview, **there: Any) -> PreviewClaims:
    here = {
        "org": "default",
        "project": "default",
        "experiment_key": preview.experiment_key,
        "variant_key": preview.variant_key,
        "now_s": NOW_MS / 1000,
    }
    return verify_preview(preview.token, jwks_of(store), **{**here, **there})


def draft_of(store: Store, experiment: str = "hero", variant: str = "bold") -> Manifest:
    document = draft_document(store, "default", "default", experiment, variant)
    return verify_manifest(document, jwks_of(store), document_type=DocumentType.DRAFT)


def test_mint__of_a_draft__verifies_with_the_published_keys(store: Store, apply: Apply) -> None:
    apply(DRAFT)
    preview = minted(store)
    claims = claims_of(store, preview)
    assert (claims.subject, claims.jti, claims.kid) == ("hero:bold", preview.jti, preview.kid)
    assert preview.jti.startswith("prv_")
    assert claims.expires_at_s * 1000 == preview.expires_at_ms == NOW_MS + 15 * 60 * 1000
    assert preview.query == f"fxpreview=hero:bold&fxtoken={preview.token}"


@pytest.mark.parametrize("status", ["draft", "running", "paused", "completed"])
def test_mint__whatever_the_state__is_possible(store: Store, apply: Apply, status: str) -> None:
    apply(DRAFT.replace("status: draft", f"status: {status}"))
    assert claims_of(store, minted(store)).subject == "hero:bold"
    (experiment,) = draft_of(store).experiments
    assert isinstance(experiment, Experiment)
    assert experiment.status is Status.RUNNING


def test_mint__twice__has_another_id(store: Store, apply: Apply) -> None:
    apply(DRAFT)
    assert minted(store).jti != minted(store).jti


def test_mint__by_the_id_of_the_experiment__names_its_key(store: Store, apply: Apply) -> None:
    apply(DRAFT)
    with store.reading() as connection:
        own_id = connection.execute(text("SELECT id FROM experiments")).scalar_one()
    assert minted(store, own_id).experiment_key == "hero"


def test_mint__for_7_days__is_the_longest(store: Store, apply: Apply) -> None:
    apply(DRAFT)
    assert minted(store, ttl_s=LONGEST_TTL_S).expires_at_ms == NOW_MS + 7 * DAY_MS
    with pytest.raises(InvalidPreview, match="ttl: 604801"):
        minted(store, ttl_s=LONGEST_TTL_S + 1)


@pytest.mark.parametrize(
    ("experiment", "variant", "told"),
    [
        (
            "hreo",
            "bold",
            "experiment: 'hreo': default/default has no such experiment; did you mean hero?",
        ),
        (
            "zzz",
            "bold",
            "experiment: 'zzz': default/default has no such experiment; there are hero",
        ),
        ("hero", "bald", "variant: 'bald': hero has no such variant; did you mean bold?"),
        ("hero", "zzz", "variant: 'zzz': hero has no such variant; there are a, bold"),
    ],
)
def test_mint__no_such_thing__names_the_nearest(
    store: Store, apply: Apply, experiment: str, variant: str, told: str
) -> None:
    apply(DRAFT)
    with pytest.raises(NotPreviewable) as caught:
        minted(store, experiment, variant)
    assert str(caught.value) == told


def test_mint__project_without_experiments__says_so(store: Store) -> None:
    with pytest.raises(NotPreviewable, match="it has none yet"):
        minted(store)


def test_mint__deleted_experiment__is_not_there(store: Store, apply: Apply) -> None:
    apply(DRAFT)
    apply(DRAFT.replace("hero", "other"), allow_deletes=True)
    with pytest.raises(NotPreviewable, match="no such experiment"):
        minted(store)


@pytest.mark.parametrize("change", ["status = 'killed'", "document = '{'"])
def test_mint__killed_or_unreadable__is_refused(store: Store, apply: Apply, change: str) -> None:
    apply(DRAFT)
    with store.writing() as connection:
        connection.execute(text(f"UPDATE experiments SET {change}"))  # noqa: S608
    with pytest.raises(NotPreviewable):
        minted(store)
    with pytest.raises(NotPreviewable):
        draft_of(store)


def test_revoke__a_token__is_listed_and_refused(store: Store, apply: Apply) -> None:
    apply(DRAFT)
    preview = minted(store)
    generation = store.generation()
    revoked(store, preview.jti)
    assert store.generation() == generation + 1
    assert revoked_in(store) == [preview.jti]
    with pytest.raises(PreviewRefused, match="revoked"):
        claims_of(store, preview, revoked=revoked_in(store))


def test_revoke__again__changes_nothing(store: Store) -> None:
    revoked(store, "prv_1")
    generation = store.generation()
    revoked(store, "prv_1", NOW_MS + 1000)
    assert store.generation() == generation
    assert revoked_in(store) == ["prv_1"]


def test_revoke__after_the_longest_life_of_a_token__is_forgotten(store: Store) -> None:
    revoked(store, "prv_1")
    gone_at_ms = NOW_MS + 7 * DAY_MS + 120_000
    assert revoked_in(store, gone_at_ms - 1) == ["prv_1"]
    assert revoked_in(store, gone_at_ms) == []
    revoked(store, "prv_2", gone_at_ms)
    with store.reading() as connection:
        (known,) = read_revoked_previews(connection, 0).values()
    assert known == ["prv_2"]


def test_revoke__of_one_organization__is_not_told_to_another(store: Store) -> None:
    with store.writing() as connection:
        add_organization(connection, "org_2", "other", NOW_MS)
        add_project(connection, ProjectRow("prj_2", "default", "org_2", "other"), NOW_MS)
    revoked(store, "prv_1", org="other")
    assert revoked_in(store, org="other") == ["prv_1"]
    assert revoked_in(store) == []


@pytest.mark.parametrize("jti", ["", "a b", "x" * 65])
def test_revoke__what_is_no_id__is_refused(store: Store, jti: str) -> None:
    with pytest.raises(InvalidPreview, match="jti"):
        revoked(store, jti)


def test_draft__of_an_experiment__holds_it_alone_as_running(store: Store, apply: Apply) -> None:
    apply(DRAFT, DRAFT.replace("hero", "other").replace("status: draft", "status: running"))
    manifest = draft_of(store)
    assert (manifest.org, manifest.project, manifest.version) == ("default", "default", 1)
    compiled = compile_manifest(manifest)
    assert (set(compiled.experiments), compiled.broken) == ({"hero"}, {})
    context = Context(overrides=Overrides(preview={"hero": "bold"}))
    decision = decide(compiled, "hero", "anna", context)
    assert decision.reason is Reason.PREVIEW
    assert decision.variant is not None
    assert decision.variant.id.startswith("var_")


def test_draft__in_a_layer__brings_the_layer(store: Store, apply: Apply) -> None:
    apply(DRAFT + "layer: {key: checkout, start: 0, end: 5000}\n")
    compiled = compile_manifest(draft_of(store))
    assert compiled.broken == {}
    assert [layer.key for layer in compiled.manifest.layers] == ["checkout"]


def test_draft__for_segments__brings_them_and_no_holdout(store: Store, apply: Apply) -> None:
    gold = "kind: segment\nkey: gold\nrule: {tier: gold}\n"
    vips = "kind: segment\nkey: vips\nsegments: [gold]\n"
    holdout = "kind: holdout\nkey: quiet\nrate: 1\n"
    apply(DRAFT + "audience: {segments: [vips]}\n", gold, vips, holdout)
    compiled = compile_manifest(draft_of(store))
    assert compiled.broken == {}
    assert {segment.key for segment in compiled.manifest.segments} == {"gold", "vips"}
    assert compiled.manifest.holdout is None


def test_draft__read_as_a_manifest__is_refused(store: Store, apply: Apply) -> None:
    apply(DRAFT)
    document = draft_document(store, "default", "default", "hero", "bold")
    with pytest.raises(ManifestRefused) as caught:
        verify_manifest(document, jwks_of(store))
    assert caught.value.reason is RefusalReason.WRONG_TYPE


def test_draft__variant_that_is_gone__is_refused(store: Store, apply: Apply) -> None:
    apply(DRAFT)
    apply(DRAFT.replace("bold", "plain"))
    with pytest.raises(NotPreviewable, match="bold"):
        draft_of(store)


def test_draft__never_in_the_manifest(store: Store, apply: Apply) -> None:
    apply(DRAFT)
    minted(store)
    assert b"hero" not in load_snapshot(store).projects["default", "default"].signed
