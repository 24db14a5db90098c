"""Subjects of a holdout that were seen in both arms: the cause is named, and what to do."""

from dataclasses import replace
from typing import Any

from fairlot.stats.findings import Finding, FindingCode, Severity
from fairlot.stats.sufficient import ANY_VERSION, Arm, Phase
from support.patients import DAY_MS, START_MS, Patient, examined, patients

CHANGED_MS = START_MS + 7 * DAY_MS


def phase(number: int, rate: float, first: int = 0, end: int = ANY_VERSION) -> Phase:
    return Phase(number, first, end, (Arm("held", True, rate), Arm("open", False, 1 - rate)))


RAISED = (phase(1, 0.2, 0, 4), phase(2, 0.3, 4))


def seen(*rates: float, seed: int = 71, **also: Any) -> list[Patient]:
    """Drawn by the first rate, and from version 4 on by the last: by tenths, so the shares are
    exact."""
    found = patients(seed)
    for number, each in enumerate(found):
        is_late = each.at_ms >= CHANGED_MS
        rate = rates[-1] if is_late else rates[0]
        each.variant = "held" if number % 10 < round(10 * rate) else "open"
        each.exposed = {
            "experiment_id": "holdout.all",
            "experiment_key": "holdout.all",
            "manifest_version": 4 if is_late else 1,
            **also,
        }
    return found


def of_holdout(found: list[Patient], *phases: Phase) -> dict[FindingCode, Finding]:
    given = examined(
        found, experiment_id="holdout.all", experiment_key="holdout.all", phases=phases
    )
    return {each.code: each for each in given}


def came_back(found: list[Patient], rates: tuple[float, float]) -> list[Patient]:
    """Those between the rates, seen before the change and after it."""
    low, high = sorted(round(10 * rate) for rate in rates)
    moved = [
        each
        for number, each in enumerate(found)
        if low <= number % 10 < high and each.at_ms < CHANGED_MS
    ]
    for each in moved:
        other = "held" if each.variant == "open" else "open"
        each.also = [(other, CHANGED_MS + DAY_MS)]
    return moved


def test_several_variants__rate_of_a_holdout_was_raised__the_change_is_named() -> None:
    found = seen(0.2, 0.3)
    moved = came_back(found, (0.2, 0.3))
    findings = of_holdout(found, *RAISED)
    told = f"its rate changed from 0.2 to 0.3 in version 4, and {len(moved)} subjects, who came"
    for code in (FindingCode.EXCLUSIONS_DIFFER, FindingCode.SEVERAL_VARIANTS):
        finding = findings[code]
        assert told in finding.summary
        assert "cookies" not in finding.advice
        assert "under a new key, with a salt of its own" in finding.advice
        assert "that is not by chance, so the arms differ without" in finding.advice
        assert finding.evidence["rateChanges"] == [{"version": 4, "from": 0.2, "to": 0.3}]
    assert findings[FindingCode.EXCLUSIONS_DIFFER].severity is Severity.BLOCKS


def test_sample_ratio__rate_of_a_holdout_was_changed__is_told_with_its_cause() -> None:
    for rates in ((0.2, 0.4), (0.4, 0.2)):
        found = seen(*rates)
        moved = came_back(found, rates)
        phases = (phase(1, rates[0], 0, 4), phase(2, rates[1], 4))
        ratio = of_holdout(found, *phases)[FindingCode.SAMPLE_RATIO_MISMATCH]
        assert f"in version 4, and {len(moved)} subjects, who came back" in ratio.summary
        assert ratio.evidence["suspects"] == []
        assert "under a new key" in ratio.advice


def test_phases__rate_of_a_holdout_was_changed__says_whom_it_mixes() -> None:
    """Within 30 days the log takes the second exposure of a unit for a repeat of the first."""
    findings = of_holdout(seen(0.2, 0.3), *RAISED)
    assert set(findings) == {FindingCode.WEIGHTS_CHANGED}
    advice = findings[FindingCode.WEIGHTS_CHANGED].advice
    assert "the difference is told too small" in advice
    assert "under a new key, with a salt of its own" in advice


def test_several_variants__subjects_of_a_holdout_were_drawn_by_accounts_too__that_is_named() -> (
    None
):
    """With both arms from one version, so that no rate can be why."""
    found = seen(0.2, 0.3)
    first = [each for each in found if each.at_ms < CHANGED_MS][:200]
    again = [
        replace(
            each,
            variant="held" if each.variant == "open" else "open",
            bought_at_ms=[],
            exposed={**each.exposed, "unit_id": f"account-{number}", "event_id": f"acc-{number}"},
        )
        for number, each in enumerate(first)
    ]
    findings = of_holdout(found + again, *RAISED)
    for code in (FindingCode.EXCLUSIONS_DIFFER, FindingCode.SEVERAL_VARIANTS):
        assert "200 subjects were drawn by more than one unit" in findings[code].summary
        assert "Let all experiments have one unit" in findings[code].advice
        assert findings[code].evidence["drawnByMoreUnits"] == 200


def test_several_variants__of_a_holdout_whose_rate_stayed__is_as_of_an_experiment() -> None:
    found = seen(0.2, 0.2)
    for each in found[:300]:
        each.also = [("held" if each.variant == "open" else "open", each.at_ms + 1_000)]
    findings = of_holdout(found, phase(1, 0.2))
    assert "cookies" in findings[FindingCode.SEVERAL_VARIANTS].advice
    assert "rateChanges" not in findings[FindingCode.SEVERAL_VARIANTS].evidence
