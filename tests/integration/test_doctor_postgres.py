"""The doctor's own queries in another warehouse."""

import psycopg
import pytest

from fairlot.events.records import Trust
from fairlot.service.doctor import examine
from fairlot.stats.findings import FindingCode
from fairlot.warehouse.queries import answer
from support.patients import QUESTION, in_postgres, patients
from support.postgres import Cluster


@pytest.mark.postgres
def test_examine__several_faults_in_postgresql__each_is_found(postgres: Cluster) -> None:
    """Mobile visitors are lost in one arm, purchases come before exposures, and values are none."""
    found = [each for each in patients(40) if each.variant == "a" or each.device == "desktop"]
    for each in found[:200]:
        each.bought_at_ms = [each.at_ms - 60_000]
        each.bought = {"value": float("nan")}
    for each in found[200:600]:
        each.bought = {"trust": Trust.PUBLIC}
    with postgres.new_database() as url, psycopg.connect(url) as connection:
        engine = in_postgres(found, connection)
        findings = examine(engine, QUESTION, answer(engine, QUESTION))
    codes = {each.code: each for each in findings}
    assert set(codes) == {
        FindingCode.SAMPLE_RATIO_MISMATCH,
        FindingCode.EXPOSURES_AFTER_CONVERSIONS,
        FindingCode.INVALID_VALUES,
        FindingCode.PUBLIC_EVENTS,
    }
    suspect = codes[FindingCode.SAMPLE_RATIO_MISMATCH].evidence["suspects"][0]
    assert (suspect["dimension"], suspect["value"]) == ("device", "mobile")
    assert codes[FindingCode.INVALID_VALUES].evidence["beyond 1e+60 or no number"] == 200
