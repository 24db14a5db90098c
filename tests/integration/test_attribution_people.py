"""Who counts, for which variant, and who is one person: small cases, on every engine as those of
test_attribution.py."""

from collections import Counter
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

import pytest

from fairlot.stats.sufficient import ANY_VERSION
from fairlot.warehouse.queries import answer
from support.event_tables import (
    BUY,
    DAY,
    HOUR,
    ORDERS,
    START,
    Events,
    Plant,
    exclusions,
    of_arm,
    orders_of,
    phase,
    question,
)

if TYPE_CHECKING:
    pass


def test_exposures__several__the_first_counts(plant: Plant) -> None:
    events = (
        Events()
        .exposed("a", "control", 2 * DAY, reason="sticky")
        .exposed("a", "control", 0)
        .did("a", BUY, 8 * DAY)
        .did("a", BUY, DAY)
    )
    found = answer(plant(events), question(ORDERS))
    assert orders_of(found) == 1
    assert of_arm(found, "control").day == date(2026, 3, 2)


def test_variants__several__left_out_and_counted_in_each(plant: Plant) -> None:
    events = (
        Events()
        .exposed("a", "control")
        .exposed("a", "blue", DAY)
        .exposed("b", "blue")
        .exposed("c", "green")
    )
    found = answer(plant(events), question(ORDERS))
    assert exclusions(found) == {
        ("control", "several_variants", 1),
        ("blue", "several_variants", 1),
        ("", "unknown_variant", 1),
    }
    assert found.left_out == {"several_variants": 1, "unknown_variant": 1}
    assert [(row.variant_key, row.exposed) for row in found.rows] == [("blue", 1)]


def test_variants__more_than_fit_a_number__are_told_apart(plant: Plant) -> None:
    keys = [f"v{number}" for number in range(130)]
    events = Events().exposed("a", "v1").exposed("a", "v129").exposed("b", "v129")
    found = answer(plant(events), question(phases=(phase(0, 0, ANY_VERSION, *keys),)))
    assert exclusions(found) == {("v1", "several_variants", 1), ("v129", "several_variants", 1)}
    assert of_arm(found, "v129").exposed == 1


def test_reasons__others_than_drawn__are_left_out(plant: Plant) -> None:
    events = (
        Events()
        .exposed("a", "control")
        .exposed("a", "control", DAY, reason="sticky")
        .exposed("b", "blue")
        .exposed("c", "blue", reason="divert")
        .exposed("d", "blue")
        .exposed("d", "blue", DAY, reason="divert")
        .exposed("e", "blue", reason="adapter")
        .exposed("f", "blue", reason="adapter", source="personalization")
        .exposed("g", "blue", reason="divert", source="personalization")
    )
    engine = plant(events)
    found = answer(engine, question())
    assert exclusions(found) == {("blue", "other_reason", 4)}
    assert (of_arm(found, "control").exposed, of_arm(found, "blue").exposed) == (1, 2)
    randomised = answer(engine, question(adapter_is_randomised=True))
    assert exclusions(randomised) == {("blue", "other_reason", 3)}


def test_reasons__sticky_at_first__was_drawn_by_shares_that_nobody_knows(plant: Plant) -> None:
    """`b` is drawn in the second phase by its shares; `a` was drawn before, but never exposed."""
    phases = (phase(1, 0, 2, "control", "blue"), phase(2, 2, ANY_VERSION, "control", "blue"))
    events = (
        Events()
        .exposed("a", "blue", DAY, reason="sticky", manifest_version=2)
        .exposed("b", "blue", DAY, manifest_version=2)
        .exposed("c", "control", 0, reason="sticky")  # in one millisecond
        .exposed("c", "control", 0)
        .exposed("d", "control", 0, trust="public")
        .exposed("d", "control", DAY, reason="sticky")
        .exposed("e", "blue", 0, reason="sticky", source="personalization")
        .exposed("f", "control", 0, reason="sticky")
        .exposed("f", "control", DAY)
        .exposed("g", "control", 0, reason="sticky")
        .exposed("g", "blue", DAY)
    )
    found = answer(plant(events), question(phases=phases))
    assert exclusions(found) == {
        ("blue", "other_reason", 1),
        ("control", "other_reason", 2),
        ("control", "several_variants", 1),
        ("blue", "several_variants", 1),
    }
    counted = {(row.phase, row.variant_key): row.exposed for row in found.rows}
    assert counted == {(2, "blue"): 1, (1, "control"): 1, (1, "blue"): 1}


