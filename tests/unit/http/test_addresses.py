from typing import Any

import pytest

from fairlot.http.addresses import Addresses, InvalidProxy, is_loopback, throttle_key


def scope(peer: str | None, *headers: tuple[bytes, bytes]) -> dict[str, Any]:
    return {"client": None if peer is None else (peer, 1), "headers": list(headers)}


def forwarded(value: str) -> tuple[bytes, bytes]:
    return (b"x-forwarded-for", value.encode())


def test_client_of__untrusted_peer__ignores_forwarded_for() -> None:
    assert Addresses().client_of(scope("203.0.113.9", forwarded("1.2.3.4"))) == "203.0.113.9"


@pytest.mark.parametrize(
    ("chain", "expected"),
    [
        ("198.51.100.7", "198.51.100.7"),
        ("6.6.6.6, 198.51.100.7", "198.51.100.7"),
        ("198.51.100.7, 10.1.1.1", "198.51.100.7"),
        ("10.2.2.2", "10.2.2.2"),
        ("not an address", "unknown"),
        ("6.6.6.6, rubbish, 10.0.0.2", "unknown"),
        ("", "unknown"),
    ],
)
def test_client_of__trusted_proxy__is_the_nearest_untrusted_hop(chain: str, expected: str) -> None:
    addresses = Addresses(["10.0.0.0/8"])
    assert addresses.client_of(scope("10.0.0.1", forwarded(chain))) == expected


def test_client_of__several_header_lines__are_one_chain() -> None:
    addresses = Addresses(["10.0.0.1"])
    given = scope("10.0.0.1", forwarded("6.6.6.6"), forwarded("198.51.100.7"))
    assert addresses.client_of(given) == "198.51.100.7"


def test_is_this_machine__proxied_over_loopback__is_not() -> None:
    addresses = Addresses()
    assert addresses.is_this_machine(scope("127.0.0.1"))
    assert addresses.is_this_machine(scope("::1"))
    assert not addresses.is_this_machine(scope("127.0.0.1", forwarded("127.0.0.1")))
    assert not addresses.is_this_machine(scope("192.0.2.1"))
    assert not addresses.is_this_machine(scope(None))


def test_is_loopback__mapped_address__is() -> None:
    assert is_loopback("::ffff:127.0.0.1")
    assert not is_loopback("::ffff:192.0.2.1")


def test_throttle_key__ipv6__is_the_network_of_64_bits() -> None:
    assert throttle_key("2001:db8:1:2:3::4") == throttle_key("2001:db8:1:2:ffff::1")
    assert throttle_key("192.0.2.1") == "192.0.2.1"


def test_addresses__proxy_that_is_no_network__is_rejected_by_name() -> None:
    with pytest.raises(InvalidProxy, match=r"'proxy\.example'"):
        Addresses(["proxy.example"])


@pytest.mark.parametrize(
    ("hop", "client"),
    [
        ("7.7.7.7:1234", "7.7.7.7"),
        ("[2001:db8::1]:80", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("nonsense", "unknown"),
        ("", "unknown"),
    ],
)
def test_client_of__hop_with_a_port_or_none__is_throttled_as_itself(hop: str, client: str) -> None:
    addresses = Addresses(("127.0.0.1",))
    found = addresses.client_of(scope("127.0.0.1", forwarded(hop)))
    assert found == client
    assert not is_loopback(found)
