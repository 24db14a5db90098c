"""Which credentials are used, and which in vain: noted in memory, and stored now and then."""

import threading
from collections import Counter, defaultdict
from enum import StrEnum
from typing import Final, TypeVar

from sqlalchemy import Connection

from fairlot.service.actors import SYSTEM
from fairlot.service.audit import record
from fairlot.store import Store
from fairlot.store.credentials import mark_api_key_used
from fairlot.store.tenants import organization_id
from fairlot.store.tokens import mark_token_used

_MOST_FAILED: Final = 1000
_Key = TypeVar("_Key", str, bytes)


class FailedUse(StrEnum):
    """Why somebody who named an API key that exists was refused."""

    WRONG_SECRET = "wrong_secret"  # noqa: S105 - a name
    EXPIRED = "expired"
    REVOKED = "revoked"
    LACKS_SCOPE = "lacks_scope"
    OUT_OF_REACH = "out_of_reach"


class CredentialUses:
    """Of one process. Noting takes next to no time.

    `keys` says when API keys, by their ids, were used; `tokens` are the digests of experiment
    tokens that were since `stamp` was last called.
    """

    def __init__(self) -> None:
        self.keys: dict[str, int] = {}
        self.tokens: set[bytes] = set()
        self._tokens_at_ms: dict[bytes, int] = {}
        self._failed: Counter[tuple[str, str, FailedUse]] = Counter()
        self._failing = threading.Lock()

    def note_failed(self, org: str, key_id: str, failed: FailedUse) -> None:
        """Of keys that exist, so that strangers cannot fill the memory."""
        use = (org, key_id, failed)
        with self._failing:
            if use in self._failed or len(self._failed) < _MOST_FAILED:
                self._failed[use] += 1

    def stamp(self, now_ms: int) -> None:
        """The tokens were used by now. In the thread that notes them."""
        self._tokens_at_ms |= dict.fromkeys(self.tokens, now_ms)
        self.tokens.clear()

    def store(self, store: Store, now_ms: int) -> None:
        """What is used meanwhile, or cannot be stored, is left for the next time. Failed uses of a
        key become one record of the audit log."""
        keys, tokens = self.keys.copy(), self._tokens_at_ms.copy()
        with self._failing:
            failed = self._failed.copy()
        if not (keys or tokens or failed):
            return
        with store.writing() as connection:
            for key_id, at_ms in keys.items():
                mark_api_key_used(connection, key_id, at_ms)
            for digest, at_ms in tokens.items():
                mark_token_used(connection, digest, at_ms)
            _record_failed(connection, failed, now_ms)
        _forget(self.keys, keys)
        _forget(self._tokens_at_ms, tokens)
        with self._failing:
            self._failed -= failed


def _record_failed(
    connection: Connection, failed: Counter[tuple[str, str, FailedUse]], now_ms: int
) -> None:
    by_key: defaultdict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for (org, key_id, why), count in failed.items():
        by_key[org, key_id][why.value] = count
    for (org, key_id), counts in by_key.items():
        owner = organization_id(connection, org)
        if owner is None:
            continue
        target = f"api_key:{key_id}"
        record(
            connection,
            owner,
            SYSTEM,
            "api_key.failed",
            now_ms=now_ms,
            target=target,
            details=counts,
        )


def _forget(noted: dict[_Key, int], stored: dict[_Key, int]) -> None:
    for key, at_ms in stored.items():
        if noted.get(key) == at_ms:
            del noted[key]
