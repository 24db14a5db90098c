"""Looks that were stored, against what is computed for their days now."""

import pytest

from fairlot.stats.analysis import analyse
from fairlot.stats.findings import Finding, FindingCode, Severity
from fairlot.stats.outdated import outdated
from fairlot.stats.sufficient import Sufficient
from support.sufficient import conversions, fixed, sufficient


def experiment(control: int, b: int, n: int = 500) -> Sufficient:
    """So many of `n` subjects convert in each arm, on each of ten days."""
    arms = [*conversions("control", *[(n, control)] * 10), *conversions("b", *[(n, b)] * 10)]
    return sufficient(arms)


def found(then: Sufficient, now: Sufficient) -> tuple[Finding, ...]:
    looks = analyse(then, fixed(then.question)).new_looks
    return tuple(outdated(analyse(now, fixed(now.question, looks=looks))))


@pytest.mark.parametrize(
    "now",
    [experiment(200, 250), experiment(205, 254), experiment(220, 275, n=550)],
    ids=["as it was", "late conversions", "late exposures"],
)
def test_outdated__healthy__nothing_is_found(now: Sufficient) -> None:
    assert found(experiment(200, 250), now) == ()


@pytest.mark.parametrize(
    ("now", "figures"),
    [
        (experiment(250, 250), (0.1, 0.0, 10_000, 10_000)),
        (experiment(400, 500, n=1_000), (0.1, 0.1, 10_000, 20_000)),
    ],
    ids=["conversions of one arm were missing", "half was imported"],
)
def test_outdated__far_off__warns_of_the_last_look(
    now: Sufficient, figures: tuple[float, ...]
) -> None:
    (warning,) = found(experiment(200, 250), now)
    assert (warning.code, warning.severity) == (FindingCode.LOOKS_OUTDATED, Severity.WARNS)
    names = ("estimateThen", "estimateNow", "subjectsThen", "subjectsNow")
    assert [warning.evidence[name] for name in names] == pytest.approx(figures)
