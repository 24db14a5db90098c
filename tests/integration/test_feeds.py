"""Feeds through a server of two workers, from files, events and products to the body of a choice;
on both databases."""

import json
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from support.processes import ServerProcess, fairlot, serving
from support.waiting import wait_for

pytestmark = pytest.mark.slow

FILES = """\
kind: feed
key: shoes
algorithm: most_popular
only: {kind: shoe}
exclude: {availability: out_of_stock}
fillUp: [newest]
---
key: front-page
name: Front page
type: personalization
variants:
  - key: only
    name: Only
    payload:
      label: Popular
      products: {$feed: shoes, limit: 3, fields: [id, price]}
      seen: {$feed: recently_viewed, fields: [id]}
"""
PRODUCTS = [
    {"id": "sku-1", "kind": "shoe", "price": "250.0"},
    {"id": "sku-2", "kind": "shoe", "price": "80.0"},
    {"id": "sku-3", "kind": "hat", "price": "9.0"},
    {"id": "sku-4", "kind": "shoe", "price": "10.0", "availability": "out_of_stock"},
]
EVENTS = "/v1/default/projects/default/sources/web/track"
CHOOSE = "/v1/default/projects/default/optimization/choose-api"


def send(server: ServerProcess, key: str, method: str, path: str, body: Any) -> Any:
    """Over a connection of its own, so that any worker may answer."""
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=30)) as connection:
        headers = {"authorization": f"Bearer {key}", "content-type": "application/json"}
        connection.request(method, path, json.dumps(body), headers)
        response = connection.getresponse()
        answer = response.read()
    assert response.status < 300, answer
    return json.loads(answer) if answer else None


def track(server: ServerProcess, key: str, name: str, product_id: str, *profiles: str) -> None:
    payload = [
        {
            "eventId": f"{name}-{product_id}-{each}",
            "profileId": each,
            "data": {"productId": product_id},
        }
        for each in profiles
    ]
    send(server, key, "POST", EVENTS, {"track": [{"name": name, "payload": payload}]})


def bodies(server: ServerProcess, key: str, profile_id: str) -> list[Any]:
    """What several connections are served."""
    asked = {
        "identification": {"sourceId": "web", "profileId": profile_id},
        "names": ["front-page"],
        "device": "all",
    }
    answers = [send(server, key, "POST", CHOOSE, asked) for _ in range(6)]
    return [choice["body"] for answer in answers for choice in answer["choices"]]


def test_feeds__of_two_workers__serve_what_was_viewed_ordered_and_changed(
    tmp_path: Path, database_url: str | None
) -> None:
    data, folder = tmp_path / "data", tmp_path / "experiments"
    folder.mkdir()
    (folder / "shop.yaml").write_text(FILES)
    variables: Any = {"FAIRLOT_DATABASE_URL": database_url, "FAIRLOT_FEED_REFRESH_S": "1"}
    at = ("--data", str(data))
    fairlot("init", "--data-only", *at, **variables)
    fairlot("apply", str(folder), "--yes", *at, **variables)
    scopes = [word for each in ("decide", "ingest", "write") for word in ("--scope", each)]
    key: str = fairlot("keys", "create", *scopes, *at, **variables)["key"]
    (tmp_path / "catalog.json").write_text(json.dumps(PRODUCTS))
    fairlot("products", "import", str(tmp_path / "catalog.json"), *at, **variables)

    with serving(data, workers=2, **variables) as server:
        track(server, key, "Product viewed", "sku-1", "anna", "bert", "cleo")
        track(server, key, "Product viewed", "sku-3", "anna")
        track(server, key, "Product ordered", "sku-2", "dora")
        for _ in range(20):  # the same again
            track(server, key, "Product viewed", "sku-1", "anna")
        expected = {
            "label": "Popular",
            "products": [{"id": "sku-2", "price": "80.0"}, {"id": "sku-1", "price": "250.0"}],
            "seen": [{"id": "sku-3"}, {"id": "sku-1"}],
        }
        wait_for(lambda: bodies(server, key, "anna") == [expected] * 6, 30)
        one = f"/api/v1/orgs/default/projects/default/products/{quote('sku-2')}"
        sold_out = {"kind": "shoe", "price": "80.0", "availability": "out_of_stock"}
        send(server, key, "PUT", one, sold_out)
        expected["products"] = [{"id": "sku-1", "price": "250.0"}]
        wait_for(lambda: bodies(server, key, "anna") == [expected] * 6, 30)
