"""Single exposures: memories, logins, personalizations, reasons."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from fairlot.engine import (
    ActivationRule,
    Audience,
    EventRule,
    ExperimentType,
    Manifest,
    Reason,
    Status,
    Unit,
    bucket_of,
)
from fairlot.events import Assignment, Exposure
from fairlot.service.replay.report import Cause, NotChecked
from support.replays import Past, stored
from support.shop_log import NOW_MS, arms, experiment, exposure_of

IN_B = next(f"u{n}" for n in range(99) if bucket_of("e", "variant", f"u{n}") >= 5_000)
IN_A = next(f"u{n}" for n in range(99) if bucket_of("e", "variant", f"u{n}") < 5_000)
WHEN = ActivationRule(EventRule("looked"), control_share_bp=5_000)
CONTROL, TREATED = (
    next(f"u{n}" for n in range(99) if (bucket_of("e", "control", f"u{n}") < 5_000) is wanted)
    for wanted in (True, False)
)


def version(number: int = 1, **fields: Any) -> Manifest:
    return Manifest("default", "default", number, "", (experiment("e", **fields),))


def triggered(number: int = 1, when: ActivationRule = WHEN) -> Manifest:
    kind = ExperimentType.PERSONALIZATION
    return version(number, type=kind, variants=arms(10_000), activation=when)


def shown(unit: str, variant: str, reason: Reason = Reason.BUCKET, **fields: Any) -> Exposure:
    at_ms = fields.pop("at_ms", NOW_MS)
    made = exposure_of("e", unit, variant, reason, at_ms, source="assignments")
    return msgspec.structs.replace(made, **fields)


def verdicts(past: Past) -> dict[str, int]:
    found = past.replayed("e")
    told = [*found.causes.items(), *found.not_checked.items()]
    return {str(name): count for name, count in told}


ONE = {1: stored(version())}


def test_sticky__earlier_exposure_gave_it__agrees() -> None:
    by_adapter = shown(IN_A, "b", Reason.ADAPTER)
    later = shown(IN_A, "b", Reason.STICKY, at_ms=NOW_MS + 1)
    rows = {1: stored(version(adapter_is_randomised=True))}
    assert verdicts(Past(rows, [by_adapter, later])) == {"adapter": 1}
    earlier = shown(IN_A, "b", Reason.STICKY, at_ms=NOW_MS - 1)
    assert verdicts(Past(rows, [by_adapter, earlier])) == {"adapter": 1, "no_origin": 1}


def test_sticky__earlier_exposure_was_wrong_itself__is_no_origin() -> None:
    rows = [shown(IN_A, "b"), shown(IN_A, "b", Reason.STICKY, at_ms=NOW_MS + 1)]
    assert verdicts(Past(ONE, rows)) == {"other_variant": 1, "no_origin": 1}


def test_sticky__stored_assignment_gave_it__agrees() -> None:
    kept = Assignment("exp_e", "e", IN_A, "b", 1, NOW_MS)
    assert verdicts(Past(ONE, [shown(IN_A, "b", Reason.STICKY)], [kept])) == {}
    other = Assignment("exp_e", "e", IN_A, "a", 1, NOW_MS)
    assert verdicts(Past(ONE, [shown(IN_A, "b", Reason.STICKY)], [other])) == {"no_origin": 1}


def test_sticky__older_version_gave_it__agrees_a_newer_one_did_not() -> None:
    swapped = version(2, variants=arms(0, 10_000))
    rows = {1: stored(version()), 2: stored(swapped)}
    later = shown(IN_A, "a", Reason.STICKY, manifest_version=2)
    assert verdicts(Past(rows, [later])) == {}
    before = shown(IN_A, "b", Reason.STICKY, manifest_version=1)
    found = Past(rows, [before]).replayed("e")
    assert found.causes == {Cause.NO_ORIGIN: 1}
    assert found.disagreements[0].given_by == (2,)


def test_sticky__linked_by_a_login__agrees_by_the_other_id() -> None:
    rows = [shown(IN_A, "b", Reason.STICKY)]
    assert verdicts(Past(ONE, rows, linked={IN_A: [IN_B]})) == {}
    assert verdicts(Past(ONE, rows, linked={"u": [IN_B]})) == {"no_origin": 1}


@pytest.mark.parametrize(
    "fields", [{"source": "choose"}, {"source": None, "sender_id": "a worker's SDK"}]
)
def test_sticky__kept_where_this_log_does_not_reach__is_not_checked(fields: dict[str, Any]) -> None:
    rows = [shown(IN_A, "b", Reason.STICKY, **fields)]
    assert verdicts(Past(ONE, rows)) == {"remembered_elsewhere": 1}


def test_sticky__sample_and_weights_do_not_matter_but_the_layer_and_the_gate_do() -> None:
    gated = version(2, variants=arms(5_000, 5_000, recipe_sample_rate_bp=0))
    rows = {1: ONE[1], 2: stored(gated)}
    assert verdicts(Past(rows, [shown(IN_B, "b", Reason.STICKY, manifest_version=2)])) == {
        "outside_recipe": 1
    }
    unsampled = version(2, audience=Audience(sample_rate_bp=0))
    rows = {1: ONE[1], 2: stored(unsampled)}
    later = [shown(IN_B, "b", Reason.STICKY, manifest_version=2)]
    assert verdicts(Past(rows, later)) == {}
    drawn = [shown(IN_B, "b", manifest_version=2)]
    assert verdicts(Past(rows, drawn)) == {"outside_sample": 1}


@pytest.mark.parametrize(
    ("fields", "reason", "verdict"),
    [
        ({"status": Status.PAUSED}, Reason.BUCKET, {"not_running": 1}),
        ({"status": Status.COMPLETED}, Reason.STICKY, {"not_running": 1}),
        ({"status": Status.COMPLETED, "rollout": "b"}, Reason.BUCKET, {"diverted": 1}),
        ({"status": Status.COMPLETED, "rollout": "b"}, Reason.DIVERT, {NotChecked.DIVERT: 1}),
        ({"divert_to": "a"}, Reason.DIVERT, {"diverted": 1}),
        ({}, Reason.ADAPTER, {NotChecked.ADAPTER: 1}),
        ({"audience": Audience(sample_rate_bp=0)}, Reason.ADAPTER, {"outside_sample": 1}),
        ({}, Reason.PREVIEW, {NotChecked.PREVIEW: 1}),
    ],
)
def test_judge__state_and_reason__by_the_version(
    fields: dict[str, Any], reason: Reason, verdict: dict[str, int]
) -> None:
    assert verdicts(Past({1: stored(version(**fields))}, [shown(IN_B, "b", reason)])) == verdict


def test_judge__unit_of_a_login_that_switches__may_differ() -> None:
    row = shown("anonymous", "b", unit_id=IN_B, source="choose")
    assert verdicts(Past({1: stored(version(on_login="switch"))}, [row])) == {}
    assert verdicts(Past({1: stored(version(on_login="keep"))}, [row])) == {"other_unit": 1}


def test_judge__account__its_id_is_hashed_and_not_the_subject() -> None:
    row = shown(IN_A, "b", unit_id=IN_B)
    rows = {1: stored(version(unit=Unit.ACCOUNT))}
    assert verdicts(Past(rows, [row])) == {}
    hashed = Past(rows, [shown(IN_B, "b", unit_id=IN_A)]).replayed("e").disagreements[0]
    assert "the subject was hashed in place of the unit" in hashed.likely


def test_names__another_variant_id__says_which_name_is_another() -> None:
    found = (
        Past(ONE, [shown(IN_B, "b", experiment_id="", variant_id="var_x")])
        .replayed("e")
        .disagreements[0]
    )
    assert found.cause is Cause.OTHER_NAMES
    assert "it has the variant id 'var_x' for 'var_b'; who sent the row" in found.likely
    assert found.given_by == ()


def activated(unit: str, arm: str, **fields: Any) -> Exposure:
    named = {"variant_id": "" if arm == "control" else "var_a", "source": "personalization"}
    return shown(unit, arm, **{**named, **fields})


def test_personalization__both_arms_as_drawn__agree() -> None:
    rows = [activated(CONTROL, "control"), activated(TREATED, "a")]
    assert verdicts(Past({1: stored(triggered())}, rows)) == {}


def test_personalization__the_other_arm__disagrees_unless_it_was_so_before() -> None:
    rows = {1: stored(triggered())}
    assert verdicts(Past(rows, [activated(TREATED, "control")])) == {"other_arm": 1}
    assert verdicts(Past(rows, [activated(CONTROL, "a")])) == {"other_arm": 1}
    less = replace(WHEN, control_share_bp=0)
    rows[2] = stored(triggered(2, less))
    again = activated(CONTROL, "control", manifest_version=2)
    assert verdicts(Past(rows, [again])) == {}
