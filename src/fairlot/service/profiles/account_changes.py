"""The accounts that one transaction changes."""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import Connection

from fairlot.profiles import Account, subject_identifier
from fairlot.profiles.attributes import fitting_attributes
from fairlot.service.profiles.errors import ChangeRefused
from fairlot.service.profiles.limits import attributes_problem, content_refused
from fairlot.service.profiles.work import Work
from fairlot.store.profiles.account_rows import read_account, write_accounts

AccountName = tuple[str, bytes]
"""Project id and digest."""


def account_digest(account_id: str) -> bytes:
    return subject_identifier(account_id).digest()


class AccountChanges:
    """Each account is read once."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._known: dict[AccountName, Account | None] = {}
        self._changed: dict[AccountName, Account] = {}

    @property
    def changed(self) -> Mapping[AccountName, Account]:
        return self._changed

    def apply(self, work: Work) -> None:
        """What is older than the latest change says nothing against it, and what finds no room is
        left out. Raises ChangeRefused."""
        if work.account_id is None:
            return
        name = (work.project_id, account_digest(work.account_id))
        known = self._find(name)
        if known is not None and not work.account_attributes and not work.replaces_account:
            return
        account = known or Account(
            project_id=work.project_id, account_id=work.account_id, created_at_ms=work.at_ms
        )
        attributes = _attributes(account, work)
        self._known[name] = self._changed[name] = msgspec.structs.replace(
            account,
            attributes=attributes,
            created_at_ms=min(work.at_ms, account.created_at_ms),
            updated_at_ms=max(work.at_ms, account.updated_at_ms),
        )

    def attributes(self, project_id: str, account_id: str | None) -> Mapping[str, Any]:
        """As they are now; none of no account, and of one that is not known."""
        known = None if account_id is None else self._find((project_id, account_digest(account_id)))
        return {} if known is None else known.attributes

    def write(self, change_no: int) -> None:
        write_accounts(self._connection, self._changed, change_no)

    def _find(self, name: AccountName) -> Account | None:
        if name not in self._known:
            self._known[name] = read_account(self._connection, *name)
        return self._known[name]


def _attributes(account: Account, work: Work) -> Mapping[str, Any]:
    """What they are after it. Raises ChangeRefused."""
    given = work.account_attributes
    problem = attributes_problem(given) if work.replaces_account else content_refused(given)
    if problem is not None:
        raise ChangeRefused("account_attributes", problem)
    if work.replaces_account:
        return {**given}
    is_late = work.at_ms < account.updated_at_ms
    known = account.attributes
    return fitting_attributes(known, {**given, **known} if is_late else {**known, **given})
