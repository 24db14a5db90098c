from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fairlot import Client, CookieStorage
from fairlot.sdk.errors import InvalidOption
from support.sdk_clients import URL


async def asynchronous(_argument: object) -> None:
    """Would return what nobody awaits."""


class AsynchronousCall:
    async def __call__(self, _argument: object) -> None:
        """The same in a class."""


class Callback:
    def __call__(self, _argument: object) -> None:
        """A plain one."""


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("api_key", ""),
        ("api_key", "key\r\nX-Other: 1"),
        ("api_key", b"key"),
        ("refresh_interval_s", 0),
        ("refresh_interval_s", -1),
        ("refresh_interval_s", float("nan")),
        ("refresh_interval_s", float("inf")),
        ("refresh_interval_s", "30"),
        ("refresh_interval_s", True),
        ("timeout_s", 0),
        ("queue_bound", 0),
        ("queue_bound", 1.5),
        ("transport", "urllib"),
        ("on_refresh_error", asynchronous),
        ("record_exposure", asynchronous),
        ("record_exposure", AsynchronousCall()),
        ("record_conversion", 5),
        ("decision_adapter", "bold"),
        ("decision_adapter", asynchronous),
        ("excluded", "yes"),
        ("excluded", asynchronous),
        ("storage", CookieStorage),
        ("storage", {}),
        ("storage", "cookies"),
        ("preview_jwks", {}),
        ("preview_jwks", {"keys": 5}),
        ("preview_jwks", []),
        ("preview_jwks_url", "jwks.json"),
        ("manifest_cache", ""),
        ("manifest_cache", 5),
        ("trusted_keys", []),
        ("trusted_keys", "kid"),
        ("subject_cookie", "a b"),
        ("subject_cookie", None),
        ("events_url", "events"),
        ("clock", 5),
    ],
)
def test_client__option_of_no_use__refused_by_its_name(option: str, value: Any) -> None:
    with pytest.raises(InvalidOption, match=rf"^{option}: ") as refused:
        Client(URL, **{option: value})
    assert refused.value.option == option
    assert refused.value.fix


@pytest.mark.parametrize("url", ["", "m.example/manifest.json", "ftp://m.example/x", None])
def test_client__manifest_url_of_no_use__refused(url: Any) -> None:
    with pytest.raises(InvalidOption, match=r"^manifest_url: "):
        Client(url)


def test_client__bad_api_key__never_shown() -> None:
    with pytest.raises(InvalidOption) as refused:
        Client(URL, api_key="se\ncret")
    assert "cret" not in str(refused.value)


@pytest.mark.parametrize(
    "options",
    [
        {"record_exposure": Callback()},
        {"record_exposure": Callback().__call__},
        {"record_exposure": print},
        {"refresh_interval_s": 0.5, "timeout_s": 1},
        {"excluded": False},
        {"manifest_cache": Path("cache.json")},
        {"manifest_cache": "cache.json"},
        {"preview_jwks": {"keys": []}},
    ],
)
def test_client__usable_options__taken(options: dict[str, Any]) -> None:
    make: Callable[..., Client] = Client
    assert make(URL, **options).close()
