"""Faults that were planted are found, each by its code and with its cause; healthy experiments have
no finding at all."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from fairlot.engine import Reason
from fairlot.events.records import Trust
from fairlot.service.doctor import Circumstances
from fairlot.stats.findings import Finding, FindingCode, Severity
from fairlot.stats.sufficient import ANY_VERSION, Arm, Phase
from fairlot.warehouse.senders import SenderFigures
from support.healthy import HEALTHY, Trial, at_the_checkout, in_mid_visit
from support.patients import DAY_MS, EVEN, START_MS, Patient, examined, patients


def told(found: tuple[Finding, ...]) -> set[tuple[str, str]]:
    return {(each.code.value, each.severity.value) for each in found}


def one_of(found: tuple[Finding, ...], code: FindingCode) -> Finding:
    (only,) = (each for each in found if each.code is code)
    return only


@pytest.mark.parametrize("healthy", HEALTHY)
def test_examine__healthy_experiment__nothing_is_found(healthy: Callable[[int], Trial]) -> None:
    trial = healthy(1)
    assert examined(trial.found, **trial.fields) == ()


@pytest.mark.parametrize(
    ("is_lost", "dimension", "value", "severity"),
    [
        (lambda each: each.device == "mobile", "device", "mobile", Severity.BLOCKS),
        (
            lambda each: each.at_ms // DAY_MS == (START_MS + 5 * DAY_MS) // DAY_MS,
            "day",
            "2026-09-26",
            Severity.WARNS,
        ),
    ],
)
def test_sample_ratio__one_arm_loses_subjects_of_a_kind__the_kind_is_named(
    is_lost: Callable[[Patient], bool], dimension: str, value: str, severity: Severity
) -> None:
    """All of the day, or two thirds of mobile, in one arm."""
    found = [
        each
        for number, each in enumerate(patients(20, 6_000))
        if not (is_lost(each) and each.variant == "b" and (dimension == "day" or number % 3))
    ]
    finding = one_of(examined(found), FindingCode.SAMPLE_RATIO_MISMATCH)
    assert finding.severity is severity
    suspect = finding.evidence["suspects"][0]
    assert (suspect["dimension"], suspect["value"]) == (dimension, value)
    assert f"likely {dimension} {value}" in finding.summary


@pytest.mark.parametrize(
    ("column", "odd", "dimension"),
    [("source", "batch", "source"), ("manifest_version", 7, "manifest version")],
)
def test_sample_ratio__subjects_of_one_origin_too_many__is_named(
    column: str, odd: Any, dimension: str
) -> None:
    found = patients(21)
    for number, each in enumerate(patients(22, 400)):
        each.subject, each.variant = f"odd-{number}", "b"
        each.exposed = {column: odd}
        found.append(each)
    finding = one_of(examined(found), FindingCode.SAMPLE_RATIO_MISMATCH)
    suspect = finding.evidence["suspects"][0]
    assert (suspect["dimension"], suspect["value"]) == (dimension, str(odd))


def test_several_variants__two_in_a_hundred__warns() -> None:
    found = patients(23)
    for each in found[:60]:
        each.also = [("b" if each.variant == "a" else "a", each.at_ms + 1_000)]
    findings = examined(found)
    assert told(findings) == {("several_variants", "warns")}
    assert findings[0].evidence["subjects"] == 60


@pytest.mark.parametrize(("count", "found"), [(25, set()), (60, {("several_variants", "warns")})])
def test_several_variants__subjects_seen_in_three__count_once(
    count: int, found: set[tuple[str, str]]
) -> None:
    """25 of 3,000 are under 1 %; in all variants together they are counted 75 times."""
    third = tuple(Arm(key, key == "a", 1 / 3) for key in "abc")
    asked = patients(32)
    for number, each in enumerate(asked):
        each.variant = "abc"[number % 3]
    for each in asked[:count]:
        each.also = [(key, each.at_ms + 1_000) for key in "abc" if key != each.variant]
    findings = examined(asked, phases=(Phase(1, 0, ANY_VERSION, third),))
    assert told(findings) == found
    for finding in findings:
        assert finding.evidence["subjects"] == count
        assert finding.evidence["byVariant"] == dict.fromkeys("abc", count)
        assert finding.summary.startswith("2.00 % of the subjects (60) were seen in several")


def test_exclusions__one_arm_is_diverted_more__blocks() -> None:
    found = patients(24)
    in_b = [each for each in found if each.variant == "b"]
    for each in in_b[:40]:
        each.exposed = {"reason": Reason.DIVERT}
    findings = examined(found)
    assert told(findings) == {("exclusions_differ", "blocks")}
    assert findings[0].evidence["excluded"] == {"a": 0, "b": 40}


def test_switched__many_had_another_variant__warns() -> None:
    found = patients(25)
    for each in found[:90]:
        each.exposed = {"properties": {"fairlot.switched": True}}
    assert told(examined(found)) == {("switched", "warns")}


def test_switched__few_who_were_seen_in_both__count_once() -> None:
    """20 of 3,000 are under 1 %, 40 would be over it."""
    found = patients(33)
    for each in found[:20]:
        each.also = [("b" if each.variant == "a" else "a", each.at_ms + 1_000)]
        each.exposed = {"properties": {"fairlot.switched": True}}
    assert examined(found) == ()


def test_unknown_variant__a_variant_was_removed__warns() -> None:
    found = patients(26)
    for each in found[:90]:
        each.variant = "c"
    finding = one_of(examined(found), FindingCode.EXCLUSIONS_DIFFER)
    assert "a variant that the manifest does not have" in finding.summary


@pytest.mark.parametrize("came_back", [0.5, 0.1])
def test_several_variants__of_one_that_was_removed__the_removal_is_named(came_back: float) -> None:
    """c was removed in version 5, and some of its subjects came back and were drawn anew."""
    found = patients(43)
    for number, each in enumerate(found):
        each.variant = "abc"[number % 3]
        if each.at_ms >= START_MS + 7 * DAY_MS:
            each.exposed = {"manifest_version": 5}
            each.variant = "ab"[number % 2]
    of_c = [each for each in found if each.variant == "c"]
    again = of_c[: round(came_back * len(of_c))]
    for number, each in enumerate(again):
        each.also = [("ab"[number % 2], START_MS + 8 * DAY_MS + number)]
    third = tuple(Arm(key, key == "a", 1 / 3) for key in "abc")
    phases = (Phase(1, 0, 5, third), Phase(2, 5, ANY_VERSION, EVEN))
    findings = {each.code: each for each in examined(found, phases=phases)}
    if came_back == 0.5:
        ratio = findings[FindingCode.SAMPLE_RATIO_MISMATCH]
        assert f"c was removed in version 5, and {len(again)} of its subjects" in ratio.summary
        assert ratio.evidence["removed"] == {"c": 5}
        assert ratio.advice == findings[FindingCode.SEVERAL_VARIANTS].advice
    differ = findings[FindingCode.EXCLUSIONS_DIFFER]
    assert f"c was removed in version 5, and {len(again)} of its subjects" in differ.summary
    assert "cookies" not in differ.advice and "under a new key" in differ.advice


def test_several_variants__not_of_the_one_that_was_removed__the_removal_is_not_named() -> None:
    found = patients(44)
    for number, each in enumerate(found):
        each.variant = "abc"[number % 3]
    of_b = [each for each in found if each.variant == "b"]
    for each in of_b[:400]:
        each.also = [("a", each.at_ms + 1_000)]
    third = tuple(Arm(key, key == "a", 1 / 3) for key in "abc")
    phases = (Phase(1, 0, 5, third), Phase(2, 5, ANY_VERSION, EVEN))
    for finding in examined(found, phases=phases):
        assert "was removed" not in finding.summary
        assert "removed" not in finding.evidence


def test_phases__weights_changed__is_noted_and_each_phase_has_its_own_ratio() -> None:
    skewed = (Arm("a", True, 0.25), Arm("b", False, 0.75))
    first = patients(27)
    later = patients(28, 2_000)
    for number, each in enumerate(later):
        each.variant = "a" if number % 4 == 0 else "b"
        each.exposed = {"manifest_version": 5}
    phases = (Phase(1, 0, 5, EVEN), Phase(2, 5, ANY_VERSION, skewed))
    findings = examined(first + later, phases=phases)
    assert told(findings) == {("weights_changed", "notes")}
    assert set(findings[0].evidence["sharesByFirstVersion"]) == {"0", "5"}


def test_examine__nobody_was_exposed__nothing_is_found() -> None:
    assert examined([]) == ()


def test_findings__as_json__hold_all_that_they_say() -> None:
    found = [each for each in patients(29) if each.variant == "a" or each.device == "desktop"]
    (finding,) = examined(found)
    assert msgspec.json.decode(msgspec.json.encode(finding))["evidence"]["exposed"]["a"] > 0


def test_start__exposures_before_it__are_counted_and_the_first_is_named() -> None:
    found = patients(30, 400)
    for number, each in enumerate(found[:7]):
        each.at_ms = START_MS - (number + 1) * DAY_MS
    finding = one_of(examined(found), FindingCode.EXPOSURES_BEFORE_START)
    first = "2026-09-14T14:13:20.000Z"  # a week before 1,790,000,000
    assert finding.severity is Severity.WARNS
    evidence = finding.evidence
    assert (evidence["exposures"], evidence["subjects"], evidence["earliest"]) == (7, 7, first)
    assert f'schedule: {{start: "{first}"}}' in finding.advice


def test_start__one_in_a_hundred_came_before_it__is_how_clocks_are() -> None:
    found = patients(30, 400)
    for each in found[:4]:
        each.at_ms, each.bought_at_ms = START_MS - DAY_MS, []
        each.also = [(each.variant, START_MS - DAY_MS + 1_000)]
    assert examined(found) == ()


@pytest.mark.parametrize("late_ms", [60_000, 100])
def test_order__exposures_are_recorded_after_the_purchase__warns(late_ms: int) -> None:
    """Also of one request, that writes the exposure last."""
    found = patients(30)
    for each in found[:200]:
        each.bought_at_ms = [each.at_ms - late_ms]
        each.exposed = {"experiment_id": ""}
    findings = examined(found)
    assert told(findings) == {("exposures_after_conversions", "warns")}
    assert findings[0].evidence["inTheHourBefore"] == 200
    assert findings[0].evidence["metrics"] == ["bought", "spent"]


def test_clocks__other_senders_are_two_seconds_behind__warns() -> None:
    found = patients(31)
    for each in found[:60]:
        each.bought_at_ms = [each.at_ms - 2_000]
        each.bought = {"sender_id": "another"}
    assert told(examined(found)) == {("clock_skew", "warns")}


@pytest.mark.parametrize("late_ms", [60_000, 100])
def test_order__one_in_five_who_buy_at_once_did_so_before__warns(late_ms: int) -> None:
    """One program of several records the exposure too late; the pages around it say nothing."""
    trial = at_the_checkout(41)
    buyers = [each for each in trial.found if each.bought_at_ms]
    for each in buyers[: len(buyers) // 5]:
        each.bought_at_ms = [each.at_ms - late_ms]
    (finding,) = examined(trial.found, **trial.fields)
    assert finding.code is FindingCode.EXPOSURES_AFTER_CONVERSIONS
    assert finding.evidence["event"] == "purchase"
    assert finding.evidence["inTheHourBefore"] == len(buyers) // 5
    assert finding.evidence["inTheHourAfter"] > 2 * finding.evidence["inTheHourBefore"]


def test_clocks__of_a_shop_is_behind__warns_among_pages_before_the_exposure() -> None:
    trial = in_mid_visit(42)
    for each in trial.found[:60]:
        each.bought_at_ms = [each.at_ms - 2_000]
        each.bought = {"sender_id": "shop"}
    assert told(examined(trial.found, **trial.fields)) == {("clock_skew", "warns")}


def test_values__finite_but_too_large_to_count__warns() -> None:
    """They count as 0 (decision 0032), so nobody would see them otherwise."""
    found = patients(32)
    buyers = [each for each in found if each.bought_at_ms]
    for each, value in zip(buyers, (1e308, -1e61, 1e60), strict=False):
        each.bought = {"value": value}
    told_of = one_of(examined(found), FindingCode.INVALID_VALUES)
    assert told_of.evidence["beyond 1e+60 or no number"] == 2
    assert "2 beyond 1e+60 or no number" in told_of.summary


def test_values__some_are_absent__warns() -> None:
    found = patients(32)
    buyers = [each for each in found if each.bought_at_ms]
    for each in buyers[:30]:
        each.bought = {"value": None}
    (finding,) = examined(found)
    assert (finding.code, finding.metric) == (FindingCode.INVALID_VALUES, "spent")
    assert finding.evidence["without a value"] >= 30


def with_a_reseller(found: list[Patient]) -> None:
    """In b, on one of the days that the cap is of."""
    buyers = (each for each in found if each.variant == "b" and each.bought_at_ms)
    reseller = next(each for each in buyers if each.at_ms < START_MS + 6 * DAY_MS)
    reseller.bought_at_ms = [reseller.at_ms + 1_000]
    reseller.bought = {"value": 9_000.0}


def test_domination__a_reseller_among_fewer_subjects_than_a_quantile_cuts__warns() -> None:
    found = patients(38, 900)
    with_a_reseller(found)
    (finding,) = examined(found)
    assert (finding.code, finding.severity) == ("one_subject_dominates", "warns")
    assert (finding.metric, finding.variant) == ("spent", "b")
    rest = finding.evidence["total"] - 9_000.0
    assert finding.evidence["share"] == pytest.approx(9_000 / (9_000 + rest), rel=0.01)
    assert finding.evidence["share"] > 0.7
    assert "cuts nobody among fewer than some 1,000" in finding.advice


def test_domination__a_reseller_whom_the_cap_cuts__is_no_finding() -> None:
    found = patients(38)
    with_a_reseller(found)
    assert examined(found) == ()


def test_domination__few_buyers_who_spend_alike__is_no_finding() -> None:
    assert examined(patients(39, 300, rates=(0.03, 0.03))) == ()


def test_public_events__a_tenth_could_be_anyones__warns() -> None:
    found = patients(33)
    for number, each in enumerate(found):
        each.bought = {"trust": Trust.PUBLIC} if number % 10 == 0 else {}
    findings = examined(found)
    assert told(findings) == {("public_events", "warns")}
    assert [each.metric for each in findings] == ["bought", "spent"]


def test_novelty__only_the_first_week_shows_an_effect__warns() -> None:
    found = patients(34, rates=(0.2, 0.2))
    for each in found:
        if each.variant == "b" and each.at_ms < START_MS + 7 * DAY_MS and int(each.subject[-1]) < 2:
            each.bought_at_ms = [each.at_ms + 1_000]
    findings = examined(found)
    assert told(findings) == {("novelty", "warns")}
    assert "fades" in findings[0].summary and findings[0].variant == "b"


def test_lift__one_arm_sends_the_event_twice_as_often__warns() -> None:
    findings = examined(patients(35, rates=(0.05, 0.15)))
    assert told(findings) == {("implausible_lift", "warns")}


def test_delivery__lost_events_and_batches_that_come_again__warn() -> None:
    sender = SenderFigures("prj_1", "s", "sdk", 100, 9_000, 0, 0, 3, 250, 0, START_MS)
    found = patients(36)
    lost = examined(found, Circumstances(senders=(sender,)))
    assert told(lost) == {("lost_events", "warns")}
    again = sender._replace(lost_events=0, missing_batches=0, repeated_batches=40)
    assert told(examined(found, Circumstances(senders=(again,)))) == {
        ("duplicate_batches", "warns")
    }


def test_missing_exposures__one_arm_is_given_and_not_shown__warns() -> None:
    found = patients(37)
    assigned = Counter(each.variant for each in found)
    shown = Circumstances(assigned=dict(assigned))
    assert examined(found, shown) == ()
    assigned["b"] += 60
    (finding,) = examined(found, Circumstances(assigned=dict(assigned)))
    assert finding.code is FindingCode.MISSING_EXPOSURES
    assert finding.evidence["missing"] == {"a": 0, "b": 60}
