"""The demo shop with a past, replayed and examined as a user does; then somebody changes what is
stored."""

import asyncio
import json
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fairlot.cli import main
from fairlot.engine import Context, Reason
from fairlot.service.decisions import Decisions
from fairlot.service.snapshot import load_snapshot
from fairlot.store import open_store
from fairlot.warehouse.log import EventLog
from support.applying import tenant_of
from support.commands import SHOP

KEY = "free-delivery"
SUBJECTS = 400


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """`fairlot apply`, and what a server would have recorded."""
    directory = tmp_path_factory.mktemp("shop") / "data"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(directory.parent)
        for words in (["init", "--data-only"], ["apply", str(SHOP), "--yes"]):
            assert main([*words, "--data", str(directory)]) == 0
        with closing(open_store(directory, None)) as store:
            project = load_snapshot(store).projects["default", "default"]
            log = EventLog.open(directory / "events")
            decisions = Decisions(lambda _before: load_snapshot(store), store.generation, log)

            async def visit() -> None:
                for number in range(SUBJECTS):
                    context = Context(now_ms=time.time_ns() // 1_000_000)
                    await decisions.decide_and_record(
                        project, KEY, f"visitor-{number}", context, track=True
                    )

            asyncio.run(visit())
            log.close(10)
        yield directory


def replayed(data: Path, capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = main(["replay", KEY, "--json", "--data", str(data), *words])
    printed = capsys.readouterr()
    return code, json.loads(printed.out or printed.err)


def test_replay__log_of_the_shop__no_disagreement(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = replayed(data, capsys)
    assert (code, found["disagreed"]) == (0, 0)
    assert found["agreed"] == found["exposures"] > SUBJECTS // 2
    assert main(["replay", KEY, "--data", str(data)]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"default/default {KEY}: {found['exposures']} exposure(s)")


def test_replay__one_row_of_the_log_was_changed__exactly_that_row(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (path,) = (data / "events").glob("worker-*.sqlite")
    with closing(sqlite3.connect(path)) as file:
        event_id, body = file.execute(
            "SELECT event_id, body FROM exposures WHERE experiment_key = ? LIMIT 1 OFFSET 5", [KEY]
        ).fetchone()
        row = json.loads(body)
        assert row["reason"] == Reason.BUCKET
        other = file.execute(
            "SELECT body FROM exposures WHERE json_extract(CAST(body AS TEXT), '$.variant_key')"
            " <> ? AND experiment_key = ? LIMIT 1",
            [row["variant_key"], KEY],
        ).fetchone()
        taken = {name: json.loads(other[0])[name] for name in ("variant_key", "variant_id")}
        _change(file, event_id, json.dumps({**row, **taken}).encode())
        code, found = replayed(data, capsys)
        _change(file, event_id, body)
    assert code == 1
    told = found["disagreements"]
    assert [each["eventId"] for each in told] == [event_id]
    assert (told[0]["variant"], told[0]["expected"]) == (taken["variant_key"], row["variant_key"])


def _change(file: sqlite3.Connection, event_id: str, body: bytes) -> None:
    file.execute("UPDATE exposures SET body = ? WHERE event_id = ?", [body, event_id])
    file.commit()


def test_replay__files_of_events_are_unreadable__is_not_all_that_there_was(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Conversions say nothing of a draw."""
    with closing(open_store(data, None)) as store, store.reading() as connection:
        project_id = tenant_of(connection).id
    lost, other = (
        data / "events" / f"project={project_id}" / kind / "date=2026-11-01" / "9-9.parquet"
        for kind in ("exposures", "conversions")
    )
    for path in (lost, other):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"PAR1")
    code, found = replayed(data, capsys)
    assert (code, found["disagreed"]) == (1, 0)
    assert found["unreadable"] == [str(lost.relative_to(data / "events"))]
    assert main(["replay", KEY, "--data", str(data)]) == 1
    assert f"{found['unreadable'][0]}: left out" in capsys.readouterr().err
    lost.unlink()
    assert replayed(data, capsys)[0] == 0
    other.unlink()


def test_replay__weights_of_a_stored_manifest_were_changed__many(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with closing(sqlite3.connect(data / "fairlot.db")) as database:
        query = "SELECT version, payload FROM manifests ORDER BY version DESC LIMIT 1"
        version, payload = database.execute(query).fetchone()
        manifest = json.loads(payload)
        (experiment,) = (each for each in manifest["experiments"] if each["key"] == KEY)
        for variant in experiment["variants"]:
            variant["weight"] = 0
        experiment["variants"][-1]["weight"] = 10_000
        change = "UPDATE manifests SET payload = ? WHERE version = ?"
        database.execute(change, [json.dumps(manifest).encode(), version])
        database.commit()
        code, found = replayed(data, capsys, "--listed", "4")
        assert main(["replay", KEY, "--data", str(data)]) == 1
        database.execute(change, [payload, version])
        database.commit()
    assert code == 1
    assert found["disagreed"] > SUBJECTS // 5
    assert len(found["disagreements"]) == 4
    printed = capsys.readouterr()
    assert printed.out.count("was changed after it was published") <= 3
    assert len(printed.out.splitlines()) < 30
    assert f"{found['disagreed']} of {found['exposures']} exposures are not" in printed.err
    assert "was changed after it was published" in found["disagreements"][0]["likely"]
    assert [each["isAltered"] for each in found["versions"]] == [True]


def test_replay__unknown_experiment__names_the_nearest(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", "free-delivry", "--data", str(data)]) == 1
    assert "free-delivery" in capsys.readouterr().err


def test_replay__without_an_experiment__says_what_to_name(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["replay"]) == 2
    assert "name an experiment" in capsys.readouterr().err
    assert main(["replay", "--sql"]) == 0
    assert "fairlot_bucket" in capsys.readouterr().out


def test_doctor__log_of_the_shop__misses_the_metrics_and_nothing_else(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["doctor", KEY, "--data", str(data)]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"default/default {KEY}: ")
    codes = [line.split(":")[0].split()[-1] for line in lines[1:] if line and line[0] != " "]
    assert codes == ["metric_not_seen"] * 3 + ["preliminary"]


def test_doctor__most_of_an_arm_is_gone__blocks_and_says_what_was_assigned(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(data, tmp_path / "data")
    (path,) = (copy / "events").glob("worker-*.sqlite")
    with closing(sqlite3.connect(path)) as file:
        variant = "json_extract(CAST(body AS TEXT), '$.variant_key')"
        (arm,) = file.execute(f"SELECT max({variant}) FROM exposures").fetchone()  # noqa: S608
        gone = "WHERE experiment_key = ? AND json_extract(CAST(body AS TEXT), '$.variant_key') = ?"
        (of_arm,) = file.execute(f"SELECT count(*) FROM exposures {gone}", [KEY, arm]).fetchone()  # noqa: S608
        left = of_arm // 8
        file.execute(
            f"DELETE FROM exposures WHERE seq IN (SELECT seq FROM exposures {gone} LIMIT ?)",  # noqa: S608
            [KEY, arm, of_arm - left],
        )
        file.commit()
    capsys.readouterr()
    assert main(["doctor", KEY, "--json", "--data", str(copy)]) == 1
    found = json.loads(capsys.readouterr().out)
    codes = {each["code"]: each for each in found["findings"]}
    of_the_metrics = {"metric_not_seen", "preliminary"}
    assert set(codes) - of_the_metrics == {"sample_ratio_mismatch", "missing_exposures"}
    assert codes["missing_exposures"]["evidence"]["missing"][arm] == of_arm - left
    assert main(["doctor", KEY, "--data", str(copy)]) == 1
    assert "BLOCKS sample_ratio_mismatch: The arms have not the sizes" in capsys.readouterr().out


def test_replay__holdout_that_is_not_there__names_what_is(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["replay", "holdout", "--data", str(data)]) == 1
    assert "known: checkout-button" in capsys.readouterr().err
