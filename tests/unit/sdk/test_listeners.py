"""Who is told of a refresh, and what happens when they fail."""

import pytest

from fairlot.sdk.faults import Faults
from fairlot.sdk.listeners import RefreshListeners
from fairlot.testing import FrozenClock


@pytest.fixture
def faults() -> Faults:
    return Faults(FrozenClock())


def test_tell__several_listeners__each_gets_the_outcome(faults: Faults) -> None:
    listeners, first, second = RefreshListeners(faults), list[bool](), list[bool]()
    listeners.add(first.append)
    listeners.add(second.append)
    listeners.tell(True)
    listeners.tell(False)
    assert first == second == [True, False]


def test_remove__one_of_two_equal_ones__the_other_stays(faults: Faults) -> None:
    listeners, told = RefreshListeners(faults), list[bool]()
    remove = listeners.add(told.append)
    listeners.add(told.append)
    remove()
    remove()
    listeners.tell(True)
    assert told == [True]


def test_tell__listener_raises__counted_and_the_others_told(faults: Faults) -> None:
    def broken(_succeeded: bool) -> None:
        raise RuntimeError("mine")

    listeners, told = RefreshListeners(faults), list[bool]()
    listeners.add(broken)
    listeners.add(told.append)
    listeners.tell(True)
    assert (told, faults.counts) == ([True], {"callback": 1})


def test_remove__while_it_is_told__ends_it_for_the_next_time(faults: Faults) -> None:
    listeners, told = RefreshListeners(faults), list[bool]()

    def once(succeeded: bool) -> None:
        told.append(succeeded)
        remove()

    remove = listeners.add(once)
    listeners.tell(True)
    listeners.tell(True)
    assert told == [True]
