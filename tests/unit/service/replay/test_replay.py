"""The whole of a past, drawn again: a real log of two workers, a holdout, layers, accounts, sample
and recipe rates, an older version with other weights, and memories of it."""

from collections.abc import Sequence
from dataclasses import replace
from hashlib import sha256

import msgspec
import pytest

from fairlot.engine import Reason
from fairlot.events import Exposure
from fairlot.service.replay.report import Cause, NotChecked
from fairlot.service.replay.versions import StoredVersions
from support.replays import Past, stored
from support.shop_log import BEFORE, OLDER, ShopLog, arms, with_experiment

KEYS = ("plain", "three", "ruled", "teams", "holdout.main")
ROWS = {1: stored(OLDER), 2: stored(BEFORE)}


@pytest.fixture(scope="module")
def exposures(shop_log: ShopLog) -> Sequence[Exposure]:
    """What the server recorded for its own decisions, each event once."""
    own = {each.event_id: each for each in shop_log.exposures if each.source == "assignments"}
    return tuple(own.values())


def of(exposures: Sequence[Exposure], key: str) -> list[Exposure]:
    return [each for each in exposures if each.experiment_key == key]


def other_than(variant: str) -> str:
    return "b" if variant == "a" else "a"


@pytest.mark.parametrize("key", KEYS)
def test_replay__nothing_was_touched__all_agree(key: str, exposures: Sequence[Exposure]) -> None:
    found = Past(ROWS, exposures).replayed(key)
    assert found.disagreements == ()
    assert (found.agreed, found.exposures) == (len(of(exposures, key)),) * 2
    assert found.agreed > 100
    assert len(found.versions) == 2
    assert not any(each.is_altered for each in found.versions)


def test_replay__remembered_variants_of_an_older_version__agree(
    exposures: Sequence[Exposure],
) -> None:
    """Without the first exposures and the assignments the older version itself explains them."""
    kept = [each for each in of(exposures, "three") if each.manifest_version == 2]
    moved = [each for each in kept if each.reason is Reason.STICKY]
    found = Past(ROWS, kept).replayed("three")
    assert len(moved) > 20
    assert found.disagreed == 0
    without_it = Past({2: ROWS[2]}, kept).replayed("three")
    assert set(without_it.causes) == {Cause.NO_ORIGIN}
    assert 0 < without_it.disagreed < len(moved)


