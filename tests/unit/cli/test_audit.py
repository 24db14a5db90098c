"""`fairlot audit`."""

import hashlib
import json
import re
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from fairlot.store import open_store
from support.audit_tampering import drop_triggers
from support.commands import Run

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "audit.md"


@pytest.fixture
def exported(shop: Run) -> Path:
    ran = shop("audit", "export", "--output", "audit.jsonl")
    assert ran.code == 0, ran.err
    return Path("audit.jsonl")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """The program of the reference, as a reader would copy it."""
    (code,) = re.findall(r"```python\n(.*?)```", REFERENCE.read_text("utf-8"), re.DOTALL)
    path = tmp_path / "verify_audit.py"
    path.write_text(code, "utf-8")
    return path


def run_program(program: Path, export: Path) -> tuple[int, str]:
    ran = subprocess.run(
        [sys.executable, program, export], capture_output=True, text=True, check=False
    )
    return ran.returncode, ran.stdout + ran.stderr


def test_audit__list__is_a_table_with_the_newest_first(shop: Run) -> None:
    lines = shop("audit", "list").out.splitlines()
    assert lines[0].split() == ["seq", "at", "actor", "action", "project", "target", "details"]
    seqs = [int(line.split()[0]) for line in lines[1:]]
    assert seqs == sorted(seqs, reverse=True)
    assert seqs[-1] == 1
    assert "organization.create" in lines[-1]


def test_audit__list_with_options__shows_those_only(shop: Run) -> None:
    found = shop("audit", "list", "--oldest", "--limit", 2, "--json").json["records"]
    assert [record["seq"] for record in found] == [1, 2]
    published = shop("audit", "list", "--action", "manifest.publish", "--json").json["records"]
    assert {record["action"] for record in published} == {"manifest.publish"}


def test_audit__verified__says_where_it_ends(shop: Run) -> None:
    ran = shop("audit", "verify")
    found = shop("audit", "verify", "--json").json
    assert ran.code == 0
    end = f"{found['end']['seq']}:{found['end']['hash']}"
    assert ran.out.splitlines()[-1] == end
    assert shop("audit", "verify", "--noted", end).code == 0


def test_audit__verified_after_a_change__names_the_record_and_fails(
    shop: Run, database_url: str | None
) -> None:
    with (
        closing(open_store(Path(".fairlot"), None, database_url)) as store,
        store.writing() as connection,
    ):
        drop_triggers(connection)
        connection.execute(text("UPDATE audit_records SET actor = 'local:eve' WHERE seq = 3"))
    ran = shop("audit", "verify")
    assert (ran.code, ran.out) == (1, "")
    assert "record 3: its content does not have its hash" in ran.err
    error = shop("audit", "verify", "--json").json["error"]
    assert (error["code"], error["broken"]["seq"]) == ("audit_broken", 3)


def test_audit__noted_record_that_is_another__fails(shop: Run) -> None:
    ran = shop("audit", "verify", "--noted", f"2:{'0' * 64}")
    assert ran.code == 1
    assert "not the hash that you noted" in ran.err


def test_audit__exported__is_each_record_in_the_form_that_was_hashed(
    shop: Run, exported: Path
) -> None:
    lines = exported.read_text("utf-8").splitlines()
    previous = "0" * 64
    for number, line in enumerate(lines, start=1):
        record = json.loads(line)
        claimed = record.pop("hash")
        assert (record["seq"], record["previous"]) == (number, previous)
        without = line.replace(f'"hash":"{claimed}",', "")
        assert hashlib.sha256(without.encode()).hexdigest() == claimed
        previous = claimed
    assert shop("audit", "export").out == exported.read_text("utf-8")
    told = shop("audit", "export", "--output", "again.jsonl", "--json").json
    assert told == {"output": "again.jsonl", "records": len(lines)}
    assert shop("audit", "verify", "--json").json["end"] == {"seq": len(lines), "hash": previous}


def test_audit_reference__its_program__is_short_and_verifies_an_export(
    exported: Path, program: Path
) -> None:
    assert len(program.read_text("utf-8").splitlines()) <= 15
    code, told = run_program(program, exported)
    last = json.loads(exported.read_text("utf-8").splitlines()[-1])
    assert (code, told.strip()) == (0, f"{last['seq']}:{last['hash']}")


@pytest.mark.parametrize("damage", ["a byte", "a line removed", "two lines swapped"])
def test_audit_reference__its_program__notices_damage(
    exported: Path, program: Path, damage: str
) -> None:
    lines = exported.read_text("utf-8").splitlines(keepends=True)
    if damage == "a byte":
        lines[3] = lines[3].replace('"actor":"s', '"actor":"S', 1)
    elif damage == "a line removed":
        del lines[3]
    else:
        lines[3:5] = reversed(lines[3:5])
    exported.write_text("".join(lines), "utf-8")
    code, told = run_program(program, exported)
    assert code == 1
    assert "record 4" in told
