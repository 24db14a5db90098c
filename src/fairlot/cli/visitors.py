"""Simulated visitors of the demo shop, asking a running server over HTTP.

Visitor n is the same in every run, so a demo that passes once passes always.
"""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from threading import Event
from typing import Any

from fairlot.cli.errors import CommandFailed

CONNECTIONS = 8
TIMEOUT_S = 30
SHOP = "https://shop.example"


@dataclass(frozen=True, slots=True)
class Question:
    """One request of one visitor; `eligible` is whether the audience should let it in."""

    experiment_key: str
    visitor_id: str
    eligible: bool
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    question: Question
    variant_key: str | None


def questions_of(number: int) -> tuple[Question, ...]:
    """What visitor `number` asks: one question for each experiment of the shop."""
    visitor_id = f"visitor-{number:06}"
    campaign = "autumn" if number % 3 else "spring"
    page = "/help" if number % 5 == 0 else "/cart" if number % 2 else "/checkout/address"
    tier = ("basic", "gold", "platinum")[number % 3]
    country = "CH" if number % 10 == 0 else "DE"
    return (
        Question(
            "checkout-button",
            visitor_id,
            campaign == "autumn" and page != "/help",
            {"url": f"{SHOP}{page}?campaign={campaign}"},
        ),
        Question("free-delivery", visitor_id, True),
        Question(
            "loyalty-price",
            visitor_id,
            tier != "basic" and country != "CH",
            {"attributes": {"tier": tier, "country": country}},
        ),
        Question("search-ranking", visitor_id, True),
    )


def ask_everything(
    host: str, port: int, token: str, subjects: int, advance: Callable[[int], None]
) -> list[Answer]:
    """All questions of visitors 0 to `subjects` - 1, over a few connections that are kept open."""
    stopped = Event()

    def ask_share(first: int) -> list[Answer]:
        connection = HTTPConnection(host, port, timeout=TIMEOUT_S)
        answers = []
        try:
            for number in range(first, subjects, CONNECTIONS):
                if stopped.is_set():
                    break
                answers += [_ask(connection, token, each) for each in questions_of(number)]
                advance(1)
        finally:
            connection.close()
        return answers

    with ThreadPoolExecutor(CONNECTIONS) as pool:
        try:
            shares = list(pool.map(ask_share, range(CONNECTIONS)))
        finally:
            stopped.set()
    return [answer for share in shares for answer in share]


def request_body(token: str, question: Question) -> dict[str, Any]:
    body: dict[str, Any] = {"token": token, "visitor_id": question.visitor_id}
    if question.context:
        body["context"] = question.context
    return body


def _ask(connection: HTTPConnection, token: str, question: Question) -> Answer:
    path = f"/api/v1/experiments/assignments/{question.experiment_key}"
    try:
        connection.request(
            "POST",
            path,
            json.dumps(request_body(token, question)),
            {"Content-Type": "application/json"},
        )
        response = connection.getresponse()
        payload = response.read()
    except (OSError, HTTPException) as error:
        raise CommandFailed(
            f"{path}: the server did not answer ({error!r}); if it failed, its log is above"
        ) from error
    if response.status != 200:
        raise CommandFailed(f"{path}: status {response.status}: {payload.decode(errors='replace')}")
    return Answer(question, json.loads(payload).get("variant_key"))
