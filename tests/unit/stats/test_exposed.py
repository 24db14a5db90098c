"""The arms of an experiment, and whether they have the sizes that they should."""

import msgspec
import pytest

from fairlot.stats.exposed import sample_ratio, summaries_of
from fairlot.stats.results import SrmResult
from fairlot.stats.sufficient import Arm, Excluded, Exclusion
from support.sufficient import START, conversions, phase, question, sufficient


def test_sample_ratio__with_exclusions__is_before_and_after() -> None:
    """600 against 400: p 2.54e-10. With 200 of b that are left out it was even."""
    rows = [*conversions("control", (600, 60)), *conversions("b", (400, 40))]
    left_out = (
        Excluded(1, "b", Exclusion.SWITCHED, 200),
        Excluded(1, "gone", Exclusion.UNKNOWN_VARIANT, 50),
    )
    found = sample_ratio(sufficient(rows, excluded=left_out))
    assert found is not None
    assert found.chi_square_p == pytest.approx(2.54e-10, abs=5e-13)
    assert found.p < 1e-6
    assert found.p_before_exclusions == 1.0


def test_sample_ratio__of_phases__is_each_against_its_shares() -> None:
    phases = (
        phase(Arm("control", True, 0.9), Arm("b", False, 0.1)),
        phase(Arm("control", True, 0.1), Arm("b", False, 0.9), number=2),
    )
    rows = [
        *conversions("control", (900, 90)),
        *conversions("b", (100, 10)),
        *conversions("control", (300, 10), phase=2),
        *conversions("b", (2_700, 10), phase=2),
    ]
    asked = question(phases=phases)
    found = sample_ratio(sufficient(rows, asked))
    assert found is not None
    assert found.chi_square == pytest.approx(0.0, abs=1e-9)
    assert found.p == 1.0
    control, other = summaries_of(sufficient(rows, asked), {"b": "New"})
    # 1,000 of 4,000 were dealt 90 to 10, the others 10 to 90.
    assert [control.share, other.share] == pytest.approx([0.3, 0.7])
    assert (control.exposed, other.exposed, other.name) == (1_200, 2_800, "New")
    assert (control.is_control, other.is_control) == (True, False)
    assert other.daily == {START: 2_800}


def test_sample_ratio__subjects_in_an_arm_without_a_share__is_impossible_and_valid_json() -> None:
    """JSON has no infinity: what reads the result would refuse a null that is not announced."""
    phases = (phase(Arm("control", True, 1.0), Arm("b", False, 0.0)),)
    rows = [*conversions("control", (600, 60)), *conversions("b", (1, 0))]
    found = sample_ratio(sufficient(rows, question(phases=phases)))
    assert found is not None
    assert (found.p, found.chi_square, found.chi_square_p) == (0.0, None, 0.0)
    assert msgspec.json.decode(msgspec.json.encode(found), type=SrmResult) == found


def test_sample_ratio__of_nobody_or_one_arm__is_none() -> None:
    assert sample_ratio(sufficient([])) is None
    alone = question(phases=(phase(Arm("b", False, 1.0)),))
    assert sample_ratio(sufficient(conversions("b", (9, 1)), alone)) is None
    (only,) = summaries_of(sufficient([], alone), {})
    assert (only.share, only.exposed, only.excluded) == (1.0, 0, {})