def test_logins__what_they_changed__is_left_out(plant: Plant) -> None:
    events = (
        Events()
        .exposed("a", "control")
        .exposed("a", "blue", DAY, properties={"fairlot.switched": True})
        .exposed("b", "blue", properties={"fairlot.excluded": True})
        .exposed("c", "blue", properties={"note": "fairlot.switched"})
    )
    found = answer(plant(events), question())
    assert exclusions(found) == {
        ("control", "switched", 1),
        ("blue", "switched", 1),
        ("blue", "excluded_on_login", 1),
    }
    assert of_arm(found, "blue").exposed == 1


def test_public__exposures_and_conversions__count_for_nothing_that_matters(plant: Plant) -> None:
    clicks = replace(ORDERS, key="clicks", counts_public=True)
    events = (
        Events()
        .exposed("a", "control", HOUR)
        .exposed("a", "blue", 0, trust="public")
        .exposed("b", "blue", trust="public")
        .did("a", BUY, DAY, trust="public")
        .did("a", BUY, DAY)
    )
    found = answer(plant(events), question(ORDERS, clicks))
    assert exclusions(found) == {("blue", "public", 1)}
    control = of_arm(found, "control").metrics
    assert (control["orders"].moments.means[0], control["clicks"].moments.means[0]) == (1, 2)


def test_actors__bots_and_staff__are_dropped_first(plant: Plant) -> None:
    events = (
        Events()
        .exposed("a", "blue", 0, actor="staff")
        .exposed("a", "control", DAY)
        .exposed("b", "blue", actor="bot")
        .did("a", BUY, 2 * DAY, actor="bot")
        .did("a", BUY, 7 * DAY)
    )
    found = answer(plant(events), question(ORDERS))
    assert (orders_of(found), found.not_human, found.excluded) == (1, 1, ())


def test_aliases__one_step_to_the_first_user__of_exposures_and_conversions(plant: Plant) -> None:
    events = (
        Events()
        .linked("anonymous", "second", 2 * DAY)
        .linked("anonymous", "user", DAY)
        .linked("user", "nobody", DAY)
        .linked("visitor", "anonymous", DAY)  # makes `anonymous` a user of its own
        .exposed("device", "control")
        .exposed("person", "control", HOUR)
        .linked("device", "person", DAY)
        .linked("device", "stranger", 3 * DAY)
        .linked("device", "anybody", HOUR, trust="public")
        .linked("device", "crawler", HOUR, actor="bot")
        .did("device", BUY, DAY)
        .did("person", BUY, 2 * DAY)
        .did("user", BUY, DAY)
        .exposed("anonymous", "blue")
        .did("visitor", BUY, DAY)
        .did("user", BUY, DAY)
    )
    found = answer(plant(events), question(ORDERS))
    assert of_arm(found, "control").exposed == 1 and orders_of(found) == 2
    assert of_arm(found, "blue").exposed == 1 and orders_of(found, "blue") == 1


@pytest.mark.parametrize("first", ["old", "young"])
def test_aliases__second_device_of_a_user__is_one_person_with_it(plant: Plant, first: str) -> None:
    """Whichever device logs in first. By a merge before any login, too."""
    events = Events().exposed("old", "control").exposed("young", "control", HOUR)
    if first == "old":
        events.linked("old", "anna", DAY).merged("young", "old", 2 * DAY)
    else:
        events.linked("young", "anna", DAY).merged("young", "old", 2 * DAY)
        events.linked("old", "anna", 2 * DAY)
    events.did("anna", BUY, HOUR * 2).did("old", BUY, DAY).did("young", BUY, DAY)
    events.exposed("bold", "control").exposed("yonder", "control").merged("yonder", "bold", DAY)
    events.linked("bold", "ben", 2 * DAY).did("ben", BUY, 3 * DAY)
    found = answer(plant(events), question(ORDERS))
    assert of_arm(found, "control").exposed == 2 and orders_of(found) == 4
    assert found.excluded == ()


