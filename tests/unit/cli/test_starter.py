from pathlib import Path

import pytest

from support.commands import Run


def test_init__empty_directory__writes_an_experiment_that_is_valid(run: Run) -> None:
    ran = run("init")
    assert ran.code == 0, ran.err
    assert "Wrote experiments/welcome.yaml" in ran.out
    assert "Experiment token: exp_" in ran.out
    assert "Admin key:        fx_key_" in ran.out
    assert Path(".fairlot").stat().st_mode & 0o777 == 0o700
    assert run("validate", "experiments").code == 0
    assert run("apply", "experiments", "--yes").code == 0


def test_init__empty_directory__has_what_an_editor_needs(run: Run) -> None:
    assert run("init").code == 0
    first = Path("experiments/welcome.yaml").read_text("utf-8").splitlines()[0]
    assert first == "# yaml-language-server: $schema=./fairlot.schema.json"
    assert Path("experiments/fairlot.schema.json").read_text("utf-8") == run("schema").out


def test_init__older_schema__is_replaced(run: Run) -> None:
    run("init")
    Path("experiments/fairlot.schema.json").write_text("{}", "utf-8")
    run("init")
    assert Path("experiments/fairlot.schema.json").read_text("utf-8") == run("schema").out


def test_init__second_time__keeps_the_file_and_shows_no_key(run: Run) -> None:
    run("init", "mine")
    Path("mine/welcome.yaml").write_text("changed", "utf-8")
    ran = run("init", "mine")
    assert ran.code == 0
    assert "Kept mine/welcome.yaml" in ran.out
    assert "fx_key_" not in ran.out
    assert Path("mine/welcome.yaml").read_text("utf-8") == "changed"


def test_init__data_directory__is_kept_out_of_git(run: Run, tmp_path: Path) -> None:
    run("init")
    assert Path(".fairlot/.gitignore").read_text("utf-8") == "*\n"
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").write_text("", "utf-8")
    run("init", "--data", "used")
    assert not Path("used/.gitignore").exists()


def test_init__data_directory_that_is_a_file__is_an_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    ran = run("init", "--data", "file", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "store_unusable")


@pytest.mark.parametrize(
    ("words", "following"),
    [
        ((), ("plan experiments", "apply experiments", "serve")),
        (
            ("my experiments", "--data", "my data"),
            (
                "plan 'my experiments' --data 'my data'",
                "apply 'my experiments' --data 'my data'",
                "serve --data 'my data'",
            ),
        ),
    ],
)
def test_init__next_lines__repeat_the_data_directory(
    run: Run, words: tuple[str, ...], following: tuple[str, ...]
) -> None:
    ending = "Next:\n  fairlot {}\n  fairlot {}\n  fairlot {}\n".format(*following)
    assert run("init", *words).out.endswith(ending)


def test_init__data_only__writes_no_experiment(run: Run) -> None:
    ran = run("init", "--data-only")
    assert ran.code == 0
    assert Path(".fairlot").is_dir()
    assert not Path("experiments").exists()
    assert "welcome" not in ran.out
    document = run("init", "--data-only", "--json").json
    assert (document["file"], document["written"], document["schema"]) == (None, False, None)


def test_init__with_json__has_the_credentials_once(run: Run) -> None:
    first = run("init", "--json", "--data", "d").json
    assert first["written"] is True
    assert first["schema"] == "experiments/fairlot.schema.json"
    assert first["credentials"]["token"].startswith("exp_")
    assert first["credentials"]["adminKey"].startswith("fx_key_")
    assert run("init", "--json", "--data", "d").json["credentials"] is None


def test_init__folder_that_is_a_file__is_an_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", "utf-8")
    ran = run("init", "file/folder")
    assert ran.code == 1
    assert "name a folder that you may write to" in ran.err
