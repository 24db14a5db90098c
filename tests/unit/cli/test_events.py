from pathlib import Path

import pytest

from fairlot.engine import Reason
from fairlot.events import Assignment, Conversion, Exposure, Identity
from fairlot.warehouse.log import EventLog
from support.commands import Run
from unit.warehouse.records import received


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


def test_events__with_a_server_in_the_variables__says_that_they_are_not_its(
    recorded: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIRLOT_URL", "https://fairlot.example")
    assert "not of FAIRLOT_URL" in recorded("events").err
    assert "FAIRLOT_URL" not in recorded("events", "--data", ".fairlot").err


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


@pytest.fixture
def ingested(shop: Run) -> Run:
    log = EventLog.open(Path(".fairlot/events"))
    log.record_batch(
        received(
            exposure(1),
            Conversion("event-2", "p", "ada", "order", 9.5, 2_000, 2_000),
            Identity("event-3", "p", "ada", "user-1", 3_000, 3_000),
            project_id="p",
            sender_id="web-1",
            batch_seq=3,
            sent=4,
            rejected=1,
            events_before=10,
            dropped_total=2,
            received_at_ms=1_000,
        )
    )
    log.close(10)
    return shop


def test_events__kind__prints_only_such(ingested: Run) -> None:
    assert len(ingested("events").out.splitlines()) == 2
    assert [
        line.split("\t") for line in ingested("events", "--kind", "conversions").out.splitlines()
    ] == [
        ["received_at", "event_name", "value", "subject_id", "event_id"],
        ["1970-01-01T00:00:02+00:00", "order", "9.5", "ada", "event-2"],
    ]
    assert [
        line.split("\t") for line in ingested("events", "--kind", "identities").out.splitlines()
    ] == [
        ["received_at", "subject_id", "user_id", "event_id"],
        ["1970-01-01T00:00:03+00:00", "ada", "user-1", "event-3"],
    ]
    (event,) = ingested("events", "--kind", "identities", "--json").json["events"]
    assert event["user_id"] == "user-1"


def test_events__conversion_without_a_value__has_an_empty_cell(shop: Run) -> None:
    log = EventLog.open(Path(".fairlot/events"))
    conversion = Conversion("event-1", "p", "ada", "visit", None, 0, 0)
    log.record_batch(received(conversion, source=None))
    log.close(10)
    line = shop("events", "--kind", "conversions").out.splitlines()[1]
    assert line.split("\t") == ["1970-01-01T00:00:00+00:00", "visit", "", "ada", "event-1"]
    assert shop("events", "--senders").out.splitlines()[1].split()[1] == "-"


def test_events__texts_that_a_terminal_obeys__are_escaped(shop: Run) -> None:
    log = EventLog.open(Path(".fairlot/events"))
    hostile = "a\x1b[2J\tb\nc"
    log.record_batch(
        received(Conversion("event-1", "p", hostile, "visit", None, 0, 0), sender_id=hostile)
    )
    log.close(10)
    for command in (("--kind", "conversions"), ("--senders",)):
        lines = shop("events", *command).out.splitlines()
        assert len(lines) == 2
        assert r"a\x1b[2J\tb\nc" in lines[1]
    (event,) = shop("events", "--kind", "conversions", "--json").json["events"]
    assert event["subject_id"] == hostile


def test_events__senders__are_a_table(ingested: Run) -> None:
    head, line = ingested("events", "--senders").out.splitlines()
    assert head.split("  ")[0] == "sender"
    assert "missing batches  lost events  dropped by the sender  last seen" in head
    assert line.split() == [
        "web-1",
        "sdk-python",
        "1",
        "4",
        "2",
        "10",
        "2",
        "1970-01-01T00:00:01.000Z",
    ]


def test_events__senders_as_json__have_all_figures(ingested: Run) -> None:
    assert ingested("events", "--senders", "--json").json == {
        "senders": [
            {
                "project_id": "p",
                "sender_id": "web-1",
                "source": "sdk-python",
                "batches": 1,
                "events": 4,
                "rejected": 1,
                "repeated_batches": 0,
                "missing_batches": 2,
                "lost_events": 10,
                "dropped": 2,
                "last_seen": "1970-01-01T00:00:01.000Z",
            }
        ]
    }


def test_events__options_that_exclude_each_other__are_refused(shop: Run) -> None:
    ran = shop("events", "--senders", "--kind", "exposures")
    assert (ran.code, "leave --kind and --experiment" in ran.err) == (1, True)
    ran = shop("events", "--kind", "conversions", "--experiment", "x")
    assert (ran.code, "--experiment: conversions belong to no experiment" in ran.err) == (1, True)


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
