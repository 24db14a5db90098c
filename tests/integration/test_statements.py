"""`fairlot sql`, as somebody types it who wants to run the query in a warehouse of their own."""

import json
from pathlib import Path

import pytest
import sqlglot

from fairlot.cli import main

SHOP = Path(__file__).parents[2] / "examples" / "shop"
KEY = "free-delivery"


@pytest.mark.slow
def test_sql__of_an_experiment__is_printed_for_an_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    data = ["--data", str(tmp_path / "data")]
    assert main(["init", "--data-only", *data]) == 0
    assert main(["apply", str(SHOP), "--yes", *data]) == 0
    capsys.readouterr()
    assert main(["sql", KEY, "--engine", "snowflake", *data]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith(
        f"-- The result of {KEY} as of now, in the SQL of snowflake: a row for"
    )
    assert sqlglot.parse_one(printed, dialect="snowflake").find(sqlglot.exp.Join)
    assert main(["sql", KEY, "--segment", "device", "--json", *data]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["experiment"], found["engine"]) == (KEY, "duckdb")
    assert main(["sql", KEY, "--segment", "url", *data]) == 1
    assert "write device, source" in capsys.readouterr().err
    assert main(["sql", "free-delivry", *data]) == 1
