"""`fairlot events compact` and `export`."""

import csv
import json
from pathlib import Path

import duckdb
import msgspec
import pytest

from fairlot.cli import lake
from fairlot.events import Conversion
from fairlot.store import open_store
from fairlot.store.tenants import find_project
from fairlot.warehouse.lake import write_events
from fairlot.warehouse.lake.locks import writing
from fairlot.warehouse.log import EventLog
from support.commands import Run
from unit.warehouse.records import received

EVENTS = Path(".fairlot/events")
DAY_MS = 86_400_000


def project_id() -> str:
    store = open_store(Path(".fairlot"), None)
    with store.reading() as connection:
        project = find_project(connection, "default", "default")
    store.close()
    assert project is not None
    return project.id


def failing(run: Run, *words: str) -> str:
    ran = run(*words)
    assert ran.code == 1, ran.out
    return ran.err


def order(number: int) -> Conversion:
    at_ms = number * DAY_MS
    about = {"items": [number, None], "note": 'a "quote", and more'}
    return Conversion(
        f"e-{number}", project_id(), f"s-{number}", "order", 1.5, at_ms + 1, at_ms, properties=about
    )


@pytest.fixture
def database_url() -> None:
    """What is not in the control plane is the same beside each."""


@pytest.fixture
def shop(run: Run) -> Run:
    run("init", "--data-only")
    return run


@pytest.fixture
def recorded(shop: Run) -> Run:
    """Days 1 to 3 of 1970, the first in Parquet."""
    log = EventLog.open(EVENTS)
    log.record_batch(received(order(1), order(2)))
    log.close(10)
    write_events(EVENTS, [order(0)])
    return shop


def test_events_compact__moves_all_and_says_what(recorded: Run) -> None:
    done = json.loads(recorded("events", "compact", "--json").out)
    assert done == {"events": 2, "repeated": 0, "files": 2, "joined": 0, "unusable": []}
    assert recorded("events", "compact").out == (
        "0 events moved into 0 files, 0 repeats dropped, 0 files joined to others.\n"
    )
    assert len(json.loads(recorded("events", "--kind", "conversions", "--json").out)["events"]) == 3


def test_events_compact__a_damaged_worker_file__is_named(recorded: Run) -> None:
    (EVENTS / "worker-7.sqlite").write_bytes(b"this is no database" * 100)
    ran = recorded("events", "compact")
    assert "2 events moved" in ran.out
    assert (
        "worker-7.sqlite: cannot be read (file is not a database); restore or remove it" in ran.err
    )


def test_events_compact__while_another_process_is_at_it__says_so(
    recorded: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lake, "_WITHIN_S", 0)
    with writing(EVENTS):
        assert "another process is at it; try again in a minute" in failing(
            recorded, "events", "compact"
        )


def test_events_compact__nothing_recorded__says_so(shop: Run) -> None:
    assert "no events were recorded here yet" in failing(shop, "events", "compact")


def test_events_compact__where_no_file_can_be_made__says_so(recorded: Run) -> None:
    (EVENTS / f"project={project_id()}" / "conversions" / "date=1970-01-02").write_text(
        "in the way"
    )
    assert "cannot be written" in failing(recorded, "events", "compact")


def test_events_export__json_lines__hold_the_properties_as_they_are(recorded: Run) -> None:
    ran = recorded(
        "events",
        "export",
        "out.jsonl",
        "--kind",
        "conversions",
        "--since",
        "1970-01-02",
        "--until",
        "1970-01-02",
    )
    assert ran.out == "1 conversions written to out.jsonl.\n"
    (row,) = map(json.loads, Path("out.jsonl").read_text("utf-8").splitlines())
    assert row["properties"] == {"items": [1, None], "note": 'a "quote", and more'}
    assert row["occurred_at"] == "1970-01-02T00:00:00.001000Z"
    assert (row["value"], row["actor"], row["batch_seq"]) == (1.5, "human", None)


