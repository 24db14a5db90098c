import threading

import pytest

from fairlot.sdk.single_flight import SingleFlight
from support.waiting import wait_for

WITHIN_S = 10.0


def test_single_flight__one_after_the_other__runs_the_work_each_time() -> None:
    outcomes = [True, False, True]
    flight = SingleFlight(lambda: outcomes.pop(0))
    assert [flight(), flight(), flight()] == [True, False, True]


def test_single_flight__work_raises__is_raised_to_its_caller_and_false_to_the_others() -> None:
    entered, leave = threading.Event(), threading.Event()
    shared: list[bool] = []

    def work() -> bool:
        entered.set()
        assert leave.wait(WITHIN_S)
        raise KeyboardInterrupt

    flight = SingleFlight(work)
    raised: list[BaseException] = []

    def first() -> None:
        try:
            flight()
        except KeyboardInterrupt as error:
            raised.append(error)

    threads = [threading.Thread(target=first)]
    threads[0].start()
    assert entered.wait(WITHIN_S)
    under_way = flight._flight
    assert under_way is not None
    threads.append(threading.Thread(target=lambda: shared.append(flight())))
    threads[1].start()
    wait_for(lambda: len(vars(under_way.landed)["_cond"]._waiters) == 1)
    leave.set()
    for thread in threads:
        thread.join(WITHIN_S)
    assert len(raised) == 1
    assert shared == [False]


def test_single_flight__work_that_calls_itself__gets_false() -> None:
    inside: list[bool] = []

    def work() -> bool:
        inside.append(flight())
        return True

    flight = SingleFlight(work)
    assert flight()
    assert inside == [False]


def test_single_flight__started_afresh_in_the_middle__lets_the_next_one_begin() -> None:
    def work() -> bool:
        if not calls:
            calls.append(None)
            flight.start_afresh()
            assert flight()
        return True

    calls: list[None] = []
    flight = SingleFlight(work)
    assert flight()
    assert flight()


@pytest.mark.parametrize("outcome", [True, False])
def test_single_flight__outcome__is_that_of_the_work(outcome: bool) -> None:
    assert SingleFlight(lambda: outcome)() is outcome