@pytest.mark.parametrize("first", ["old", "young"])
def test_aliases__second_device_had_another_variant__the_person_is_left_out_of_both(
    plant: Plant, first: str
) -> None:
    events = Events().exposed("old", "control").exposed("young", "blue", HOUR)
    events.linked(first, "anna", DAY).merged("young", "old", 2 * DAY)
    events.linked("old", "anna", 2 * DAY).did("anna", BUY, 3 * DAY)
    events.exposed("other", "blue").did("other", BUY, DAY)
    found = answer(plant(events), question(ORDERS))
    assert exclusions(found) == {
        ("control", "several_variants", 1),
        ("blue", "several_variants", 1),
    }
    assert of_arm(found, "blue").exposed == 1 and orders_of(found, "blue") == 1


def test_aliases__chain_of_merges__ends_at_the_last_and_its_user(plant: Plant) -> None:
    """Three merges, of which the first says that it was the last, and the latter two arrived in one
    moment."""
    arrived = [datetime.fromtimestamp((START + hours * HOUR) / 1000, UTC) for hours in (50, 60)]
    events = Events().exposed("a", "control").merged("d", "c", 2 * DAY, received_at=arrived[0])
    for gone, into in (("b", "a"), ("c", "a"), ("d", "a"), ("c", "b"), ("d", "b")):
        events.merged(gone, into, DAY, received_at=arrived[1])
    events.linked("b", "eve", HOUR).merged("eve", "a", DAY).linked("a", "anna", HOUR)
    for name in ("a", "b", "c", "d", "anna", "eve"):
        events.did(name, BUY, DAY)
    assert orders_of(answer(plant(events), question(ORDERS))) == 6


def test_logins__experiment_that_excludes__leaves_out_who_was_exposed_before(plant: Plant) -> None:
    events = (
        Events()
        .exposed("anonymous", "control", 0)
        .linked("anonymous", "anonymous", HOUR)
        .exposed("before", "control", 0)
        .linked("before", "anna", DAY)
        .exposed("after", "control", 2 * DAY)
        .linked("after", "ben", DAY)
        .exposed("young", "blue", 0)  # merged into a user, later into one who logs in
        .linked("of-cleo", "cleo", HOUR)
        .merged("young", "of-cleo", DAY)
        .exposed("younger", "blue", 2 * DAY)
        .merged("younger", "of-dan", DAY)
        .linked("of-dan", "dan", 3 * DAY)
        .exposed("late", "blue", 2 * DAY)
        .linked("of-fay", "fay", HOUR)
        .merged("late", "of-fay", DAY)
    )
    engine = plant(events)
    asked = question(ORDERS)
    assert answer(engine, asked).excluded == ()
    found = answer(engine, replace(asked, leaves_on_login=True))
    assert exclusions(found) == {
        ("control", "excluded_on_login", 1),
        ("blue", "excluded_on_login", 2),
    }
    exposed = {(row.variant_key, row.day.day): row.exposed for row in found.rows}
    assert set(exposed.values()) == {1}
    assert Counter(variant for variant, _ in exposed) == {"control": 2, "blue": 1}


def test_units__accounts__have_what_their_people_do(plant: Plant) -> None:
    events = (
        Events()
        .exposed("ann", "control", 0, unit_id="acme")
        .exposed("bob", "control", DAY, unit_id="acme")
        .exposed("bob", "blue", 2 * DAY, unit_id="umbrella")
        .did("ann", BUY, HOUR)
        .did("bob", BUY, 3 * DAY)
        .did("eve", BUY, DAY)
    )
    found = answer(plant(events), question(ORDERS, by_unit=True))
    assert (of_arm(found, "control").exposed, orders_of(found)) == (1, 2)
    assert (of_arm(found, "blue").exposed, orders_of(found, "blue")) == (1, 0)


def test_units__a_public_exposure__moves_nobody_to_another_account(plant: Plant) -> None:
    events = (
        Events()
        .exposed("ann", "control", DAY, unit_id="acme")
        .exposed("bob", "blue", DAY, unit_id="umbrella")
        .exposed("ann", "control", 0, unit_id="umbrella", trust="public")
        .exposed("eve", "control", 0, unit_id="acme", trust="public")
        .did("ann", BUY, 2 * DAY)
        .did("eve", BUY, 2 * DAY)
    )
    found = answer(plant(events), question(ORDERS, by_unit=True))
    assert (of_arm(found, "control").exposed, orders_of(found)) == (1, 2)
    assert (of_arm(found, "blue").exposed, orders_of(found, "blue")) == (1, 0)
