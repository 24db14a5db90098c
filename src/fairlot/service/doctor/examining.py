"""All checks of an experiment, in the order in which their findings are read."""

from collections.abc import Callable, Iterable
from typing import Final

from fairlot.service.doctor.case import NOTHING_KNOWN, Case, Circumstances
from fairlot.service.doctor.delivery import (
    check_lost_events,
    check_missing_exposures,
    check_repeated_batches,
)
from fairlot.service.doctor.domination import check_domination
from fairlot.service.doctor.effects import check_implausible_lifts, check_novelty
from fairlot.service.doctor.exclusions import (
    check_exclusions,
    check_several_variants,
    check_switched,
    check_unknown_variants,
)
from fairlot.service.doctor.phases import check_phases
from fairlot.service.doctor.retention import check_retention
from fairlot.service.doctor.sample_ratio import check_sample_ratio
from fairlot.service.doctor.timing import check_clocks, check_order, check_start
from fairlot.service.doctor.values import check_received
from fairlot.stats.findings import Finding, Severity
from fairlot.stats.sufficient import Question, Sufficient
from fairlot.warehouse.queries import Engine

_CHECKS: Final[tuple[Callable[[Case], Iterable[Finding]], ...]] = (
    check_sample_ratio,
    check_exclusions,
    check_several_variants,
    check_switched,
    check_unknown_variants,
    check_retention,
    check_start,
    check_order,
    check_missing_exposures,
    check_lost_events,
    check_repeated_batches,
    check_clocks,
    check_received,
    check_domination,
    check_novelty,
    check_implausible_lifts,
    check_phases,
)
_ORDER: Final = tuple(Severity)


def examine(
    engine: Engine,
    question: Question,
    sufficient: Sufficient,
    circumstances: Circumstances = NOTHING_KNOWN,
) -> tuple[Finding, ...]:
    """What is wrong with an experiment that was asked about, the worst first.

    `sufficient` is the answer to `question`; the engine is asked for evidence. Raises QueryFailed.
    """
    case = Case(engine, question, sufficient, circumstances)
    found = [finding for check in _CHECKS for finding in check(case)]
    return tuple(sorted(found, key=lambda each: _ORDER.index(each.severity)))
