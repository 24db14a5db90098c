from pathlib import Path

import pytest

from fairlot.engine import Reason
from fairlot.events import Assignment, Exposure
from fairlot.warehouse.log import EventLog
from support.commands import Run


def exposure(number: int, experiment_key: str = "free-delivery") -> Exposure:
    return Exposure(
        event_id=f"event-{number}",
        project_id="p",
        experiment_id="exp_1",
        experiment_key=experiment_key,
        subject_id=f"subject-{number}",
        unit_id=f"subject-{number}",
        variant_key="control",
        variant_id="var_1",
        manifest_version=1,
        hash_version=1,
        reason=Reason.BUCKET,
        occurred_at_ms=1_000 * number,
        received_at_ms=1_000 * number,
    )


@pytest.fixture
def recorded(shop: Run) -> Run:
    log = EventLog.open(Path(".fairlot/events"))
    for number in (2, 1):
        log.record(exposure(number), None)
    log.record(exposure(3, "loyalty-price"), None)
    log.close(10)
    return shop


def test_events__recorded__are_printed_in_the_order_received(recorded: Run) -> None:
    lines = [line.split("\t") for line in recorded("events").out.splitlines()]
    assert lines[0] == [
        "received_at",
        "experiment_key",
        "variant_key",
        "reason",
        "subject_id",
        "event_id",
    ]
    assert [line[-1] for line in lines[1:]] == ["event-1", "event-2", "event-3"]
    assert lines[1][0] == "1970-01-01T00:00:01+00:00"


def test_events__of_one_experiment__leave_out_the_others(recorded: Run) -> None:
    document = recorded("events", "--experiment", "loyalty-price", "--json").json
    (event,) = document["events"]
    assert (event["event_id"], event["reason"]) == ("event-3", "bucket")
    assert "tenant_id" not in event


def test_events__limit__ends_early(recorded: Run) -> None:
    assert len(recorded("events", "--limit", 2, "--json").json["events"]) == 2


def test_events__unknown_experiment__is_noted_on_stderr(recorded: Run) -> None:
    ran = recorded("events", "--experiment", "free-delivry", "--json")
    assert (ran.code, ran.json) == (0, {"events": []})
    assert ran.err == "free-delivry: no such experiment; did you mean free-delivery?\n"
    assert recorded("events", "--experiment", "free-delivery").err == ""


def test_events__unknown_experiment_of_none__is_noted_too(run: Run) -> None:
    run("init", "--data-only")
    assert run("events", "--experiment", "x").err == (
        "x: no such experiment; nothing was applied yet\n"
    )


def test_events__none__is_an_empty_list(shop: Run) -> None:
    assert shop("events", "--json").json == {"events": []}


def test_decide__stored_assignment__beats_changed_weights(shop: Run, tmp_path: Path) -> None:
    """As over HTTP: who was in before the change keeps the variant, also out of the audience."""
    before = shop("decide", "loyalty-price", "ada", "--attr", "tier=basic", "--json").json
    assert before["reason"] == "audience"
    experiment = next(
        each
        for each in shop("manifest", "show", "--json").json["experiments"]
        if each["key"] == "loyalty-price"
    )
    log = EventLog.open(Path(".fairlot/events"))
    log.record(None, Assignment(experiment["id"], "loyalty-price", "ada", "member-price", 1, 1_000))
    log.close(10)
    after = shop("decide", "loyalty-price", "ada", "--attr", "tier=basic", "--json").json
    assert (after["reason"], after["variant"]) == ("sticky", "member-price")
