"""Signing keys: announced, rotated, retired; whatever interrupts it, the same call goes on."""

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import Connection, delete, event

from fairlot.engine import FairlotError, Manifest
from fairlot.manifest import verify_manifest, verify_preview
from fairlot.manifest.base64url import from_base64url
from fairlot.manifest.errors import PreviewRefusal, PreviewRefused
from fairlot.service.access import existing_project
from fairlot.service.actors import Actor
from fairlot.service.audit_verification import verify_audit
from fairlot.service.key_rotation import (
    KeyChange,
    NoNextKey,
    NotTheNextKey,
    RotatedMomentsAgo,
    TooEarly,
    announce_key,
    retire_keys,
    rotate_keys,
)
from fairlot.service.previews import mint_preview
from fairlot.service.publishing import publish
from fairlot.service.signing_keys import NoSigningKey, make_signing_key
from fairlot.service.snapshot import load_snapshot
from fairlot.store import Store
from fairlot.store.audit import read_audit_records
from fairlot.store.signing_keys import KeyState, SigningKeyRow, signing_keys_of
from fairlot.store.tables import signing_keys
from fairlot.store.tenants import (
    OrganizationRow,
    ProjectRow,
    add_organization,
    add_project,
    find_organization,
)
from unit.service.conftest import NOW_MS, Apply

ANNA = Actor("local:anna", frozenset())
DAY_MS = 86_400_000
LATER_MS = NOW_MS + DAY_MS
YAML = "key: hero\nname: Hero\nvariants: [{key: a, name: A}, {key: b, name: B}]\n"
Step = Callable[..., KeyChange]


@pytest.fixture(autouse=True)
def _second_project(store: Store) -> None:
    with store.writing() as connection:
        project = ProjectRow("prj_second", "shop", organization(connection).id, "default")
        add_project(connection, project, NOW_MS)
        publish(connection, project, ANNA, now_ms=NOW_MS)


def organization(connection: Connection) -> OrganizationRow:
    found = find_organization(connection, "default")
    assert found is not None
    return found


def do(store: Store, step: Step, *, now_ms: int = LATER_MS, **options: Any) -> KeyChange:
    with store.writing() as connection:
        return step(connection, organization(connection), ANNA, now_ms=now_ms, **options)


def keys_by_state(store: Store) -> dict[str, list[SigningKeyRow]]:
    found: dict[str, list[SigningKeyRow]] = {}
    with store.reading() as connection:
        for key in signing_keys_of(connection, organization(connection).id):
            found.setdefault(key.state, []).append(key)
    return found


def kids_by_state(store: Store) -> dict[str, list[str]]:
    return {state: [key.kid for key in keys] for state, keys in keys_by_state(store).items()}


def jwks(store: Store) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(load_snapshot(store).jwks["default"])
    return found


def manifests(store: Store) -> dict[str, Manifest]:
    """As clients get them: verified with the keys that are published."""
    snapshot, keys = load_snapshot(store), jwks(store)
    return {
        project.project: verify_manifest(project.signed, keys)
        for project in snapshot.projects.values()
    }


def signers(store: Store) -> set[str]:
    return {_header(project.signed)["kid"] for project in load_snapshot(store).projects.values()}


def _header(signed: bytes) -> dict[str, str]:
    header: dict[str, str] = json.loads(from_base64url(json.loads(signed)["protected"]))
    return header


def test_rotate__a_day_after_the_announcement__signs_by_the_next_key(store: Store) -> None:
    before = kids_by_state(store)
    change = do(store, rotate_keys)
    after = kids_by_state(store)
    assert change.changed
    assert change.warnings == ()
    assert after["current"] == before["next"]
    assert after["retiring"] == before["current"]
    assert after["next"] not in before.values()
    assert signers(store) == set(before["next"])
    published = {key["kid"] for key in jwks(store)["keys"]}
    assert published == {kid for kids in after.values() for kid in kids}
    assert change.versions == {"default": 1, "shop": 1}
    for manifest in manifests(store).values():
        assert manifest.version == 1
        assert set(manifest.keys) == published


def test_rotate__before_the_wait_is_over__is_refused_with_the_time(store: Store) -> None:
    before = keys_by_state(store)
    with pytest.raises(TooEarly, match="wait until 2026-11-24T06:00:00") as refused:
        do(store, rotate_keys, now_ms=LATER_MS - 1)
    assert refused.value.ready_at_ms == LATER_MS
    assert keys_by_state(store) == before


def test_rotate__with_another_wait__waits_for_that(store: Store) -> None:
    with pytest.raises(TooEarly):
        do(store, rotate_keys, wait_s=2 * 86_400)
    assert do(store, rotate_keys, now_ms=NOW_MS + 60_000, wait_s=60).changed


def test_rotate__forced__warns_of_whom_it_locks_out(store: Store) -> None:
    upcoming = keys_by_state(store)["next"][0]
    change = do(store, rotate_keys, now_ms=NOW_MS + 1, force=True)
    (warning,) = change.warnings
    assert warning.startswith(f"{upcoming.kid} is listed by manifests since 2026-11-23T06:00")


