"""`Idempotency-Key`: a change that is asked for twice under one key is made once.

The answer is kept in the transaction of the change, sealed, because answers may hold secrets that
are shown once. Refusals are not kept: the request may be sent again.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from sqlalchemy import Connection

from fairlot.http.asgi import Reply, Scope, header
from fairlot.http.management.call import Call
from fairlot.http.problems import Problem, ProblemCode, Refused
from fairlot.store.replies import ReplyRow, add_reply, find_reply, forget_replies
from fairlot.store.vault import vault_of

KEPT_MS: Final = 24 * 3_600_000
_KEY: Final = re.compile(rb"[!-~]{1,128}")
_REPLAYED: Final = (b"idempotency-replayed", b"true")
# They say what a request means, beside its path and its body.
_MEANING: Final = (b"if-match", b"if-none-match")


@dataclass(frozen=True, slots=True)
class IdempotentRequest:
    key: str
    sha256: bytes


class _Kept(msgspec.Struct, frozen=True):
    headers: list[tuple[bytes, bytes]]
    body: bytes


def read_idempotency_key(scope: Scope, body: bytes) -> IdempotentRequest | None:
    """None without the header. Refused (400) for a key that cannot be one."""
    key = header(scope, b"idempotency-key")
    if key is None:
        return None
    if _KEY.fullmatch(key) is None:
        detail = "Idempotency-Key: is malformed; send 1 to 128 visible ASCII characters"
        raise Refused(Problem(400, ProblemCode.BAD_REQUEST, detail))
    return IdempotentRequest(key.decode(), _digest(scope, body))


def answered_once(
    call: Call[Any], request: IdempotentRequest | None, answer: Callable[[], Reply]
) -> Reply:
    """What `answer` gives, or what it gave before. Refused (422) when the key was used for another
    request."""
    if request is None:
        return answer()
    connection = call.connection
    forget_replies(connection, call.now_ms - KEPT_MS)
    kept = find_reply(connection, call.organization.id, call.actor.name, request.key)
    if kept is not None:
        if kept.request_sha256 != request.sha256:
            raise Refused(
                Problem(
                    422,
                    ProblemCode.IDEMPOTENCY_KEY_REUSED,
                    "Idempotency-Key: was used for another request within the last 24 hours;"
                    " make a new one for each change",
                )
            )
        return _replay(connection, kept)
    reply = answer()
    add_reply(connection, _row_of(call, request, reply))
    return reply


def _row_of(call: Call[Any], request: IdempotentRequest, reply: Reply) -> ReplyRow:
    content = msgspec.msgpack.encode(_Kept(_own_headers(reply), reply.body["body"]))
    name = _seal_name(call.organization.id, call.actor.name, request.key)
    return ReplyRow(
        organization_id=call.organization.id,
        actor=call.actor.name,
        key=request.key,
        request_sha256=request.sha256,
        status=reply.status,
        sealed=vault_of(call.connection).seal(name, content),
        created_at_ms=call.now_ms,
    )


def _replay(connection: Connection, row: ReplyRow) -> Reply:
    name = _seal_name(row.organization_id, row.actor, row.key)
    opened = vault_of(connection).unseal(name, row.sealed)
    kept = msgspec.msgpack.decode(opened, type=_Kept)
    return Reply(row.status, kept.body, (*kept.headers, _REPLAYED))


def _own_headers(reply: Reply) -> list[tuple[bytes, bytes]]:
    headers: list[tuple[bytes, bytes]] = reply.start["headers"]
    return [(name, value) for name, value in headers if name != b"content-length"]


def _digest(scope: Scope, body: bytes) -> bytes:
    query = parse_qsl(scope["query_string"].decode("latin-1"))
    meaning: list[Any] = [
        scope["method"],
        scope["raw_path"],
        [pair for pair in query if pair[0] != "apiKey"],
        [header(scope, name) for name in _MEANING],
        body,
    ]
    return sha256(msgspec.msgpack.encode(meaning)).digest()


def _seal_name(organization_id: str, actor: str, key: str) -> str:
    return f"idempotent-reply:{organization_id}:{actor}:{key}"
