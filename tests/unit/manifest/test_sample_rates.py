"""The share of subjects who take part: `sampleRate`, or `holdback`."""

import pytest

from support.experiment_texts import problems_with, with_lines

RATE_FIX = "write a decimal from 0 to 1, as in 0.25"


@pytest.mark.parametrize(
    ("lines", "rate_bp"),
    [
        ("sampleRate: 0", 0),
        ("sampleRate: 1", 10_000),
        ("sampleRate: 1.0", 10_000),
        ("sampleRate: 0.29", 2900),  # 0.29 * 10000 is 2899.9999999999995 as a float
        ("sampleRate: 0.0001", 1),
        ("sampleRate: .5", 5000),
        ("sampleRate: +0.5", 5000),
        ("sampleRate: 0.50000", 5000),
        ("holdback: 0.1", 9000),
        ("holdback: 0", 10_000),
        ("holdback: 1", 0),
        ("audience: {sampleRate: 0.3}", 3000),
        ("audience: {sampleRate: null}", 10_000),
        ("sampleRate: ~\nholdback: 0.25", 7500),
    ],
)
def test_rate__written_as_a_decimal__is_read_exactly(lines: str, rate_bp: int) -> None:
    assert with_lines(lines).experiment.audience.sample_rate_bp == rate_bp


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (
            "sampleRate: 0.12345",
            "3: sampleRate: 0.12345: a rate has at most four decimals; round it yourself",
        ),
        (
            "sampleRate: 0.1234000000000000000000000000000000001",
            (
                "3: sampleRate: 0.1234000000000000000000000000000000001: "
                "a rate has at most four decimals; round it yourself"
            ),
        ),
        (
            "sampleRate: 20",
            "3: sampleRate: 20: write a decimal from 0 to 1; did you mean 0.2?",
        ),
        (
            "sampleRate: 12.5",
            "3: sampleRate: 12.5: write a decimal from 0 to 1; did you mean 0.125?",
        ),
        ("sampleRate: 101", f"3: sampleRate: 101: {RATE_FIX}"),
        ("sampleRate: -0.1", f"3: sampleRate: -0.1: {RATE_FIX}"),
        ("sampleRate: 1.0001", f"3: sampleRate: 1.0001: {RATE_FIX}"),
        ("sampleRate: 5e-1", f"3: sampleRate: 5e-1: {RATE_FIX}"),
        ("sampleRate: 0x1", f"3: sampleRate: 0x1: {RATE_FIX}"),
        ("sampleRate: '0.5'", f'3: sampleRate: "0.5": {RATE_FIX}'),
        ("sampleRate: true", f"3: sampleRate: true: {RATE_FIX}"),
        ("sampleRate: [1]", f"3: sampleRate: [1]: {RATE_FIX}"),
        ("sampleRate: 50%", f'3: sampleRate: "50%": {RATE_FIX}'),
        (
            "audience: {sampleRate: 0.00001}",
            "3: audience.sampleRate: 0.00001: a rate has at most four decimals; round it yourself",
        ),
        (
            "sampleRate: 0.5\nholdback: 0.5",
            "4: holdback: 0.5: says the same as sampleRate; keep one of them",
        ),
        (
            "holdback: 0.5\naudience: {sampleRate: 0.5}",
            "4: audience.sampleRate: 0.5: says the same as holdback; keep one of them",
        ),
    ],
)
def test_rate__wrong__is_refused_with_line_path_value_and_fix(lines: str, problem: str) -> None:
    assert problems_with(lines) == [problem]
