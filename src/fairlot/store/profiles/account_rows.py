"""Accounts, as rows."""

from collections.abc import Mapping
from typing import Final

import msgspec
from sqlalchemy import Connection, select

from fairlot.profiles import Account
from fairlot.store.profiles.tables import accounts

_encode: Final = msgspec.json.Encoder(enc_hook=dict).encode
_account_of: Final = msgspec.json.Decoder(Account).decode


def read_account(connection: Connection, project_id: str, digest: bytes) -> Account | None:
    body = connection.execute(
        select(accounts.c.body).where(
            accounts.c.project_id == project_id, accounts.c.digest == digest
        )
    ).scalar_one_or_none()
    return None if body is None else _account_of(body)


def write_accounts(
    connection: Connection, changed: Mapping[tuple[str, bytes], Account], change_no: int
) -> None:
    """By project id and digest; each is added or replaced."""
    for (project_id, digest), account in changed.items():
        body = _encode(account)
        where = (accounts.c.project_id == project_id, accounts.c.digest == digest)
        found = connection.execute(
            accounts.update().where(*where).values(body=body, change_no=change_no)
        )
        if found.rowcount == 0:
            connection.execute(
                accounts.insert().values(
                    project_id=project_id, digest=digest, body=body, change_no=change_no
                )
            )
