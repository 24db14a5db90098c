"""A WSGI site as gunicorn runs it with --preload: one client, made and used before the fork.

`/?<subject>` shows the subject a variant and answers which process did it and how many events wait
there. What the server acknowledged is noted in a file for each process.
"""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec

from fairlot import Client
from fairlot.events.sent import SentBatch
from fairlot.sdk.transport import HttpRequest, HttpResponse, UrllibTransport

EXPERIMENT = os.environ["SITE_EXPERIMENT"]


class NotingTransport:
    """Notes the ids of each batch that was answered 200, before anybody learns of the answer.

    The first answer to each process is lost on its way, so that its batch comes twice.
    """

    def __init__(self, notes: Path) -> None:
        self._send = UrllibTransport()
        self._notes = notes
        self._pid_of_loss: int | None = None

    def __call__(self, request: HttpRequest, /) -> HttpResponse:
        response = self._send(request)
        if request.method != "POST":
            return response
        if self._pid_of_loss != os.getpid():
            self._pid_of_loss = os.getpid()
            raise ConnectionResetError("the answer is lost on purpose")
        assert response.status == 200, response.body
        assert request.body is not None
        batch = msgspec.json.decode(request.body, type=SentBatch)
        note = {
            "sender": batch.sender_id,
            "subjects": [event.subject_id for event in batch.events],
            "ids": [event.event_id for event in batch.events],
        }
        file = os.open(
            self._notes / f"{os.getpid()}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600
        )
        try:
            os.write(file, json.dumps(note).encode() + b"\n")
        finally:
            os.close(file)
        return response


client = Client(
    os.environ["SITE_MANIFEST_URL"],
    api_key=os.environ["SITE_API_KEY"],
    transport=NotingTransport(Path(os.environ["SITE_NOTES"])),
)
client.init()
client.exposure(EXPERIMENT, os.environ["SITE_SUBJECT_BEFORE_THE_FORK"])


def application(
    environ: dict[str, Any], start_response: Callable[[str, list[tuple[str, str]]], object]
) -> Iterable[bytes]:
    result = client.exposure(EXPERIMENT, environ["QUERY_STRING"])
    told = {
        "pid": os.getpid(),
        "variant": result.variant_key,
        "queued": client.stats().queued,
    }
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(told).encode()]
