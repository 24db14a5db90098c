"""One log line a request, for who wants it: without the query string, which may hold a key, and
without the names of subjects and accounts in its path."""

import re
import time
from typing import Final

import structlog

from fairlot.http.asgi import Asgi, Message, Receive, Scope, Send

_NAMES: Final = re.compile(rb"(/projects/[^/]+/(?:profiles|accounts)/)[^/]+")
_log = structlog.get_logger(__name__)


class AccessLog:
    """Wraps an ASGI application."""

    def __init__(self, application: Asgi) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        status = 0
        began = time.perf_counter()

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        await self._application(scope, receive, send_noting_status)
        _log.info(
            "http.request",
            method=scope["method"],
            path=_NAMES.sub(rb"\1-", scope["raw_path"]).decode("latin-1"),
            status=status,
            ms=round((time.perf_counter() - began) * 1000, 2),
        )