def test_events_export__no_event_of_these_days__says_what_days_they_are(recorded: Run) -> None:
    ran = recorded("events", "export", "out.csv", "--since", "2001-01-01")
    assert "0 exposures written" in ran.out
    assert "--since and --until are days of receipt" in ran.err


def test_events_export__csv_and_parquet__hold_the_same(recorded: Run) -> None:
    recorded("events", "export", "out.csv", "--kind", "conversions")
    recorded("events", "export", "out", "--kind", "conversions", "--format", "parquet")
    with Path("out.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["event_id"] for row in rows] == ["e-0", "e-1", "e-2"]
    assert json.loads(rows[2]["properties"])["items"] == [2, None]
    found = duckdb.execute("SELECT event_id, properties FROM read_parquet('out')").fetchall()
    assert found == [(row["event_id"], row["properties"]) for row in rows]


def private(number: int, properties: object) -> Conversion:
    return msgspec.structs.replace(order(number), properties=properties)


@pytest.fixture
def signalled(shop: Run) -> Run:
    """Two events that came with the privacy signal, one of them in Parquet, and three that say
    something like it."""
    like_it = {"gpc": "true"}, {"about": {"gpc": True}}, None
    log = EventLog.open(EVENTS)
    log.record_batch(
        received(private(1, {"gpc": True}), *map(private, range(2, 5), like_it)),
    )
    log.close(10)
    write_events(EVENTS, [private(0, {"gpc": True, "fairlot.switched": True})])
    return shop


@pytest.mark.parametrize(
    ("options", "ids"),
    [((), ["e-2", "e-3", "e-4"]), (("--include-gpc",), ["e-0", "e-1", "e-2", "e-3", "e-4"])],
)
def test_events_export__of_who_sent_the_privacy_signal__only_when_asked_for(
    signalled: Run, options: tuple[str, ...], ids: list[str]
) -> None:
    ran = signalled("events", "export", "out.jsonl", "--kind", "conversions", *options)

    rows = map(json.loads, Path("out.jsonl").read_text("utf-8").splitlines())
    assert [row["event_id"] for row in rows] == ids
    left_out = "2 recorded under Sec-GPC are left out; --include-gpc writes them too"
    assert (left_out in ran.err) == (not options)


def test_events_export__as_json__counts_what_is_left_out_in_these_days(signalled: Run) -> None:
    words = ("events", "export", "out.csv", "--kind", "conversions", "--until", "1970-01-01")
    done = json.loads(signalled(*words, "--json").out)
    assert (done["events"], done["leftOut"]) == (0, 1)


def test_events_export__a_file_that_is_there__stays_without_force(recorded: Run) -> None:
    Path("out.csv").write_text("mine")
    assert "is there already" in failing(recorded, "events", "export", "out.csv")
    assert Path("out.csv").read_text() == "mine"
    recorded("events", "export", "out.csv", "--force")
    assert Path("out.csv").read_text().startswith("event_id,")


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["out.txt"], "end its name with one of .parquet"),
        (["none/out.csv"], "cannot be written (No such file or directory)"),
        (["out.csv", "--project", "defualt"], "did you mean default/default"),
    ],
)
def test_events_export__wrong__says_what_to_do(
    recorded: Run, words: list[str], problem: str
) -> None:
    assert problem in failing(recorded, "events", "export", *words)


def test_events_export__a_damaged_parquet_file__is_named(recorded: Run) -> None:
    (path,) = EVENTS.rglob("*.parquet")
    path.write_bytes(b"PAR1")
    ran = recorded("events", "export", "out.csv", "--kind", "conversions", "--json")
    assert [Path(each["file"]).name for each in json.loads(ran.out)["unreadable"]] == [path.name]
    assert "left out, as it cannot be read" in ran.err


def test_events__options_before_a_command__are_refused(recorded: Run) -> None:
    assert "write them after its name" in failing(recorded, "events", "--senders", "compact")