def test_rotate__forced_though_it_had_waited__does_not_warn(store: Store) -> None:
    assert do(store, rotate_keys, force=True).warnings == ()


def test_rotate__forced_again_at_once__asks_for_the_key(store: Store) -> None:
    """A command that is repeated because its answer was lost must not rotate twice."""
    do(store, rotate_keys, now_ms=NOW_MS + 1, force=True)
    once = kids_by_state(store)
    with pytest.raises(RotatedMomentsAgo, match=once["next"][0]):
        do(store, rotate_keys, now_ms=NOW_MS + 2, force=True)
    assert kids_by_state(store) == once
    do(store, rotate_keys, now_ms=NOW_MS + 2, force=True, to=once["next"][0])
    assert kids_by_state(store)["current"] == once["next"]
    assert len(kids_by_state(store)["retiring"]) == 2


def test_rotate__to_a_key_that_signs_already__changes_nothing(store: Store) -> None:
    to = kids_by_state(store)["next"][0]
    assert do(store, rotate_keys, to=to).changed
    generation, once = store.generation(), keys_by_state(store)
    again = do(store, rotate_keys, to=to)
    assert not again.changed
    assert again.versions == {}
    assert (store.generation(), keys_by_state(store)) == (generation, once)


@pytest.mark.parametrize("state", ["retired", None])
def test_rotate__to_a_key_that_is_not_the_next__is_refused(store: Store, state: str | None) -> None:
    upcoming = kids_by_state(store)["next"][0]
    with pytest.raises(NotTheNextKey, match=upcoming):
        do(store, rotate_keys, to=state or "nonsense")


def test_rotate__without_a_next_key__asks_for_an_announcement(store: Store) -> None:
    without_next(store)
    with pytest.raises(NoNextKey, match="announce one"):
        do(store, rotate_keys)


def test_rotate__without_a_current_key__says_what_to_do(store: Store) -> None:
    with store.writing() as connection:
        connection.execute(delete(signing_keys).where(signing_keys.c.state == "current"))
    with pytest.raises(NoSigningKey, match="restore"):
        do(store, rotate_keys)


def without_next(store: Store) -> None:
    """As an organization of an earlier version is."""
    with store.writing() as connection:
        connection.execute(delete(signing_keys).where(signing_keys.c.state == "next"))


def test_announce__organization_of_an_earlier_version__gets_a_next_key(store: Store) -> None:
    without_next(store)
    change = do(store, announce_key)
    assert change.changed
    assert change.versions == {"default": 1, "shop": 1}
    (upcoming,) = keys_by_state(store)["next"]
    assert upcoming.announced_at_ms == LATER_MS
    for manifest in manifests(store).values():
        assert upcoming.kid in manifest.keys
    assert signers(store) == set(kids_by_state(store)["current"])


def test_announce__organization_without_a_project__changes_its_key_set(store: Store) -> None:
    with store.writing() as connection:
        add_organization(connection, "org_2", "rival", NOW_MS)
        make_signing_key(connection, "org_2", KeyState.CURRENT, NOW_MS)
    generation = store.generation()
    with store.writing() as connection:
        announce_key(connection, OrganizationRow("org_2", "rival"), ANNA, now_ms=NOW_MS)
    assert store.generation() > generation
    assert len(json.loads(load_snapshot(store).jwks["rival"])["keys"]) == 2


def test_announce__with_a_next_key__changes_nothing(store: Store) -> None:
    before = keys_by_state(store), store.generation()
    assert not do(store, announce_key).changed
    assert (keys_by_state(store), store.generation()) == before


def test_retire__a_day_after_the_rotation__believes_the_old_key_no_more(store: Store) -> None:
    old = kids_by_state(store)["current"]
    do(store, rotate_keys)
    change = do(store, retire_keys, now_ms=LATER_MS + DAY_MS)
    assert change.versions == {"default": 2, "shop": 2}
    (retired,) = keys_by_state(store)["retired"]
    assert [retired.kid] == old
    assert retired.sealed_private == b""
    assert retired.state_at_ms == LATER_MS + DAY_MS
    assert retired.kid not in {key["kid"] for key in jwks(store)["keys"]}
    for manifest in manifests(store).values():
        assert retired.kid not in manifest.keys


def test_retire__before_the_wait_is_over__is_refused_unless_forced(store: Store) -> None:
    do(store, rotate_keys)
    with pytest.raises(TooEarly, match="has signed until 2026-11-24T06:00:00"):
        do(store, retire_keys, now_ms=LATER_MS + 1)
    assert do(store, retire_keys, now_ms=LATER_MS + 1, force=True).changed


def test_retire__nothing_to_retire__changes_nothing(store: Store) -> None:
    before = keys_by_state(store), store.generation()
    assert not do(store, retire_keys).changed
    assert (keys_by_state(store), store.generation()) == before


