"""Fairlot: decide which variant a subject gets, in the process that asks.

client = Client("https://experiments.example/v1/acme/manifest.json")
client.init()
result = client.exposure("checkout", subject_id, RequestContext(headers, url, response))
"""

from fairlot.engine.model import Reason
from fairlot.sdk.bots import exclude_bots
from fairlot.sdk.client import Client
from fairlot.sdk.context import RequestContext, ResponseHeaders
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
