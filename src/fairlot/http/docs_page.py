"""GET /docs: all routes on one page, made from the OpenAPI document. It needs no script, and loads
nothing from anywhere."""

import base64
import re
from collections.abc import Iterable
from functools import cache
from hashlib import sha256
from html import escape
from typing import Final

from fairlot.http.asgi import Handler, Receive, Reply, Scope
from fairlot.http.openapi import openapi_document
from fairlot.http.reference import Field, Operation, Reference, Shape, reference_of
from fairlot.http.registry import Route

_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 60rem; padding: 1rem; }
code, h3 { font-family: ui-monospace, monospace; }
h3 { font-size: 1rem; margin: 2.5rem 0 0.25rem; overflow-wrap: anywhere; }
table { border-collapse: collapse; margin: 0.5rem 0; width: 100%; }
th, td { border-bottom: 1px solid #8885; padding: 0.25rem 0.5rem 0.25rem 0; text-align: left;
  vertical-align: top; overflow-wrap: anywhere; }
nav { columns: 2 22rem; }
nav a { display: block; overflow-wrap: anywhere; break-inside: avoid;
   font-family: ui-monospace, monospace; font-size: 0.85rem; }
"""
_STYLE_HASH: Final = base64.b64encode(sha256(_STYLE.encode()).digest()).decode()
_HEADERS: Final = (
    (b"content-type", b"text/html; charset=utf-8"),
    (b"cache-control", b"public, max-age=300"),
    (
        b"content-security-policy",
        f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none';"
        " form-action 'none'; frame-ancestors 'none'".encode(),
    ),
    (b"x-content-type-options", b"nosniff"),
)
_WORD: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.]*")


def docs_handler(routes: Iterable[Route]) -> Handler:
    """Serves the page of `routes`, made once, when it is first asked for."""

    @cache
    def reply() -> Reply:
        return Reply(200, page_of(reference_of(openapi_document(routes))).encode(), _HEADERS)

    async def answer(_scope: Scope, _receive: Receive) -> Reply:
        return reply()

    return answer


def page_of(reference: Reference) -> str:
    """A whole HTML document."""
    names = frozenset(shape.name for shape in reference.shapes)
    return "".join(
        [
            "<!doctype html><html lang=en><meta charset=utf-8>",
            "<meta name=viewport content='width=device-width, initial-scale=1'>",
            f"<title>Fairlot HTTP API</title><style>{_STYLE}</style>",
            "<h1>Fairlot HTTP API</h1>",
            "<p>For programs: <a href=/openapi.json>openapi.json</a>.</p>",
            "<h2>Routes</h2><nav>",
            *(_entry(operation) for operation in reference.operations),
            "</nav>",
            *(_section(operation, names) for operation in reference.operations),
            "<h2>Shapes</h2>",
            *(_shape(shape, names) for shape in reference.shapes),
            "</html>",
        ]
    )


def _entry(operation: Operation) -> str:
    title = escape(f"{operation.method} {operation.path}")
    return f'<a href="#{_anchor(operation)}">{title}</a>'


def _section(operation: Operation, names: frozenset[str]) -> str:
    parts = [
        f'<section id="{_anchor(operation)}">',
        f"<h3>{escape(operation.method)} {escape(operation.path)}</h3>",
        f"<p>{escape(operation.summary)}. {_coded(operation.text)}</p>",
    ]
    if operation.parameters:
        parts.append(_table(operation.parameters, names))
    if operation.body:
        parts.append(f"<p>Body: {_linked(operation.body, names)}</p>")
    rows = [
        f"<tr><td>{escape(answer.status)}<td>{_coded(answer.text)}<td>{_linked(answer.kind, names)}"
        for answer in operation.answers
    ]
    return "".join([*parts, "<table><tr><th>status<th>means<th>body", *rows, "</table></section>"])


def _shape(shape: Shape, names: frozenset[str]) -> str:
    head = f'<section id="shape-{escape(shape.name)}"><h3>{escape(shape.name)}</h3>'
    text = f"<p>{_coded(shape.text)} {_linked(shape.kind, names)}</p>"
    table = _table(shape.fields, names) if shape.fields else ""
    return f"{head}{text}{table}</section>"


def _table(fields: Iterable[Field], names: frozenset[str]) -> str:
    rows = [
        f"<tr><td><code>{escape(field.name)}</code>{'' if field.is_required else ' (optional)'}"
        f"<td>{_linked(field.kind, names)}<td>{_coded(field.text)}"
        for field in fields
    ]
    return "".join(["<table><tr><th>name<th>type<th>means", *rows, "</table>"])


def _anchor(operation: Operation) -> str:
    return escape(f"{operation.method.lower()}-{operation.path.strip('/')}", quote=True)


def _linked(kind: str, names: frozenset[str]) -> str:
    """Names of shapes lead to them."""
    escaped = escape(kind, quote=False)
    return _WORD.sub(
        lambda word: f'<a href="#shape-{word[0]}">{word[0]}</a>' if word[0] in names else word[0],
        escaped,
    )


def _coded(text: str) -> str:
    """What stands in backticks is code."""
    parts = escape(text).split("`")
    return "".join(
        f"<code>{part}</code>" if number % 2 else part for number, part in enumerate(parts)
    )
