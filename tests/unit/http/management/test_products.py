"""Products and feeds over HTTP, on both databases."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from support.control import ControlBench, control_bench

PROJECT = "/api/v1/orgs/default/projects/default"
PRODUCTS = f"{PROJECT}/products"


@pytest.fixture
def bench(tmp_path: Path, database_url: str | None) -> Iterator[ControlBench]:
    with control_bench(tmp_path, database_url) as made:
        yield made


def put_all(bench: ControlBench, *products: Any) -> dict[str, Any]:
    answer = bench.post(PRODUCTS, {"products": products})
    assert answer.status == 200, answer.body
    found: dict[str, Any] = answer.json
    return found


def test_products__put_many__says_what_is_new_and_what_changed(bench: ControlBench) -> None:
    assert put_all(bench, {"id": "a"}, {"product": {"id": "b"}}) == {"added": 2, "changed": 0}
    assert put_all(bench, {"id": "a", "x": 1}, {"id": "b"}) == {"added": 0, "changed": 1}
    page = bench.get(f"{PRODUCTS}?limit=1").json
    assert [each["product"] for each in page["items"]] == [{"id": "a", "x": 1}]
    page = bench.get(f"{PRODUCTS}?limit=1&cursor={page['next']}").json
    assert ([each["id"] for each in page["items"]], page["next"]) == (["b"], None)
    actions = [each["action"] for each in bench.get("/api/v1/orgs/default/audit").json["items"]]
    assert actions.count("products.put") == 2


def test_product__put_shown_and_deleted__keeps_its_text(bench: ControlBench) -> None:
    path = f"{PRODUCTS}/{quote('sku/1 ä', safe='')}"
    made = bench.call("PUT", path, b'{"price": "250.0", "rate": 1.0}')
    assert made.status == 201
    assert '"product":{"id":"sku/1 ä","price": "250.0", "rate": 1.0}' in made.body.decode()
    assert bench.call("PUT", path, b'{"id": "sku/1 \\u00e4", "rate": 1.50}').status == 200
    assert '"product":{"id": "sku/1 \\u00e4", "rate": 1.50}' in bench.get(path).body.decode()
    assert bench.call("DELETE", path).status == 204
    for method in ("GET", "DELETE"):
        gone = bench.call(method, path)
        assert (gone.status, gone.json["code"]) == (404, "unknown_product")
        assert gone.json["detail"] == "sku/1 ä: no such product in this project"
    assert bench.get(PRODUCTS).json["items"] == []
    assert bench.call("PUT", path, b"{}").status == 201


def nested(levels: int) -> bytes:
    return b'{"id": "a", "in": ' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


@pytest.mark.parametrize("written", [nested(32), b'{"product": ' + nested(32) + b"}"])
def test_product__as_deep_as_may_be__is_taken(bench: ControlBench, written: bytes) -> None:
    wide = b'{"id": "wide", "all": [' + b",".join([b"[]"] * 99) + b"]}"
    answer = bench.post(PRODUCTS, b'{"products": [' + written + b"," + wide + b"]}")
    assert (answer.status, answer.json) == (200, {"added": 2, "changed": 0})


@pytest.mark.parametrize(
    ("product", "problem"),
    [
        (b'{"title": "T"}', "products[0]: id: missing; a product needs one"),
        (b'{"id": ""}', "products[0]: id: use a text of 1 to 400 characters, or a whole number"),
        (b'{"id": 1.5}', "products[0]: id: use a text of 1 to 400 characters, or a whole number"),
        (b'{"id": "\\u0000"}', "products[0]: id: use a text of 1 to 400 characters"),
        (b'["a"]', "products[0]: is no JSON object"),
        (b'{"id": "a", "big": "' + b"x" * 66_000 + b'"}', "products[0]: 66,022 bytes; use at most"),
        (
            b'{"id": "a"' + b"".join(b', "f%d": 1' % each for each in range(200)) + b"}",
            "products[0]: 201 fields; use at most 200",
        ),
        (nested(33), "products[0]: nested deeper than 32 levels; flatten it"),
        (nested(986), "products[0]: nested deeper than 32 levels; flatten it"),
    ],
)
def test_product__that_is_none__is_refused(
    bench: ControlBench, product: bytes, problem: str
) -> None:
    answer = bench.post(PRODUCTS, b'{"products": [' + product + b"]}")
    assert (answer.status, answer.json["code"]) == (400, "invalid_product")
    assert answer.json["detail"].startswith(problem)


def test_product__of_another_id_than_its_path__is_refused(bench: ControlBench) -> None:
    answer = bench.call("PUT", f"{PRODUCTS}/a", b'{"id": "b"}')
    assert (answer.status, answer.json["detail"]) == (
        400,
        "products[0]: id: 'b' is not 'a', which the path names",
    )
    assert bench.post(PRODUCTS, {"products": [{"id": "a"}] * 1001}).status == 400


def test_feeds__defined_and_refreshed__are_served(bench: ControlBench) -> None:
    assert bench.get(f"{PROJECT}/catalog").json == {
        "products": 0,
        "refreshedAt": None,
        "refreshTookMs": None,
        "feeds": [
            {"key": key, "algorithm": key, "isBuiltIn": True, "products": 0}
            for key in ("most_popular", "newest", "recently_viewed")
        ],
    }
    put_all(bench, {"id": "a", "kind": "shoe"}, {"id": "b", "kind": "hat"})
    text = b"kind: feed\nkey: hats\nalgorithm: newest\nonly: {kind: hat}\nfields: [kind]\n"
    assert bench.call("PUT", f"{PROJECT}/feeds/hats", text).status == 201
    catalog = bench.post(f"{PROJECT}/catalog/refresh").json
    assert catalog["products"] == 2
    assert catalog["refreshedAt"] is not None
    counts = {each["key"]: (each["products"], each["isBuiltIn"]) for each in catalog["feeds"]}
    assert counts["hats"] == (1, False)
    assert counts["newest"] == (2, True)
    served = bench.get(f"{PROJECT}/feeds/hats/products")
    assert served.json == {"products": [{"kind": "hat"}]}
    served = bench.get(f"{PROJECT}/feeds/newest/products?fields=id&limit=1&offset=1&productId=a")
    assert served.json == {"products": []}
    served = bench.get(f"{PROJECT}/feeds/recently_viewed/products?subject=nobody")
    assert served.json == {"products": []}
    unknown = bench.get(f"{PROJECT}/feeds/nope/products")
    assert (unknown.status, unknown.json["code"]) == (404, "unknown_feed")


def test_feeds__of_a_deleted_document__go_and_built_in_ones_come_back(bench: ControlBench) -> None:
    path = f"{PROJECT}/feeds/newest"
    text = b"kind: feed\nkey: newest\nalgorithm: newest\nlimit: 1\n"
    put_all(bench, {"id": "a"}, {"id": "b"})
    bench.call("PUT", path, text)
    bench.post(f"{PROJECT}/catalog/refresh")
    assert len(bench.get(f"{path}/products").json["products"]) == 1
    assert bench.call("DELETE", path, If_Match="*").status == 204
    assert len(bench.get(f"{path}/products").json["products"]) == 2


def test_feed__that_a_body_or_a_feed_names__is_not_deleted(bench: ControlBench) -> None:
    text = b"kind: feed\nkey: hats\nalgorithm: newest\n"
    assert bench.call("PUT", f"{PROJECT}/feeds/hats", text).status == 201
    text = b"kind: feed\nkey: more\nalgorithm: newest\nfillUp: [hats]\n"
    assert bench.call("PUT", f"{PROJECT}/feeds/more", text).status == 201
    refused = bench.call("DELETE", f"{PROJECT}/feeds/hats", If_Match="*")
    assert refused.status == 422
    assert "feed:more" in refused.body.decode()
    text = (
        b"key: e\nname: E\nvariants:\n  - {key: control, name: C, payload: {top: {$feed: more}}}\n"
        b"  - {key: b, name: B}\n"
    )
    assert bench.call("PUT", f"{PROJECT}/experiments/e", text).status == 201
    refused = bench.call("DELETE", f"{PROJECT}/feeds/more", If_Match="*")
    assert refused.status == 422
    assert "variants.control.payload" in refused.body.decode()
