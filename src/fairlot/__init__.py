"""Fairlot: decide which variant a subject gets, in the process that asks.

client = Client("https://experiments.example/v1/acme/manifest.json")
client.init()
result = client.exposure("checkout", subject_id, RequestContext(headers, url, response))

The SDK is loaded when a name of it is first asked for: the command line starts without it.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from fairlot.engine.model import Reason
    from fairlot.sdk.bots import exclude_bots
    from fairlot.sdk.client import Client
    from fairlot.sdk.context import RequestContext, ResponseHeaders
    from fairlot.sdk.options import AdapterRequest
    from fairlot.sdk.result import TreatmentResult
    from fairlot.sdk.storage import (
        CookieStorage,
        HeaderStorage,
        InMemoryStorage,
        NoopStorage,
        StickyStorage,
    )
    from fairlot.sdk.subject import get_or_create_subject_id

__all__ = [
    "AdapterRequest",
    "Client",
    "CookieStorage",
    "HeaderStorage",
    "InMemoryStorage",
    "NoopStorage",
    "Reason",
    "RequestContext",
    "ResponseHeaders",
    "StickyStorage",
    "TreatmentResult",
    "exclude_bots",
    "get_or_create_subject_id",
]

_HOMES: Final = {
    "AdapterRequest": "sdk.options",
    "Client": "sdk.client",
    "CookieStorage": "sdk.storage",
    "HeaderStorage": "sdk.storage",
    "InMemoryStorage": "sdk.storage",
    "NoopStorage": "sdk.storage",
    "Reason": "engine.model",
    "RequestContext": "sdk.context",
    "ResponseHeaders": "sdk.context",
    "StickyStorage": "sdk.storage",
    "TreatmentResult": "sdk.result",
    "exclude_bots": "sdk.bots",
    "get_or_create_subject_id": "sdk.subject",
}


if not TYPE_CHECKING:  # a checker would take every misspelt name for one of ours

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module 'fairlot' has no attribute {name!r}")
        value = getattr(import_module(f"fairlot.{_HOMES[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
