"""Answers that were given under an Idempotency-Key, as rows."""

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select

from fairlot.store.tables import idempotent_replies


@dataclass(frozen=True, slots=True)
class ReplyRow:
    """`sealed` holds headers and body; `request_sha256` tells one request from another."""

    organization_id: str
    actor: str
    key: str
    request_sha256: bytes
    status: int
    sealed: bytes
    created_at_ms: int


def add_reply(connection: Connection, row: ReplyRow) -> None:
    connection.execute(
        idempotent_replies.insert().values(
            organization_id=row.organization_id,
            actor=row.actor,
            key=row.key,
            request_sha256=row.request_sha256,
            status=row.status,
            sealed=row.sealed,
            created_at_ms=row.created_at_ms,
        )
    )


def find_reply(
    connection: Connection, organization_id: str, actor: str, key: str
) -> ReplyRow | None:
    row = connection.execute(
        select(idempotent_replies).where(
            idempotent_replies.c.organization_id == organization_id,
            idempotent_replies.c.actor == actor,
            idempotent_replies.c.key == key,
        )
    ).one_or_none()
    return None if row is None else ReplyRow(*row)


def forget_replies(connection: Connection, before_ms: int) -> None:
    """Of all organizations."""
    connection.execute(
        delete(idempotent_replies).where(idempotent_replies.c.created_at_ms < before_ms)
    )
