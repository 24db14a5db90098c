"""Single functions of the engine on inputs that no JSON vector can hold."""

import pytest

from fairlot.engine import Audience, Context, InvalidExperiment, compile_condition, compile_regex
from fairlot.engine.audience import compile_page
from fairlot.engine.bucketing import rate_draw
from fairlot.engine.conditions import compile_rule, paths_read
from fairlot.engine.step import describe_draw
from fairlot.engine.urls import read_url


@pytest.mark.parametrize("operand", [{"$exists": True}, {"$ne": 1}, {"$nin": ["x"]}])
def test_condition__value_that_json_cannot_hold__only_existence_and_difference(
    operand: dict[str, object],
) -> None:
    assert compile_condition({"a": operand})({"a": object()})


@pytest.mark.parametrize("operand", [{"$eq": 1}, {"$gt": 1}, {"$in": ["x"]}, {"$size": 1}, "x", 1])
def test_condition__value_that_json_cannot_hold__matches_nothing(operand: object) -> None:
    assert not compile_condition({"a": operand})({"a": object()})


@pytest.mark.parametrize("operator", ["$in", "$ini", "$all", "$alli"])
def test_condition__operand_that_is_no_list__false(operator: str) -> None:
    assert not compile_condition({"a": {operator: "x"}})({"a": ["x"]})
    assert not compile_condition({"a": {operator: "x"}})({"a": "x"})


def test_condition__three_operators_on_one_attribute__all_hold() -> None:
    rule = {"a": {"$gt": 1, "$lt": 5, "$ne": 3}}
    assert [compile_condition(rule)({"a": value}) for value in (2, 3, 5)] == [True, False, False]


def test_condition__hostile_names__never_become_code() -> None:
    hostile = {"__import__('os')": "x", "a'] or True or ['": {"$in": ['" or True or "']}}
    assert not compile_condition(hostile)({})
    assert compile_condition(hostile)(
        {"__import__('os')": "x", "a'] or True or ['": '" or True or "'}
    )


def test_rule__bare_account__is_the_whole_account() -> None:
    rule = compile_rule({"account": {"$type": "object"}, "account.plan": "pro"}, {})
    assert rule("s", Context(account={"plan": "pro"}))
    assert not rule("s", Context(attributes={"account": {"plan": "pro"}}))


def test_paths_read__nested_rule__each_path_once() -> None:
    rule = {"a": 1, "$or": [{"b.c": 1}, {"$not": {"a": 2, "d": {"$elemMatch": {"e": 1}}}}]}
    assert paths_read(rule) == ("a", "b.c", "d")


def test_regex__lone_surrogate_in_the_text__searched_as_the_replacement_character() -> None:
    assert compile_regex("x\ufffd")("x\ud800")


@pytest.mark.parametrize(
    "pattern", ["(?:(?:a{1000}){1000}){1000}", "\ud800", "a" * 501, 5, "[a-z-9]"]
)
def test_regex__outside_the_subset__refused(pattern: object) -> None:
    with pytest.raises(InvalidExperiment):
        compile_regex(pattern)


def test_regex__hostile__linear() -> None:
    assert not compile_regex("(?:a+)+$")("a" * 8_000 + "b")


@pytest.mark.parametrize("pattern", ["/a*", "*.example/**"])
def test_url_pattern__lone_surrogate_in_the_address__no_match(pattern: str) -> None:
    page = compile_page(Audience(url_patterns=(pattern,)))
    assert page is not None
    assert page.failing_part(Context(url="https://x.example/a\ud800")) == "urlPatterns"


@pytest.mark.parametrize(
    "url",
    ["https://[::1", "https://[::1]x/", "https://[zz]/", "https://a%41/", "https://ä..example/"],
)
def test_read_url__host_that_no_browser_takes__unparsable(url: str) -> None:
    assert read_url(url) is None


def test_draw__explained__says_where_it_goes_on() -> None:
    seen = describe_draw(rate_draw("salt", "holdout", 2_500, inside="held", outside=None), "user-1")
    assert seen.details["ranges"] == [
        {"start": 0, "end": 2_500, "outcome": "held"},
        {"start": 2_500, "end": 10_000, "outcome": "goes on"},
    ]
