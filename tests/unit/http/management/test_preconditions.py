import msgspec
import pytest

from fairlot.http.management.preconditions import Precondition, read_precondition
from fairlot.http.problems import Refused


class Thing(msgspec.Struct, frozen=True):
    revision: int


def given(**headers: str) -> Precondition:
    lines = [(name.replace("_", "-").encode(), text.encode()) for name, text in headers.items()]
    return read_precondition({"headers": lines})


def status_of(precondition: Precondition, revision: int | None, *, replaces: bool) -> int:
    """200 when the precondition holds."""
    check = precondition.check_replace if replaces else precondition.check
    try:
        check(revision, lambda: None if revision is None else Thing(revision))
    except Refused as refused:
        return refused.problem.status
    return 200


@pytest.mark.parametrize(
    ("headers", "revision", "replaced", "acted"),
    [
        # nothing is there, and a PUT may make it
        ({}, None, 200, 200),
        ({"if_none_match": "*"}, None, 200, 200),
        ({"if_match": '"1"'}, None, 412, 412),
        ({"if_match": "*"}, None, 412, 412),
        # revision 7 is there
        ({}, 7, 428, 200),
        ({"if_match": '"7"'}, 7, 200, 200),
        ({"if_match": "*"}, 7, 200, 200),
        ({"if_match": '"6", "7"'}, 7, 200, 200),
        ({"if_match": '"6"'}, 7, 412, 412),
        ({"if_match": 'W/"7"'}, 7, 412, 412),  # RFC 9110 13.1.1: the strong comparison
        ({"if_none_match": "*"}, 7, 412, 412),
    ],
)
def test_precondition__of_put_and_of_actions__holds_or_not(
    headers: dict[str, str], revision: int | None, replaced: int, acted: int
) -> None:
    precondition = given(**headers)
    assert status_of(precondition, revision, replaces=True) == replaced
    assert status_of(precondition, revision, replaces=False) == acted


def test_precondition__refused__shows_the_newer_revision() -> None:
    with pytest.raises(Refused) as caught:
        given(if_match='"6"').check_replace(7, lambda: Thing(7))
    assert caught.value.problem.extra == {"current": Thing(7)}
    assert caught.value.problem.headers == ((b"etag", b'"7"'),)
    assert 'send If-Match: "7"' in caught.value.problem.detail


@pytest.mark.parametrize("text", ["7", "", '"7', '"7" "8"', '"7",', "w/7", '"é"'])
def test_if_match__malformed__is_400(text: str) -> None:
    with pytest.raises(Refused, match="If-Match: is malformed"):
        given(if_match=text)


@pytest.mark.parametrize("text", ['"7"', "", "x"])
def test_if_none_match__not_a_star__is_400(text: str) -> None:
    with pytest.raises(Refused, match="If-None-Match: is malformed"):
        given(if_none_match=text)
