import pytest

from fairlot import RequestContext, ResponseHeaders
from fairlot.integrations.header_lines import waiting_lines, with_lines


def lines_of(*lines: tuple[str, str]) -> list[tuple[str, str]]:
    response = ResponseHeaders()
    for line in lines:
        response.append(*line)
    return waiting_lines(RequestContext(response=response))


@pytest.mark.parametrize(
    "line",
    [
        ("Set-Cookie", "a=1\r\nX: 1"),
        ("Set-Cookie", "a=1\n"),
        ("Set-Cookie", "a=\x00"),
        ("Set-Cookie", "a=\x7f"),
        ("Set-Cookie", "a=\u2028"),
        ("Set-Cookie", "a=\ud800"),
        ("X\r\nY", "1"),
        ("X Y", "1"),
        ("X:", "1"),
        ("", "1"),
    ],
)
def test_waiting_lines__line_that_cannot_be_sent__left_out(line: tuple[str, str]) -> None:
    assert lines_of(line, ("X-Good", "caf\xe9\t1")) == [("X-Good", "caf\xe9\t1")]


def test_waiting_lines__repeated_name__last_one_but_every_cookie() -> None:
    assert lines_of(("Set-Cookie", "a=1"), ("X-A", "1"), ("set-cookie", "a=2"), ("x-a", "2")) == [
        ("x-a", "2"),
        ("Set-Cookie", "a=1"),
        ("set-cookie", "a=2"),
    ]


class Own:
    """A sink of the user's own, who sends what it gets."""

    def append(self, name: str, value: str) -> None:
        raise NotImplementedError


@pytest.mark.parametrize(
    "context",
    [
        None,
        RequestContext(),
        RequestContext(response=Own()),
        RequestContext(response=ResponseHeaders()),
    ],
)
def test_waiting_lines__nothing_that_waits__none(context: RequestContext | None) -> None:
    assert waiting_lines(context) == []


def test_with_lines__names_in_another_case__replaced_but_cookies_added() -> None:
    given = [("Set-Cookie", "own=1"), ("cache-control", "public"), ("Vary", "Cookie")]
    assert with_lines(given, [("Cache-Control", "private"), ("set-cookie", "a=1")]) == [
        ("Set-Cookie", "own=1"),
        ("Vary", "Cookie"),
        ("Cache-Control", "private"),
        ("set-cookie", "a=1"),
    ]
