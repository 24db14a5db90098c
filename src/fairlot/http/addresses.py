"""Who is calling: the client's address, believing forwarded headers of trusted proxies only."""

from collections.abc import Iterable
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

from fairlot.engine.errors import FairlotError
from fairlot.http.asgi import Scope

_FORWARDING = frozenset({b"forwarded", b"via", b"x-forwarded-for", b"x-real-ip"})
UNKNOWN = "unknown"


class InvalidProxy(FairlotError):
    """A trusted proxy that is neither an address nor a network."""

    code = "invalid_proxy"

    def __init__(self, value: str) -> None:
        self.value = value
        super().__init__(
            f"trusted_proxies: {value!r}: use an address or a network, such as 10.0.0.0/8"
        )


class Addresses:
    """Reads addresses for one server, whose trusted proxies are addresses or networks."""

    def __init__(self, trusted_proxies: Iterable[str] = ()) -> None:
        self._trusted = tuple(_network(proxy) for proxy in trusted_proxies)

    def client_of(self, scope: Scope) -> str:
        """The nearest address of the forwarding chain that is no trusted proxy."""
        peer = scope.get("client")
        if peer is None:
            return UNKNOWN
        address: str = peer[0]
        if not self._trusted or not self._trusts(address):
            return address
        for hop in reversed(_forwarded_for(scope)):
            address = _without_port(hop)
            if parsed(address) is None:
                return UNKNOWN
            if not self._trusts(address):
                break
        return address

    def is_this_machine(self, scope: Scope) -> bool:
        """Whether the caller is a process here, and not merely behind a proxy that runs here."""
        if not is_loopback(self.client_of(scope)):
            return False
        return not any(name in _FORWARDING for name, _ in scope["headers"])

    def _trusts(self, address: str) -> bool:
        found = parsed(address)
        return found is not None and any(found in network for network in self._trusted)


def is_loopback(address: str) -> bool:
    if address.startswith("127."):
        return True
    found = parsed(address)
    return found is not None and found.is_loopback


def throttle_key(address: str) -> str:
    """One key a client: an IPv6 client owns a whole /64."""
    found = parsed(address)
    if isinstance(found, IPv6Address):
        return str(ip_network((found, 64), strict=False))
    return address


def parsed(text: str) -> IPv4Address | IPv6Address | None:
    try:
        found = ip_address(text)
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def _forwarded_for(scope: Scope) -> list[str]:
    hops: list[str] = []
    for name, value in scope["headers"]:
        if name == b"x-forwarded-for":
            hops += [hop.strip() for hop in value.decode("latin-1").split(",")]
    return hops


def _without_port(hop: str) -> str:
    """`address`, `[v6]`, `address:port` or `[v6]:port`, as proxies write them."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    return hop.partition(":")[0] if hop.count(":") == 1 else hop


def _network(text: str) -> IPv4Network | IPv6Network:
    try:
        return ip_network(text, strict=False)
    except ValueError:
        raise InvalidProxy(text) from None
