import random
import sqlite3

from fairlot.warehouse.answers import SCHEMA, AnswerRuns, find_answer
from unit.warehouse.records import NOW_MS, assignment


def database() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(SCHEMA)
    return connection


def rows(connection: sqlite3.Connection) -> int:
    return int(connection.execute("SELECT count(*) FROM assignments").fetchone()[0])


def test_answers__through_merges_restarts_and_a_clock_going_back__are_the_latest() -> None:
    chance = random.Random(7)  # noqa: S311 - repeatable, not secret
    connection, expected = database(), dict[str, str]()
    runs = AnswerRuns(connection, run_rows=20, fanout=3)
    for step in range(600):
        batch = {}
        for _ in range(chance.randrange(1, 12)):
            unit = f"unit-{chance.randrange(900)}"
            batch[unit] = assignment(unit, chance.choice("ab"), NOW_MS - step)
        runs.add(list(batch.values()))
        for unit, each in batch.items():
            expected[unit] = each.variant_key
        if step % 97 == 0:
            runs = AnswerRuns(connection, run_rows=20, fanout=3)
    levels = {level for (level,) in connection.execute("SELECT level FROM assignment_runs")}
    assert max(levels) >= 3
    found = {unit: find_answer(connection, "exp_1", unit) for unit in expected}
    assert {unit: each and each.variant_key for unit, each in found.items()} == expected
    assert find_answer(connection, "exp_1", "nobody") is None


def test_answers__many_units__stay_in_few_runs_with_one_row_each() -> None:
    connection = database()
    runs = AnswerRuns(connection, run_rows=50, fanout=4)
    for start in range(0, 20_000, 40):
        runs.add([assignment(f"unit-{number}") for number in range(start, start + 40)])
    (count,) = connection.execute("SELECT count(*) FROM assignment_runs").fetchone()
    assert count <= 40
    assert rows(connection) == 20_000


def test_answers__ids_in_order__are_merged_as_evenly() -> None:
    connection = database()
    runs = AnswerRuns(connection, run_rows=50, fanout=4)
    for number in range(4000):
        runs.add([assignment(f"{number:08}")])
    (count,) = connection.execute("SELECT count(*) FROM assignment_runs").fetchone()
    assert count <= 20
    assert find_answer(connection, "exp_1", "00000000") == assignment("00000000")
