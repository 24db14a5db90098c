"""Starlette's test client, over httpx: that it would rather have httpx2 is no matter here."""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from starlette.testclient import TestClient

__all__ = ["TestClient"]
