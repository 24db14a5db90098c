"""Looks of healthy experiments whose events come late as events do."""

from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from random import Random

import pytest

from fairlot.stats.analysis import analyse
from fairlot.stats.outdated import outdated
from fairlot.stats.plans import AnalysisPlan
from fairlot.stats.results import Method
from fairlot.stats.sufficient import Question, Sufficient
from fairlot.warehouse.queries import answer
from support.healthy import HEALTHY, Trial
from support.patients import QUESTION, Patient, engine_of
from support.recounts import kept, recount_of
from support.sufficient import fixed

LATE = 0.05


def in_time(found: list[Patient]) -> list[Patient]:
    """Without the twentieth of what they did that is not known by the close of its look."""
    draw, known = Random(1), deepcopy(found)  # noqa: S311 - the same each time
    for each in known:
        each.bought_at_ms = [at for at in each.bought_at_ms if draw.random() >= LATE]
        each.viewed_at_ms = [at for at in each.viewed_at_ms if draw.random() >= LATE]
    return known


def counted(found: list[Patient], question: Question) -> Sufficient:
    with engine_of(found) as engine:
        return answer(engine, question)


@pytest.mark.parametrize("healthy", HEALTHY)
def test_outdated__healthy_experiment_with_late_events__is_no_finding(
    healthy: Callable[[int], Trial],
) -> None:
    """A twentieth moves the difference by .22 of its standard errors, and the narrowest interval,
    of one look, has 1.96 of them on each side."""
    trial = healthy(1)
    question = replace(QUESTION, **trial.fields)
    then = counted(in_time(trial.found), question)
    now = counted(trial.found, replace(question, caps=then.caps))
    for method in Method:
        plan = AnalysisPlan(method=method, planned_size=1_200)
        looks = analyse(then, fixed(question, plan)).new_looks
        assert ("bought", "b") in looks, method
        late = analyse(now, fixed(question, plan, looks=looks))
        assert tuple(outdated(late, kept(looks), recount_of(then))) == (), method
