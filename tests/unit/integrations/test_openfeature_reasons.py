"""Our reasons as OpenFeature's are the same over the wire and in the SDK."""

from typing import Final

import pytest
from openfeature.flag_evaluation import Reason as OfOpenFeature

from fairlot import Reason
from fairlot.engine import Decision
from fairlot.http.faces.ofrep_wire import evaluation_of
from fairlot.integrations.openfeature_details import as_string, details_of
from fairlot.sdk.result import result_of

ERRORS: Final = {Reason.UNKNOWN, Reason.INVALID}
NAMED: Final = {
    "SPLIT": {"bucket", "sticky", "adapter"},
    "STATIC": {"divert", "preview"},
    "DISABLED": {"scheduled", "paused", "ended"},
}
"""As docs/reference/ofrep.md says; all others are DEFAULT."""


@pytest.mark.parametrize("reason", Reason)
def test_reason__of_a_decision__has_one_name_in_both(reason: Reason) -> None:
    (expected,) = [name for name, ours in NAMED.items() if reason in ours] or ["DEFAULT"]
    decision = Decision("hero", None, reason)
    assert evaluation_of("hero", decision, 7).reason == expected
    details = details_of(result_of(decision, 7), "off", as_string)
    assert details.reason is OfOpenFeature("ERROR" if reason in ERRORS else expected)
