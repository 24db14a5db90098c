"""A bookshop whose front page is an experiment."""

import os
from html import escape
from pathlib import Path
from string import Template

from fastapi import FastAPI
from fastapi.responses import HTMLResponse, RedirectResponse

from fairlot import Client, CookieStorage
from fairlot.integrations.fastapi import Context, FairlotMiddleware, SubjectId

PAGE = Template((Path(__file__).parent / "page.html").read_text("utf-8"))
WITHOUT_A_VARIANT = {"headline": "Books", "text": "Come in.", "button": "See the shelves"}

client = Client(
    os.environ["EXPERIMENTS_URL"],
    api_key=os.environ["EXPERIMENTS_KEY"],
    storage=CookieStorage(secure=False),  # this page has no https
)
app = FastAPI()
app.add_middleware(FairlotMiddleware, client=client)


@app.get("/", response_class=HTMLResponse)
def home(context: Context, subject_id: SubjectId, ordered: bool = False) -> str:
    front = client.exposure("front-page", subject_id, context)
    shown = front.payload or WITHOUT_A_VARIANT
    return PAGE.substitute(
        {name: escape(text) for name, text in shown.items()},
        variant=escape(front.variant_key or "none"),
        reason=escape(front.reason),
        subject_id=escape(subject_id),
        thanks="Thank you, your book is on its way." if ordered else "",
    )


@app.post("/orders")
def order(context: Context, subject_id: SubjectId) -> RedirectResponse:
    client.track("order", subject_id, value=18.5, context=context)
    return RedirectResponse("/?ordered=true", 303)


@app.get("/someone-else")
def someone_else() -> RedirectResponse:
    """Forgets the visitor, to see what another one gets."""
    response = RedirectResponse("/", 303)
    response.delete_cookie("fx_sid")
    response.delete_cookie("fx.front-page")
    return response
