"""A coffee subscription with three offers."""

import os

from flask import Flask, redirect, render_template, request
from werkzeug.wrappers import Response

from fairlot import Client, CookieStorage
from fairlot.integrations.flask import Fairlot, get_or_create_subject_id, request_context

client = Client(
    os.environ["EXPERIMENTS_URL"],
    api_key=os.environ["EXPERIMENTS_KEY"],
    storage=CookieStorage(secure=False),  # this page has no https
)
app = Flask(__name__)
Fairlot(app, client)


@app.get("/")
def home() -> str:
    subject_id = get_or_create_subject_id()
    offer = client.exposure("subscription", subject_id, request_context())
    return render_template(
        "home.html", offer=offer, subject_id=subject_id, ordered="ordered" in request.args
    )


@app.post("/orders")
def order() -> Response:
    context, subject_id = request_context(), get_or_create_subject_id()
    offer = client.treatment("subscription", subject_id, context)
    price = offer.payload["price"] if offer.payload else 14.0
    client.track("subscribed", subject_id, value=price, context=context)
    return redirect("/?ordered=1", 303)


@app.get("/someone-else")
def someone_else() -> Response:
    """Forgets the visitor, to see what another one gets."""
    response = redirect("/", 303)
    response.delete_cookie("fx_sid")
    response.delete_cookie("fx.subscription")
    return response
