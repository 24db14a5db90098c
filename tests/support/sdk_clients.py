"""Clients of the SDK that reach no network, with a clock that stands still."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fairlot import Client, RequestContext, ResponseHeaders
from fairlot.engine import Audience, Experiment, Holdout, Manifest, Variant
from fairlot.sdk.transport import HttpRequest, HttpResponse
from fairlot.testing import FrozenClock, MemorySink

URL = "https://m.example/v1/acme/shop/manifest.json"
CONTROL, BOLD = Variant("control", "var_control", is_control=True), Variant("bold", "var_bold")


def an_experiment(key: str = "hero", **fields: Any) -> Experiment:
    """An even split of `control` and `bold`."""
    plain: dict[str, Any] = {"salt": key, "id": f"exp_{key}", "variants": (CONTROL, BOLD)}
    return Experiment(key=key, **plain | fields)


def all_to(variant_key: str, key: str = "hero", **fields: Any) -> Experiment:
    """Everybody draws one variant."""
    weights = {"control": 0, "bold": 0} | {variant_key: 10_000}
    variants = tuple(
        Variant(each, f"var_{each}", is_control=each == "control", weight=weight)
        for each, weight in weights.items()
    )
    return an_experiment(key, **{"variants": variants} | fields)


def a_manifest(*experiments: Any, version: int = 3, holdout: Holdout | None = None) -> Manifest:
    return Manifest(
        "acme", "shop", version, "2026-11-23T06:00:00.000Z", experiments, holdout=holdout
    )


def only_for(**attributes: Any) -> Audience:
    return Audience(rule=attributes)


class Site:
    """A client, what it recorded, its time, and the network that it does not have."""

    def __init__(self, *experiments: Any, holdout: Holdout | None = None, **options: Any) -> None:
        self.clock = FrozenClock()
        self.sink = MemorySink()
        self.requests: list[HttpRequest] = []
        plain: dict[str, Any] = {
            "clock": self.clock,
            "transport": self._no_network,
            "record_exposure": self.sink.record_exposure,
            "record_conversion": self.sink.record_conversion,
        }
        self.client = Client(URL, **plain | options)
        if experiments:
            self.client.set_manifest(a_manifest(*experiments, holdout=holdout))

    def _no_network(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        raise OSError("no network")

    @property
    def faults(self) -> dict[str, int]:
        return dict(self.client.stats().faults)


@contextmanager
def a_site(*experiments: Any, **options: Any) -> Iterator[Site]:
    site = Site(*experiments, **options)
    try:
        yield site
    finally:
        site.client.close()


def a_request(cookie: str | None = None, **fields: Any) -> RequestContext:
    headers = {} if cookie is None else {"cookie": cookie}
    plain: dict[str, Any] = {"headers": headers, "response": ResponseHeaders()}
    return RequestContext(**plain | fields)


def sent_by(context: RequestContext) -> list[tuple[str, str]]:
    """What waits for the response."""
    assert isinstance(context.response, ResponseHeaders)
    return list(context.response)


def cookies_of(context: RequestContext) -> list[str]:
    """Name and value of each cookie that is set, without attributes."""
    return [
        value.partition(";")[0] for name, value in sent_by(context) if name.lower() == "set-cookie"
    ]
