import socket
from collections.abc import Iterator

import pytest

from fairlot.cli.ports import PortUnusable, check_port, pick_port
from support.processes import free_port

HOST = "127.0.0.1"


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server((HOST, 0)) as listener:
        yield listener.getsockname()[1]


def test_port__in_use__is_refused_by_name(taken: int) -> None:
    with pytest.raises(PortUnusable, match=f"{HOST} port {taken}: the port is in use"):
        check_port(HOST, taken)
    with pytest.raises(PortUnusable):
        pick_port(HOST, taken, preferred=taken)


def test_port__preferred_in_use__another_is_picked(taken: int) -> None:
    assert pick_port(HOST, None, preferred=taken) not in (0, taken)


def test_port__free__is_given_back(taken: int) -> None:
    free = free_port()  # nobody else is given it meanwhile, as they may be what 0 gives
    assert check_port(HOST, 0) != 0
    assert check_port(HOST, free) == free
    assert pick_port(HOST, None, preferred=free) == free
    assert pick_port(HOST, free, preferred=taken) == free


def test_port__address_of_another_machine__is_refused() -> None:
    with pytest.raises(PortUnusable, match="this machine has no such address"):
        check_port("203.0.113.1", 0)  # TEST-NET-3, RFC 5737


def test_port__any_other_failure__is_told() -> None:
    error = PortUnusable("nowhere", 80, OSError("Name or service not known"))
    assert str(error) == "nowhere port 80: cannot be listened on (Name or service not known)"