def test_retire__of_two__takes_those_that_have_waited(store: Store) -> None:
    first = kids_by_state(store)["current"]
    do(store, rotate_keys)
    do(store, rotate_keys, now_ms=LATER_MS + DAY_MS)
    do(store, retire_keys, now_ms=LATER_MS + DAY_MS)
    assert kids_by_state(store)["retired"] == first
    assert len(kids_by_state(store)["retiring"]) == 1


def test_preview__signed_before_a_rotation__holds_until_its_key_is_retired(
    store: Store, apply: Apply
) -> None:
    apply(YAML)
    with store.reading() as connection:
        project = existing_project(connection, "default", "default")
        minted = mint_preview(connection, project, "hero", "a", now_ms=LATER_MS)

    def verified(now_ms: int) -> object:
        return verify_preview(
            minted.token,
            jwks(store),
            org="default",
            project="default",
            experiment_key="hero",
            variant_key="a",
            now_s=now_ms / 1000,
        )

    do(store, rotate_keys)
    assert verified(LATER_MS + 1)
    change = do(store, retire_keys, now_ms=LATER_MS + 1, force=True)
    assert change.warnings == (
        "preview links that were made before 2026-11-24T06:00:00.000Z show nothing any more",
    )
    with pytest.raises(PreviewRefused) as refused:
        verified(LATER_MS + 1)
    assert refused.value.reason is PreviewRefusal.UNKNOWN_KEY
    do(store, rotate_keys, now_ms=LATER_MS + DAY_MS)
    week_later = do(store, retire_keys, now_ms=LATER_MS + 9 * DAY_MS)
    assert week_later.warnings == ()


def test_rotation__from_beginning_to_end__is_on_record(store: Store) -> None:
    keys = kids_by_state(store)
    do(store, rotate_keys)
    do(store, retire_keys, force=True)
    with store.reading() as connection:
        owner = organization(connection).id
        rows = read_audit_records(connection, owner, limit=7)[::-1]
        assert verify_audit(connection, owner).broken is None
    found = [(row.actor, row.action, row.target) for row in rows]
    upcoming = kids_by_state(store)["next"][0]
    assert found == [
        ("local:anna", "signing_key.promote", f"signing_key:{keys['next'][0]}"),
        ("local:anna", "signing_key.announce", f"signing_key:{upcoming}"),
        ("local:anna", "manifest.publish", "manifest:1"),
        ("local:anna", "manifest.publish", "manifest:1"),
        ("local:anna", "signing_key.retire", f"signing_key:{keys['current'][0]}"),
        ("local:anna", "manifest.publish", "manifest:2"),
        ("local:anna", "manifest.publish", "manifest:2"),
    ]
    assert json.loads(rows[0].details) == {"forced": False, "replaces": keys["current"][0]}


class Interrupted(Exception):
    """The process is killed, as far as the database can tell."""


@pytest.mark.parametrize("step", [announce_key, rotate_keys, retire_keys])
def test_rotation__interrupted_at_any_statement__goes_on_with_the_same_call(
    store: Store, step: Step
) -> None:
    if step is announce_key:
        without_next(store)
    if step is retire_keys:
        do(store, rotate_keys, now_ms=NOW_MS, wait_s=0)
    before = keys_by_state(store), manifests(store), store.generation()
    statements = 0
    while _interrupted(store, step, after=statements):
        assert (keys_by_state(store), manifests(store), store.generation()) == before
        statements += 1
    assert statements > 10
    assert store.generation() > before[2]
    states = set(keys_by_state(store)) - {"retired"}
    assert states == {"current", "next"} | ({"retiring"} if step is rotate_keys else set())
    assert all(manifest.keys for manifest in manifests(store).values())
    with store.reading() as connection:
        assert verify_audit(connection, organization(connection).id).broken is None


def _interrupted(store: Store, step: Step, *, after: int) -> bool:
    """Whether the step was stopped after so many statements; else it was done."""
    left = after

    def count(*_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise Interrupted

    try:
        with store.writing() as connection:
            owner = organization(connection)
            event.listen(connection, "before_cursor_execute", count)
            step(connection, owner, ANNA, now_ms=LATER_MS)
    except Interrupted:
        return True
    return False


@pytest.mark.parametrize("names_the_key", [True, False])
def test_rotate__two_operators_at_once__rotates_once(store: Store, names_the_key: bool) -> None:
    before = kids_by_state(store)
    to = before["next"][0] if names_the_key else None
    gate, outcomes = threading.Barrier(2), set[str]()

    def operate() -> None:
        gate.wait()
        try:
            outcomes.add("rotated" if do(store, rotate_keys, to=to).changed else "unchanged")
        except FairlotError as error:
            outcomes.add(error.code)

    operators = [threading.Thread(target=operate) for _ in range(2)]
    for operator in operators:
        operator.start()
    for operator in operators:
        operator.join()
    assert outcomes == {"rotated", "unchanged" if names_the_key else "too_early"}
    after = kids_by_state(store)
    assert (after["current"], after["retiring"]) == (before["next"], before["current"])
    assert len(after["next"]) == 1
