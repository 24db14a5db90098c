"""What reads the log without SQL sees what was compacted as well."""

from collections.abc import Callable
from pathlib import Path

import pytest

from fairlot.engine.model import Reason
from fairlot.events.records import Actor, Trust
from fairlot.warehouse.lake import compact, write_events
from fairlot.warehouse.log import (
    ExposureGroup,
    count_exposures,
    read_conversions,
    read_exposures,
    read_identities,
)
from fairlot.warehouse.manifest_versions import highest_manifest_versions
from fairlot.warehouse.readers import read_events_of
from fairlot.warehouse.whose import Whose
from unit.warehouse.lake.planting import DAY_MS, Event, write_tail
from unit.warehouse.records import NOW_MS, conversion, exposure, identity

_EVENTS: tuple[Event, ...] = (
    exposure(
        "a",
        failure="none",
        device="mobile",
        url="https://a.example/",
        actor=Actor.BOT,
        trust=Trust.PUBLIC,
        reason=Reason.STICKY,
        batch_seq=3,
        properties={"n": 1.5, "list": [None, "x"]},
    ),
    exposure(
        "b",
        unit_id="b's account",
        received_at_ms=NOW_MS - DAY_MS,
        occurred_at_ms=NOW_MS - 2 * DAY_MS - 1,
    ),
    exposure("c", project_id="prj_2", experiment_key="prices", received_at_ms=NOW_MS + 1),
    conversion("a", value=None),
    conversion("b", value=-2.5, properties={}),
    identity("a"),
)


def _compacted(directory: Path) -> None:
    write_tail(directory, 0, *_EVENTS)
    compact(directory)


def _half_compacted(directory: Path) -> None:
    write_tail(directory, 0, *_EVENTS)
    write_events(directory, _EVENTS[::2])


def _read_all(directory: Path) -> list[list[Event]]:
    return [
        list(read_exposures(directory)),
        list(read_exposures(directory, experiment_key="prices")),
        list(read_exposures(directory, project_id="prj_1", experiment_key="checkout")),
        sorted(read_conversions(directory), key=lambda each: each.event_id),
        list(read_conversions(directory, event_name="it's none")),
        list(read_identities(directory)),
        list(read_events_of(directory, "prj_1", Whose({"a", "other"}, ()))),
        list(read_events_of(directory, "prj_1", Whose({"b's account", "user-1"}, ()))),
        list(read_events_of(directory, "prj_1", Whose({"b's account"}, {"exp_1"}))),
    ]


@pytest.mark.parametrize("plant", [_compacted, _half_compacted])
def test_readers__of_compacted_events__give_what_was_recorded(
    tmp_path: Path, plant: Callable[[Path], None]
) -> None:
    as_recorded, in_lake = tmp_path / "recorded", tmp_path / "lake"
    for directory in (as_recorded, in_lake):
        directory.mkdir()
    write_tail(as_recorded, 0, *_EVENTS)
    plant(in_lake)
    found = _read_all(in_lake)
    assert found == _read_all(as_recorded)
    assert [len(each) for each in found[-2:]] == [2, 0]
    assert count_exposures(in_lake) == {
        ExposureGroup("checkout", "blue", "sticky"): 1,
        ExposureGroup("checkout", "blue", "bucket"): 1,
        ExposureGroup("prices", "blue", "bucket"): 1,
    }
    assert count_exposures(in_lake, experiment_key="prices", project_id="prj_1") == {}


def test_manifest_versions__of_compacted_exposures__are_known(tmp_path: Path) -> None:
    write_events(
        tmp_path,
        [
            exposure(manifest_version=4),
            exposure(manifest_version=8, trust=Trust.PUBLIC),
            exposure(manifest_version=99),
            identity(project_id="prj_2"),
        ],
    )
    write_tail(tmp_path, 0, exposure(manifest_version=3))
    assert highest_manifest_versions(tmp_path, 50) == {"prj_1": 4}
