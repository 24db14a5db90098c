"""A mountain hut: plain WSGI, with the server of the standard library."""

import os
from collections.abc import Iterable
from html import escape
from pathlib import Path
from string import Template
from wsgiref.simple_server import make_server
from wsgiref.types import StartResponse, WSGIEnvironment

from fairlot import Client, CookieStorage
from fairlot.integrations.wsgi import (
    FairlotMiddleware,
    get_or_create_subject_id,
    request_context,
)

PAGE = Template((Path(__file__).parent / "page.html").read_text("utf-8"))
WITHOUT_A_VARIANT = {"headline": "The hut", "text": "Open from June to October."}

client = Client(
    os.environ["EXPERIMENTS_URL"],
    api_key=os.environ["EXPERIMENTS_KEY"],
    storage=CookieStorage(secure=False),  # this page has no https
)


def hut(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    pages = {("GET", "/"): home, ("POST", "/bookings"): book, ("GET", "/someone-else"): forget}
    page = pages.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]), nothing)
    return page(environ, start_response)


def home(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    subject_id = get_or_create_subject_id(environ)
    shown = client.exposure("hut-page", subject_id, request_context(environ))
    page = PAGE.substitute(
        {name: escape(text) for name, text in (shown.payload or WITHOUT_A_VARIANT).items()},
        variant=escape(shown.variant_key or "none"),
        reason=escape(shown.reason),
        subject_id=escape(subject_id),
        thanks="Your bed is kept." if environ["QUERY_STRING"] == "booked" else "",
    )
    start_response("200 OK", [("Content-Type", "text/html; charset=utf-8")])
    return [page.encode()]


def book(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    subject_id = get_or_create_subject_id(environ)
    client.track("booked", subject_id, context=request_context(environ))
    start_response("303 See Other", [("Location", "/?booked")])
    return []


def forget(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """Forgets the visitor, to see what another one gets."""
    cookies = [("Set-Cookie", f"{name}=; Path=/; Max-Age=0") for name in ("fx_sid", "fx.hut-page")]
    start_response("303 See Other", [("Location", "/"), *cookies])
    return []


def nothing(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    start_response("404 Not Found", [("Content-Type", "text/plain")])
    return [b"No such page."]


application = FairlotMiddleware(hut, client)

if __name__ == "__main__":
    with make_server("127.0.0.1", int(os.environ["PORT"]), application) as server:
        server.serve_forever()
