"""`fairlot power` and `fairlot simulate`, on made-up subjects and on recorded ones."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from fairlot.cli import main
from support.patients import patients
from support.planned import EXPERIMENT, plant


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return plant(tmp_path_factory.mktemp("planned"), patients(3, 2_800))


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Any:
    def run_command(*words: object) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run_command


def test_power__experiment__reads_baseline_traffic_and_design(run: Any, data: Path) -> None:
    """2,800 subjects in 14 days, a fifth of the control buys, the effect is the metric's."""
    code, out, err = run("power", "e", "--data", data, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["baseline"]["value"] == pytest.approx(0.2, abs=0.035)
    assert found["baseline"]["subjects"] == pytest.approx(1_400, abs=160)
    assert found["subjectsAWeek"] == pytest.approx(1_400, abs=250)
    assert found["effect"] == 0.05
    needs = {each["method"]: each for each in found["needs"]}
    # 4-results section 5: 1,091 each for .20 and .05; 2,182 come within 11 days, and 7 more for
    # the window
    assert needs["fixed"]["control"] == pytest.approx(1_091, rel=0.15)
    assert needs["fixed"]["weeks"] == 3
    # planned for 10,000 by default, where 2,182 * 1.915 would do
    assert found["design"]["plannedSize"] == 10_000
    best = needs["fixed"]["total"] * 1.915
    assert found["betterPlannedSize"] == pytest.approx(best, rel=0.02)
    assert needs["sequential"]["total"] > 1.02 * best
    words = ("--n-star", found["betterPlannedSize"], "--json")
    again = json.loads(run("power", "e", "--data", data, *words)[1])
    assert again["needs"][1]["total"] == pytest.approx(best, rel=0.02)
    assert again["betterPlannedSize"] is None


@pytest.mark.parametrize("words", [("--power", 0.05), ("--alpha", 0.9), ("--power", 0.01)])
def test_power__not_above_alpha__is_refused(run: Any, data: Path, words: Any) -> None:
    code, out, err = run("power", "e", "--data", data, *words)
    assert code != 0
    assert (out, "is not above alpha (" in err) == ("", True), err
    assert "write a larger --power, such as 0.8, or a smaller --alpha" in err


def test_power__as_text__has_weeks_and_what_is_found_after_them(run: Any, data: Path) -> None:
    code, out, _ = run("power", "e", "--data", data, "--metric", "spent")
    assert code == 0
    assert "For e, metric spent" in out
    assert "standard deviation" in out
    assert "Name --effect" in out
    words = ("--effect", 1, "--arms", 3, "--alpha", 0.1, "--traffic", 0.5)
    code, out, _ = run("power", "e", "--data", data, "--metric", "spent", *words)
    assert code == 0
    assert "To find a difference of 1:" in out
    assert "alpha 0.1, 3 arms, 33% in the control, 1 primary metric(s), plannedSize 10000" in out
    assert "as in the last whole 7 days of these, times --traffic 0.5" in out
    assert "(sequential (at every look), plannedSize 10000):" in out


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("power", "e"), 0),
        (("power", "--rate", 0.1, "--effect", 0.01), 1),
        (("simulate", "aa", "e", "--runs", 20), 0),
    ],
)
def test_command__a_file_of_events_is_unreadable__is_named(
    run: Any, data: Path, words: tuple[object, ...], expected: int
) -> None:
    path = next(data.rglob("exposures/*/*.parquet"))
    sound = path.read_bytes()
    path.write_bytes(sound[: len(sound) // 2])
    code, out, err = run(*words, "--data", data, "--json")
    path.write_bytes(sound)
    assert f"{path}: left out, as it cannot be read" in err
    assert code == expected
    assert json.loads(out)


def test_power__the_experiment_has_a_plan__is_planned_by_it(run: Any, data: Path) -> None:
    written = json.dumps({"method": "fixed", "alpha": 0.1, "plannedSize": 3_000})
    with closing(sqlite3.connect(data / "fairlot.db")) as store:
        store.execute("UPDATE experiments SET analysis = ?", [written])
        store.commit()
        design = json.loads(run("power", "e", "--data", data, "--json")[1])["design"]
        store.execute("UPDATE experiments SET analysis = NULL")
        store.commit()
    told = design["method"], design["alpha"], design["plannedSize"]
    assert told == ("fixed", 0.1, 3_000)


def test_power__another_planned_size_is_better__says_which_to_set(run: Any, data: Path) -> None:
    assert "Set `plannedSize: " in run("power", "e", "--data", data)[1]


def test_power__a_difference_that_cannot_be__has_no_plan(run: Any, data: Path) -> None:
    _, out, _ = run("power", "e", "--data", data, "--effect", 0.9)
    assert "sequential (at every look) * - - - -" in " ".join(out.split())


def test_power__events_older_than_28_days__are_no_traffic_of_the_log(run: Any, data: Path) -> None:
    code, _, err = run("power", "--data", data, "--rate", 0.2)
    assert code == 1
    assert "this project: no subject whose window is over is recorded yet" in err


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("power",), "name EXPERIMENT, or else --rate or --deviation"),
        (("power", "--metric", "bought"), "--metric: name the experiment whose metric it is"),
        (("power", "e", "--rate", 0.1), "--rate and --deviation are read from the experiment"),
        (("power", "f"), "f: no such experiment"),
        (("power", "e", "--metric", "bougt"), "e: no metric 'bougt'; did you mean bought?"),
        (("power", "e", "--metric", "typical"), "typical: a quantile cannot be planned for"),
        (("power", "e", "--project", "nope"), "nope"),
        (("simulate", "aa", "--metric", "bought"), "--metric: name the experiment"),
        (("simulate", "aa", "e", "--metric", "typical"), "typical: a quantile cannot be planned"),
        (("simulate", "efect"), "did you mean effect?"),
    ],
)
def test_command__what_it_cannot_do__is_refused(
    run: Any, data: Path, words: Any, says: str
) -> None:
    at = () if words == ("simulate", "efect") else ("--data", data)
    code, out, err = run(*words, *at)
    assert code in {1, 2}
    assert (out, says in err) == ("", True), err


