from collections.abc import Iterator
from itertools import repeat

import pytest

from fairlot.sdk.backoff import LONGEST_RETRY_AFTER_S, Backoff, retry_after_s

NOW_MS = 1_795_413_600_000  # Mon, 23 Nov 2026 06:00:00 GMT


def drawing(*numbers: float) -> Iterator[float]:
    return iter(numbers)


def test_backoff__highest_draws__double_up_to_the_cap() -> None:
    backoff = Backoff(2.0, 60.0, draw=repeat(1.0).__next__)
    assert [backoff.failed() for _ in range(8)] == [2, 4, 8, 16, 32, 60, 60, 60]


def test_backoff__success__begins_anew() -> None:
    backoff = Backoff(2.0, 60.0, draw=repeat(1.0).__next__)
    for _ in range(5):
        backoff.failed()
    backoff.succeeded()
    assert backoff.failed() == 2


def test_backoff__draw__is_a_share_of_the_whole_but_a_second_at_least() -> None:
    backoff = Backoff(8.0, 60.0, draw=drawing(0.5, 0.0, 0.25).__next__)
    assert [backoff.failed() for _ in range(3)] == [4, 1, 8]


def test_backoff__server_asks_for_more__is_given_it() -> None:
    backoff = Backoff(2.0, 60.0, draw=repeat(1.0).__next__)
    assert [backoff.failed(90), backoff.failed(1), backoff.failed(0)] == [90, 4, 8]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0),
        (" 120 ", 120),
        ("999999999999999999999", LONGEST_RETRY_AFTER_S),
        ("Mon, 23 Nov 2026 06:00:30 GMT", 30),
        ("Mon, 23 Nov 2026 05:00:00 GMT", 0),
        ("Mon, 23 Nov 2099 05:00:00 GMT", LONGEST_RETRY_AFTER_S),
        ("-5", None),
        ("1.5", None),
        ("\u0663", None),
        ("soon", None),
        ("Mon, 23 Nov 999999 05:00:00 GMT", None),
    ],
)
def test_retry_after__any_text__is_bounded_seconds_or_none(
    text: str | None, seconds: float | None
) -> None:
    headers = {} if text is None else {"retry-after": text}
    assert retry_after_s(headers, NOW_MS) == seconds
