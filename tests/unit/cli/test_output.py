import sys

import pytest

from fairlot.cli.output import print_table, progress


def test_table__off_a_terminal__has_padded_columns(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("key", "n"), [("a", 1), ("longer", 20)])
    assert capsys.readouterr().out == "key     n\na       1\nlonger  20\n"


def test_table__on_a_terminal__takes_no_text_for_markup(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_table(("key", "details"), [("a", "[red]x[/red]")])
    assert "[red]x[/red]" in capsys.readouterr().out


@pytest.mark.parametrize("total", [2, None])
def test_progress__on_a_terminal__shows_its_title(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], total: int | None
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    with progress("reading", total) as advance:
        advance(1)
    assert "reading" in capsys.readouterr().err


def test_progress__off_a_terminal__prints_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with progress("reading", 2) as advance:
        advance(1)
    assert capsys.readouterr() == ("", "")