def test_simulate__aa_on_recorded_subjects__keeps_the_experiments_rules(
    run: Any, data: Path
) -> None:
    words = ("simulate", "aa", "e", "--data", data, "--runs", 40, "--n-star", 2_000)
    code, out, err = run(*words, "--json")
    assert code == 0, err
    found = json.loads(out)
    assert (found["method"], found["cuped"], found["plannedSize"]) == ("sequential", True, 2_000)
    assert found["subjects"] == "2,800 subjects of e, metric bought, 15 days"
    assert found["falsePositives"]["share"] <= 0.05 + 3 * (0.05 * 0.95 / 40) ** 0.5
    assert found["opened"]["count"] == 40
    assert found["uniformityP"] > 0.001


def test_simulate__experiment_of_uneven_shares__is_drawn_by_them(
    run: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    uneven = EXPERIMENT.replace("isControl: true}", "isControl: true, weight: 1000}")
    uneven = uneven.replace("name: B}", "name: B, weight: 9000}")
    data = plant(tmp_path, patients(3, 400), uneven)
    capsys.readouterr()  # of planting
    words = ("e", "--data", data, "--runs", 1, "--json")
    assert json.loads(run("simulate", "aa", *words)[1])["treatedShare"] == pytest.approx(0.9)
    assert json.loads(run("simulate", "aa", *words, "--share", 0.3)[1])["treatedShare"] == 0.3
    made_up = ("--runs", 1, "--days", 2, "--json")
    assert json.loads(run("simulate", "aa", *made_up)[1])["treatedShare"] == 0.5


def test_simulate__effect_on_recorded_subjects__is_found_and_covered(run: Any, data: Path) -> None:
    words = ("simulate", "effect", "e", "--data", data, "--runs", 20, "--lift", 1.5)
    found = json.loads(run(*words, "--metric", "bought", "--json")[1])
    assert found["power"]["count"] == 20
    assert found["covered"]["count"] >= 17
    assert "uniformityP" not in found


def test_simulate__made_up__prints_shares_with_their_intervals(run: Any) -> None:
    words = ("--runs", 10, "--days", 5, "--per-day", 300, "--seed", 4)
    code, out, _ = run("simulate", "aa", *words, "--population", "binary", "--cuped")
    assert code == 0
    assert "A/A over made-up subjects (2 % convert), 300 a day for 5 days; 10 runs" in out
    assert "a difference was found (false positives)" in out
    assert "30.85%" in out  # Clopper and Pearson: the upper end of 0 of 10
    assert "uniform with p" in out
    _, again, _ = run("simulate", "aa", *words, "--population", "binary", "--cuped")
    assert again == out


def test_simulate__fixed_method_daily__errs_often(run: Any) -> None:
    words = ("--runs", 60, "--days", 14, "--per-day", 400, "--method", "fixed", "--json")
    found = json.loads(run("simulate", "aa", *words)[1])
    assert found["falsePositives"] == found["fixedDaily"]
    assert found["falsePositives"]["share"] > 0.1


def test_drop_looks__of_what_a_report_has_kept__is_told_by_the_doctor(
    run: Any, tmp_path: Path
) -> None:
    data = plant(tmp_path, patients(5, 2_800))
    run("report", "e", "--data", data)
    code, out, err = run(
        "experiments", "drop-looks", "e", "--reason", "half an import", "--data", data
    )
    assert code == 0, err
    assert out.endswith(
        " looks of e are dropped, and the caps of spent; the next result says so.\n"
    )
    _, out, _ = run("doctor", "e", "--data", data)
    assert "looks_dropped: The stored looks (" in out
    assert ": half an import.\n" in out
