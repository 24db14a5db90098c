import json
import subprocess
import sys
from pathlib import Path

import click
import pytest

from fairlot.cli.commands import COMMANDS, root
from support.commands import SHOP, Run


def test_help__without_a_command__names_every_command(run: Run) -> None:
    ran = run("--help")
    assert ran.code == 0
    for name, (_, text) in COMMANDS.items():
        assert name in ran.out
        assert text in ran.out


Leaf = tuple[tuple[str, ...], click.Command]


def leaves(group: click.Group, path: tuple[str, ...] = ()) -> list[Leaf]:
    found = []
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            found += leaves(command, (*path, name))
        else:
            found.append(((*path, name), command))
    return found


@pytest.mark.parametrize(("path", "command"), leaves(root), ids=lambda value: str(value))
def test_command__every__takes_data_and_json_and_has_help(
    path: tuple[str, ...], command: click.Command, run: Run
) -> None:
    """But of `calc`, which has only what is typed."""
    options = {text for parameter in command.params for text in parameter.opts}
    assert "--json" in options
    assert "--data" in options or path[0] == "calc"
    assert command.help
    assert run(*path, "--help").code == 0


def test_help__in_a_process__loads_neither_the_engine_nor_rich() -> None:
    script = (
        "import sys; from fairlot.cli import main; main(['--help']);"
        "heavy = ('fairlot.engine', 'fairlot.settings', 'rich');"
        "sys.exit(str([name for name in sys.modules if name.startswith(heavy)]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert done.stderr.strip() == "[]"


def test_version__is_that_of_the_package(run: Run) -> None:
    ran = run("--version")
    assert ran.code == 0
    assert ran.out.startswith("fairlot 0.")


@pytest.mark.parametrize("words", [("nope",), ("serve", "--nope"), ("decide",)])
def test_usage__wrong__ends_with_2(words: tuple[str, ...], run: Run) -> None:
    ran = run(*words)
    assert (ran.code, ran.out) == (2, "")
    assert "Error:" in ran.err
    as_json = run(*words, "--json")
    assert as_json.code == 2
    assert as_json.json["error"]["code"] == "usage"


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("aply",), "No such command 'aply'; did you mean apply?"),
        (("keys", "creat"), "No such command 'creat'; did you mean create?"),
        (("zzz",), "No such command 'zzz'."),
    ],
)
def test_command__misspelt__is_refused_with_the_nearest(
    run: Run, words: tuple[str, ...], hint: str
) -> None:
    ran = run(*words)
    assert ran.code == 2
    assert hint in ran.err


@pytest.mark.slow
@pytest.mark.parametrize(
    ("missing", "words"),
    [
        ("click", ("validate", str(SHOP))),
        ("yaml", ("validate", str(SHOP))),
        ("sqlalchemy", ("init", "--data-only")),
    ],
)
def test_server_extra__not_installed__is_named(missing: str, words: tuple[str, ...]) -> None:
    def run_without(*more: str) -> subprocess.CompletedProcess[str]:
        script = (
            f"import sys; sys.modules[{missing!r}] = None;"
            f"from fairlot.cli import main; sys.exit(main({[*words, *more]}))"
        )
        command = [sys.executable, "-c", script]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    plain, as_json = run_without(), run_without("--json")
    line = "The commands need the server extra: pip install 'fairlot[server]'"
    assert (plain.returncode, plain.stdout, plain.stderr) == (1, "", f"{line}\n")
    assert json.loads(as_json.stdout)["error"] == {"code": "server_extra_missing", "message": line}


def test_module__missing_and_not_of_the_extra__is_unexpected(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "fairlot.cli.edge", None)
    with pytest.raises(ModuleNotFoundError):
        run("--help")


def test_error__of_ours__is_a_message_and_1(run: Run) -> None:
    ran = run("token", "show")
    assert ran.code == 1
    assert ran.err == (
        "Error: .fairlot: no Fairlot data here; run `fairlot init` or `fairlot serve` first, or "
        "name the directory with --data\n"
    )
    assert not Path(".fairlot").exists()


def test_error__of_ours_with_json__is_one_document_on_stdout(run: Run) -> None:
    ran = run("token", "show", "--json")
    assert (ran.code, ran.err) == (1, "")
    assert ran.json["error"]["code"] == "no_data_directory"


def test_error__unexpected__is_one_line_and_2(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "broken", ("fairlot.cli.absent:x", "Fails."))
    ran = run("broken")
    assert ran.code == 2
    assert ran.err.startswith("Error: unexpected ModuleNotFoundError")
    assert ran.err.count("\n") == 1
    assert "FAIRLOT_DEBUG=1" in ran.err


def test_error__unexpected_with_debug__shows_the_traceback(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(COMMANDS, "broken", ("fairlot.cli.absent:x", "Fails."))
    monkeypatch.setenv("FAIRLOT_DEBUG", "1")
    ran = run("broken")
    assert ran.code == 2
    assert "Traceback" in ran.err


def test_interrupt__anywhere__ends_with_130(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(root, "main", interrupt)
    assert run("--help").code == 130


def test_settings__wrong_variable__is_an_error_of_every_command(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIRLOT_PROT", "80")
    ran = run("token", "show")
    assert ran.code == 1
    assert "did you mean FAIRLOT_PORT?" in ran.err


def test_settings__file_named_by_the_variable__must_be_there(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAIRLOT_CONFIG", "absent.toml")
    assert run("token", "show").err == (
        "Error: environment: FAIRLOT_CONFIG: 'absent.toml': no such file; correct the path, or "
        "unset the variable\n"
    )


def test_settings__file_named_by_the_variable__is_read(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "other.toml").write_text("data_dir = 'elsewhere'\n", "utf-8")
    monkeypatch.setenv("FAIRLOT_CONFIG", "other.toml")
    assert "elsewhere: no Fairlot data here" in run("token", "show").err
