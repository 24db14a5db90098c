"""`fairlot products` and `fairlot feeds`, on both databases."""

from pathlib import Path

import pytest

from support.commands import Run

TEXTS = (b'{"id": "a", "title": "First", "price": "250.0"}', b'{"id": 2, "rate": 1.0}')
FORMS = {
    "list": b"[" + b", ".join(TEXTS) + b"]",
    "lines": b"\xef\xbb\xbf" + b"\r\n\n".join(TEXTS) + b"\n",
    "hosted": b'{"products": ['
    + b", ".join(b'{"product": ' + each + b"}" for each in TEXTS)
    + b"]}",
}


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "catalog.json"
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("form", FORMS)
def test_products__imported_in_every_form__are_listed_and_served(
    shop: Run, tmp_path: Path, form: str
) -> None:
    file = written(tmp_path, FORMS[form])
    assert shop("products", "import", file).out == "2 products: 2 new, 0 changed.\n"
    again = shop("products", "import", file, "--json").json
    assert again == {"products": 2, "added": 0, "changed": 0}
    assert shop("products", "list", "--json").json["products"] == [
        {"id": 2, "rate": 1.0},
        {"id": "a", "title": "First", "price": "250.0"},
    ]
    listed = shop("products", "list").out
    assert "First" in listed
    listed = shop("feeds", "list").out
    assert listed.startswith("2 products, refreshed 20")
    assert "recently_viewed" in listed
    shown = shop("feeds", "products", "newest", "--limit", 1, "--json").json
    # those that came together are in the order of their ids, the last of them first
    assert shown == {"products": [{"id": "a", "title": "First", "price": "250.0"}]}


def test_products__deleted__are_gone_from_feeds(shop: Run, tmp_path: Path) -> None:
    shop("products", "import", written(tmp_path, FORMS["list"]))
    assert shop("products", "delete", "a").out == "a is deleted.\n"
    assert shop("products", "delete", "2", "--json").json == {"deleted": "2"}
    assert "First" not in shop("feeds", "products", "newest").out
    ran = shop("products", "delete", "a", "--json")
    assert (ran.code, ran.json["error"]["code"]) == (1, "unknown_product")


def test_products__that_are_none__are_told_and_nothing_is_imported(
    shop: Run, tmp_path: Path
) -> None:
    ran = shop("products", "import", written(tmp_path, TEXTS[0] + b"\n" + b'{"title": "T"}'))
    assert ran.code == 1
    assert "products[1]: id: missing; a product needs one" in ran.err
    ran = shop("products", "import", written(tmp_path, b"[1, 2"))
    assert "products[0]: is no JSON object" in ran.err
    assert shop("products", "list", "--json").json == {"products": []}


def test_products__more_than_fit_into_a_request__are_imported_in_several(
    shop: Run, tmp_path: Path
) -> None:
    big = b"".join(b'{"id": %d, "text": "%s"}\n' % (number, b"x" * 60_000) for number in range(80))
    assert shop("products", "import", written(tmp_path, big)).out.startswith("80 products: 80 new")
    many = b"".join(b'{"id": "p%d"}\n' % number for number in range(1201))
    ran = shop("products", "import", written(tmp_path, many))
    assert ran.out == "1,201 products: 1,201 new, 0 changed.\n"


def test_feeds__before_a_refresh_and_of_a_document__are_shown(shop: Run, tmp_path: Path) -> None:
    assert "0 products, not refreshed yet" in shop("feeds", "list").out
    assert shop("feeds", "refresh", "--json").json["products"] == 0
    folder = tmp_path / "feeds"
    folder.mkdir()
    (folder / "hats.yaml").write_text(
        "kind: feed\nkey: hats\nalgorithm: most_popular\nhalfLife: 14d\nlimit: 3\n"
    )
    planned = shop("plan", folder).out
    assert "feed hats" in planned
    assert "14d" in planned
    assert shop("apply", folder, "--yes").code == 0
    assert "halfLife: 14d" in shop("feeds", "show", "hats").out
    assert "hats" in shop("feeds", "list").out
