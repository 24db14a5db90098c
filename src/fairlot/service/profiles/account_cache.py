"""The attributes of accounts that were used lately, for one process. Safe from any thread."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from fairlot.profiles import Account
from fairlot.profiles.attributes import attributes_size
from fairlot.service.profiles.account_changes import AccountName

ACCOUNTS_KEPT: Final = 50_000
BYTES_KEPT: Final = 32 << 20


class _Entry(NamedTuple):
    attributes: Mapping[str, Any]
    change_no: int
    size: int


class AccountCache:
    """As `ProfileCache`. An account that is not known has no attributes."""

    def __init__(self, followed: int, kept: int = ACCOUNTS_KEPT) -> None:
        self._kept = kept
        self._lock = threading.Lock()
        self._entries: OrderedDict[AccountName, _Entry] = OrderedDict()
        self._followed = followed
        self._written: dict[AccountName, int] = {}
        self._bytes = 0

    def find(self, name: AccountName) -> Mapping[str, Any] | None:
        with self._lock:
            entry = self._entries.get(name)
            if entry is None:
                return None
            self._entries.move_to_end(name)
            return entry.attributes

    def put_read(self, name: AccountName, attributes: Mapping[str, Any], as_of: int) -> None:
        with self._lock:
            if as_of >= max(self._followed, self._written.get(name, 0)):
                self._replace(name, attributes, as_of)

    def put_written(self, changed: Mapping[AccountName, Account], change_no: int) -> None:
        """What a commit of this process has changed."""
        with self._lock:
            for name, account in changed.items():
                self._written[name] = change_no
                self._drop(name)
                if change_no >= self._followed:
                    self._replace(name, account.attributes, change_no)

    def follow(self, changed: Mapping[AccountName, int], up_to: int) -> None:
        """Drop what was changed after it was put in."""
        with self._lock:
            for name, change_no in changed.items():
                entry = self._entries.get(name)
                if entry is not None and entry.change_no < change_no:
                    self._drop(name)
            self._followed = max(self._followed, up_to)
            self._written = {
                name: change_no
                for name, change_no in self._written.items()
                if change_no > self._followed
            }

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    def _replace(self, name: AccountName, attributes: Mapping[str, Any], change_no: int) -> None:
        self._drop(name)
        size = attributes_size(attributes)
        self._entries[name] = _Entry(attributes, change_no, size)
        self._bytes += size
        while len(self._entries) > self._kept or self._bytes > BYTES_KEPT:
            self._drop(next(iter(self._entries)))

    def _drop(self, name: AccountName) -> None:
        entry = self._entries.pop(name, None)
        if entry is not None:
            self._bytes -= entry.size
