import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlot.http.problems import Refused
from fairlot.http.throttle import FREE, STANDARD, Policy, Throttle, gcra


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


def admitted(throttle: Throttle, policy: Policy, key: str, requests: int) -> int:
    count = 0
    for _ in range(requests):
        try:
            throttle.admit(policy, key)
        except Refused:
            continue
        count += 1
    return count


@pytest.mark.parametrize("policy", [FREE, STANDARD])
def test_throttle__rested_key__admits_exactly_the_burst(policy: Policy) -> None:
    assert admitted(Throttle(Clock()), policy, "a", policy.burst + 50) == policy.burst


def test_throttle__exhausted_key__admits_its_rate() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    admitted(throttle, FREE, "a", 200)
    clock.now_s += 1
    assert admitted(throttle, FREE, "a", 200) == 20


def test_throttle__other_key__is_not_touched() -> None:
    throttle = Throttle(Clock())
    admitted(throttle, FREE, "a", 200)
    assert admitted(throttle, FREE, "b", 1) == 1


def test_throttle__refusal__carries_integer_headers_of_the_draft() -> None:
    throttle = Throttle(Clock())
    admitted(throttle, FREE, "a", 100)
    with pytest.raises(Refused) as caught:
        throttle.admit(FREE, "a")
    problem = caught.value.problem
    assert problem.status == 429
    assert dict(problem.headers) == {
        b"retry-after": b"1",
        b"ratelimit": b'"free";r=0;t=1',
        b"ratelimit-policy": b'"free";q=100;w=5',
    }


def test_throttle__more_keys_than_capacity__stays_bounded_and_forgets_the_rested_first() -> None:
    clock = Clock()
    throttle = Throttle(clock, capacity=100)
    admitted(throttle, FREE, "busy", 100)
    clock.now_s += 1
    for number in range(1000):
        throttle.admit(FREE, str(number))
        assert len(throttle) <= 100
    assert admitted(throttle, FREE, "busy", 100) == 20


@given(st.lists(st.floats(min_value=0, max_value=0.2), max_size=300))
def test_gcra__any_arrivals__never_pass_more_than_burst_plus_rate(gaps: list[float]) -> None:
    policy = Policy("p", 10, 5)
    now_s, tat_s, passed = 50.0, 0.0, 0
    for gap in gaps:
        now_s += gap
        verdict = gcra(policy, tat_s, now_s)
        tat_s = verdict.tat_s
        passed += verdict.allowed
    assert passed <= policy.burst + policy.rate_per_s * (now_s - 50.0) + 1e-6


@given(st.floats(min_value=0, max_value=10), st.floats(min_value=0, max_value=10))
def test_gcra__refused__is_allowed_after_what_it_says(tat_ahead: float, now_s: float) -> None:
    policy = Policy("p", 10, 5)
    verdict = gcra(policy, now_s + tat_ahead, now_s)
    if not verdict.allowed:
        later = gcra(policy, verdict.tat_s, now_s + verdict.retry_after_s)
        assert later.allowed
