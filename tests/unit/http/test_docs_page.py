import base64
import re
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path

import pytest

from fairlot.http.docs_page import page_of
from fairlot.http.openapi import openapi_document
from fairlot.http.reference import AnswerLine, Reference, kind_of, reference_of
from fairlot.http.routes import ROUTES
from support.serving import Desk, a_desk, a_project, a_snapshot, an_experiment

ROUTES_PAGE = Path(__file__).parents[3] / "docs" / "reference" / "routes.md"


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.tags.append(tag)
        if found.get("id"):
            self.ids.append(str(found["id"]))
        if found.get("href"):
            self.links.append(str(found["href"]))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with a_desk(tmp_path, a_snapshot(a_project(an_experiment()))) as desk:
        yield desk


def test_docs__every_route__is_on_the_page(desk: Desk) -> None:
    page = Page(desk.client.get("/docs").body.decode())
    for route in ROUTES:
        assert f"{route.method} {route.path}" in page.texts
    assert len(page.ids) == len(set(page.ids))


def test_docs__every_link__leads_somewhere(desk: Desk) -> None:
    page = Page(desk.client.get("/docs").body.decode())
    inner = {link[1:] for link in page.links if link.startswith("#")}
    assert inner <= set(page.ids)
    assert "shape-ApiKey" in inner
    assert {link for link in page.links if not link.startswith("#")} == {"/openapi.json"}


def test_docs__needs_no_script_and_loads_nothing(desk: Desk) -> None:
    answer = desk.client.get("/docs")
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    text = answer.body.decode()
    assert not {"script", "link", "img", "iframe"} & set(Page(text).tags)
    (style,) = re.findall(r"<style>(.*?)</style>", text, re.DOTALL)
    digest = base64.b64encode(sha256(style.encode()).digest()).decode()
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert f"style-src 'sha256-{digest}'" in policy


def test_page__texts_with_markup__are_escaped() -> None:
    reference = reference_of(openapi_document(ROUTES))
    evil = "<script>alert('1')</script>\"&"
    (first, *_), shapes = reference.operations, reference.shapes
    planted = replace(
        first,
        path=evil,
        summary=evil,
        text=evil,
        body=evil,
        parameters=(),
        answers=(AnswerLine("200", evil, evil),),
    )
    text = page_of(Reference((planted,), (replace(shapes[0], text=evil, name=evil),)))
    assert "<script" not in text
    assert "".join(Page(text).texts).count("<script>alert") == 9


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({}, "anything"),
        ({"type": "string"}, "text"),
        ({"type": "string", "format": "date-time"}, "text (RFC 3339)"),
        ({"type": "string", "minLength": 1, "maxLength": 9}, "text (1 to 9 characters)"),
        ({"type": "string", "maxLength": 9}, "text (9 at most characters)"),
        ({"type": "integer", "minimum": 1, "maximum": 200}, "integer (1 to 200)"),
        ({"type": "integer", "minimum": 1}, "integer (1 or more)"),
        ({"anyOf": [{"type": "boolean"}, {"type": "null"}]}, "true or false or null"),
        ({"enum": ["a", "b"]}, '"a" or "b"'),
        ({"type": "boolean", "const": True}, "true"),
        ({"$ref": "#/components/schemas/ApiKey"}, "ApiKey"),
        (
            {"type": "array", "items": {"type": "string"}, "minItems": 1},
            "list of text (1 or more)",
        ),
    ],
)
def test_kind__of_a_schema__is_told_in_words(schema: dict[str, object], words: str) -> None:
    assert kind_of(schema) == words


def test_reference_page__every_route__is_in_it() -> None:
    headings = set(re.findall(r"^## (\S+ /\S*)$", ROUTES_PAGE.read_text("utf-8"), re.MULTILINE))
    assert headings == {f"{route.method} {route.path}" for route in ROUTES}
