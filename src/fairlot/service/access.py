"""Who may: experiment tokens and API keys."""

import hmac
import secrets
import string
from collections.abc import Mapping
from hashlib import sha256
from typing import NamedTuple

from sqlalchemy import Connection

from fairlot.engine.errors import FairlotError
from fairlot.service.ends import has_expired
from fairlot.service.snapshot import ApiKeyRecord
from fairlot.service.uses import FailedUse
from fairlot.store.tenants import ProjectRow, find_project

KEY_PREFIX = "fx_key_"
KEY_ID_LENGTH = 8
_SECRET_LENGTH = 40
_BASE62 = string.digits + string.ascii_letters
_NO_DIGEST = bytes(32)


class UnknownTenant(FairlotError):
    """There is no such organization, or no such project in it."""

    code = "unknown_tenant"

    def __init__(self, org: str, project: str | None = None) -> None:
        self.org = org
        self.project = project
        named = org if project is None else f"{org}/{project}"
        super().__init__(f"{named}: does not exist; check the spelling of organization and project")


class KeyVerdict(NamedTuple):
    """`failed` None is a live key. `record` None is no key at all, or one that nobody knows."""

    record: ApiKeyRecord | None
    failed: FailedUse | None


def judge_key(api_keys: Mapping[str, ApiKeyRecord], text: str, now_ms: int) -> KeyVerdict:
    """Of `fx_key_<id>.<secret>`; an unknown id takes as long as a wrong secret."""
    name, _, secret = text.partition(".")
    record = api_keys.get(name.removeprefix(KEY_PREFIX)) if name.startswith(KEY_PREFIX) else None
    expected = _NO_DIGEST if record is None else record.secret_sha256
    given = sha256(secret.encode("utf-8", "replace")).digest()
    if not hmac.compare_digest(given, expected) or record is None:
        return KeyVerdict(record, FailedUse.WRONG_SECRET)
    if record.revoked:
        return KeyVerdict(record, FailedUse.REVOKED)
    if has_expired(record.expires_at_ms, now_ms):
        return KeyVerdict(record, FailedUse.EXPIRED)
    return KeyVerdict(record, None)


def verify_key(api_keys: Mapping[str, ApiKeyRecord], text: str, now_ms: int) -> ApiKeyRecord | None:
    """The live record of a key, as `judge_key` finds it."""
    record, failed = judge_key(api_keys, text, now_ms)
    return record if failed is None else None


def existing_project(connection: Connection, org: str, project: str) -> ProjectRow:
    """Raises UnknownTenant."""
    found = find_project(connection, org, project)
    if found is None:
        raise UnknownTenant(org, project)
    return found


def base62(length: int) -> str:
    return "".join(secrets.choice(_BASE62) for _ in range(length))