@pytest.mark.parametrize("key", KEYS)
def test_replay__one_variant_was_changed__exactly_that_row(
    key: str, exposures: Sequence[Exposure]
) -> None:
    own = [each for each in of(exposures, key) if each.reason is Reason.BUCKET]
    victim = own[len(own) // 2]
    arm = {"held": "open", "open": "held"}.get(victim.variant_key)
    variant = arm or other_than(victim.variant_key)
    changed = msgspec.structs.replace(
        victim, variant_key=variant, variant_id=arm or f"var_{variant}"
    )
    rows = [changed if each.event_id == victim.event_id else each for each in exposures]
    found = Past(ROWS, rows).replayed(key)
    assert [each.event_id for each in found.disagreements] == [victim.event_id]
    told = found.disagreements[0]
    assert (told.variant, told.expected) == (variant, victim.variant_key)
    assert "changed" in told.likely


@pytest.mark.parametrize(
    ("fields", "cause"),
    [
        ({"subject_id": "somebody else"}, Cause.OTHER_UNIT),
        ({"variant_id": "var_other"}, Cause.OTHER_NAMES),
        ({"experiment_id": "exp_other"}, Cause.OTHER_NAMES),
        ({"hash_version": 2}, Cause.OTHER_NAMES),
        ({"variant_key": "z", "variant_id": "var_z"}, Cause.UNKNOWN_VARIANT),
        ({"manifest_version": 3}, Cause.VERSION_NEVER_PUBLISHED),
        ({"reason": Reason.AUDIENCE}, Cause.REASON_WITHOUT_VARIANT),
        ({"reason": Reason.DIVERT}, Cause.DIVERTED),
    ],
)
def test_replay__one_column_was_changed__exactly_that_row(
    fields: dict[str, object], cause: Cause, exposures: Sequence[Exposure]
) -> None:
    own = of(exposures, "plain")
    victim = own[7]
    changed = msgspec.structs.replace(victim, **fields)
    rows = [changed if each is victim else each for each in own]
    found = Past(ROWS, rows).replayed("plain")
    assert [(each.event_id, each.cause) for each in found.disagreements] == [
        (victim.event_id, cause)
    ]
    assert found.causes == {cause: 1}


def test_replay__ids_are_empty__agrees(exposures: Sequence[Exposure]) -> None:
    own = of(exposures, "plain")
    rows = [msgspec.structs.replace(each, experiment_id="", variant_id="") for each in own]
    found = Past(ROWS, rows).replayed("plain")
    assert (found.agreed, found.disagreed) == (len(own), 0)


def test_replay__weight_changed_in_a_stored_version__many_and_the_version_is_named(
    exposures: Sequence[Exposure],
) -> None:
    """10 of 100 units are drawn otherwise; the signature still is of what was published."""
    other = with_experiment(BEFORE, "plain", variants=arms(6_000, 4_000))
    forged = replace(stored(other), signed=ROWS[2].signed)
    found = Past({1: ROWS[1], 2: forged}, exposures).replayed("plain", listed=5)
    in_version = [each for each in of(exposures, "plain") if each.manifest_version == 2]
    moved = [each for each in in_version if each.reason is Reason.BUCKET]
    assert len(moved) * 0.05 < found.disagreed < len(moved) * 0.2
    assert set(found.causes) <= {Cause.OTHER_VARIANT, Cause.NO_ORIGIN}
    assert len(found.disagreements) == 5
    assert [(each.version, each.is_altered) for each in found.versions] == [(1, False), (2, True)]
    assert "version 2 was changed after it was published" in found.disagreements[0].likely


def test_replay__version_that_is_not_stored__is_not_checked(exposures: Sequence[Exposure]) -> None:
    found = Past({2: ROWS[2]}, exposures).replayed("teams")
    old = [each for each in of(exposures, "teams") if each.manifest_version == 1]
    assert found.not_checked[NotChecked.VERSION_NOT_STORED] == len(old) > 0


def test_replay__version_that_cannot_be_read__is_not_checked_and_told(
    exposures: Sequence[Exposure],
) -> None:
    broken = replace(ROWS[2], payload=b"{")
    found = Past({1: ROWS[1], 2: broken}, exposures).replayed("plain")
    assert NotChecked.VERSION_UNREADABLE in found.not_checked
    assert found.versions[-1].problem is not None and found.versions[-1].is_altered


def test_replay__revoked_version__is_drawn_again_and_what_came_later_is_counted(
    exposures: Sequence[Exposure],
) -> None:
    own = sorted(of(exposures, "plain"), key=lambda each: each.occurred_at_ms)
    newer = [each for each in own if each.manifest_version == 2]
    revoked = stored(BEFORE, revoked_at_ms=newer[-4].occurred_at_ms)
    found = Past({1: ROWS[1], 2: revoked}, exposures).replayed("plain")
    assert found.disagreed == 0
    assert found.versions[-1].after_revocation == 3


def test_replay__experiment_that_nobody_saw__is_empty(exposures: Sequence[Exposure]) -> None:
    found = Past(ROWS, exposures).replayed("unseen")
    assert (found.exposures, found.units, found.versions) == (0, 0, ())


def test_replay__version_without_the_experiment__disagrees(
    exposures: Sequence[Exposure],
) -> None:
    others = tuple(each for each in BEFORE.experiments if each.key != "plain")
    found = Past({1: ROWS[1], 2: stored(replace(BEFORE, experiments=others))}, exposures)
    assert set(found.replayed("plain").causes) == {Cause.NOT_IN_VERSION}


def test_replay__experiment_that_is_broken_in_its_version__disagrees(
    exposures: Sequence[Exposure],
) -> None:
    broken = with_experiment(BEFORE, "plain", variants=arms(5_000, 5_001))
    found = Past({1: ROWS[1], 2: stored(broken)}, exposures).replayed("plain")
    assert set(found.causes) == {Cause.BROKEN_IN_VERSION}
    assert "weight" in (found.versions[-1].problem or "")


def test_replay__what_only_the_server_decides_by_was_changed__the_version_is_named() -> None:
    row = replace(ROWS[2], server_payload=ROWS[2].payload)
    known = {"server": sha256(ROWS[2].payload).hexdigest(), "other": "0" * 64}
    altered = {
        name: StoredVersions("plain", 2, {2: row}.get, {2: noted}.get).of(2).is_altered
        for name, noted in known.items()
    }
    assert altered == {"server": False, "other": True}
