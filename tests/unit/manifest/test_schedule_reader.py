"""The schedule of an experiment file."""

import pytest

from fairlot.engine import Hours, Schedule
from support.experiment_texts import problems_with, with_lines

INSTANT_FIX = "write an RFC 3339 instant with its offset, as in 2026-11-23T06:00:00Z"


@pytest.mark.parametrize(
    ("lines", "problems"),
    [
        (
            "schedule: always",
            ['3: schedule: "always": write a mapping of fields, as in {key: value}'],
        ),
        ("schedule: {start: 2026-11-23}", [f'3: schedule.start: "2026-11-23": {INSTANT_FIX}']),
        (
            'schedule: {start: "2026-11-28T22:39:21.289078Z"}',
            [
                (
                    '3: schedule.start: "2026-11-28T22:39:21.289078Z": write at most three'
                    " decimals of a second, as in 2026-11-28T22:39:21.289Z"
                )
            ],
        ),
        ("schedule: {start: 5}", ['3: schedule.start: 5: write a text; quote it, as in "5"']),
        (
            "schedule:\n  start: 2026-11-23T06:00:00Z\n  end: 2026-11-23T06:00:00Z",
            [
                (
                    '5: schedule.end: "2026-11-23T06:00:00Z": ends before it starts; '
                    "put `end` after `start`"
                )
            ],
        ),
        ("schedule: {hours: {from: 09:00}}", ["3: schedule.hours.to: missing; it is required"]),
        (
            "schedule: {hours: {from: 9:00, to: 24:00}}",
            [
                '3: schedule.hours.from: "9:00": write a time of day, UTC, as in 09:00',
                '3: schedule.hours.to: "24:00": write a time of day, UTC, as in 09:00',
            ],
        ),
        (
            "schedule: {hours: {from: 09:00, to: 09:00}}",
            [
                (
                    '3: schedule.hours.to: "09:00": the same as `from`; '
                    "leave `hours` out if it is open all day"
                )
            ],
        ),
        (
            "schedule: {hours: {days: [], from: 09:00, to: 10:00}}",
            ["3: schedule.hours.days: []: name at least one day, or leave it out for every day"],
        ),
        (
            "schedule: {hours: {days: mon, from: 09:00, to: 10:00}}",
            ['3: schedule.hours.days: "mon": write a list, as in [a, b]'],
        ),
        (
            "schedule: {hours: {days: [monday], from: 09:00, to: 10:00}}",
            ['3: schedule.hours.days[0]: "monday": days are mon, tue, wed, thu, fri, sat, sun'],
        ),
    ],
)
def test_schedule__wrong__is_refused(lines: str, problems: list[str]) -> None:
    assert problems_with(lines) == problems


def test_schedule__hours_without_days__are_every_day() -> None:
    schedule = with_lines("schedule: {hours: {from: 09:00, to: 17:00}}").experiment.schedule
    assert schedule == Schedule(hours=Hours(540, 1020))
