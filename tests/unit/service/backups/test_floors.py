"""A version may be used again by nobody; what is certain leaves no gap."""

from collections.abc import Mapping

import pytest

from fairlot.service.backups.floors import GAP, floors


@pytest.mark.parametrize(
    ("restored", "replaced", "seen", "above", "expected"),
    [
        pytest.param(7, {}, {}, None, 7 + GAP, id="nothing known beyond the backup"),
        pytest.param(7, {"prj_1": 9}, {}, None, 9, id="the replaced database knows the last"),
        pytest.param(7, {"prj_1": 7}, {}, None, 7, id="nothing was published since"),
        pytest.param(7, {"prj_1": 5}, {}, None, 7 + GAP, id="the replaced database is older"),
        pytest.param(7, {"prj_2": 9}, {}, None, 7 + GAP, id="another project was replaced"),
        pytest.param(7, {}, {"prj_1": 12}, None, 12 + GAP, id="an event knows a later one"),
        pytest.param(7, {"prj_1": 9}, {"prj_1": 12}, None, 12 + GAP, id="an event knows better"),
        pytest.param(7, {}, {}, 20, 20, id="the operator's word"),
        pytest.param(7, {}, {}, 3, 7, id="the operator's word is below the backup"),
        pytest.param(7, {"prj_1": 9}, {"prj_1": 30}, 20, 30, id="all of them: the highest"),
        pytest.param(-1, {}, {}, None, GAP - 1, id="never published"),
    ],
)
def test_floors__what_is_known__is_the_highest_with_a_gap_where_it_is_not_certain(
    restored: int,
    replaced: Mapping[str, int],
    seen: Mapping[str, int],
    above: int | None,
    expected: int,
) -> None:
    found = floors({"prj_1": restored}, replaced=replaced, seen=seen, above=above)
    assert found == {"prj_1": expected}


def test_floors__several_projects__each_has_its_own() -> None:
    found = floors({"prj_1": 7, "prj_2": 3}, replaced={"prj_2": 5}, seen={}, above=None)
    assert found == {"prj_1": 7 + GAP, "prj_2": 5}
