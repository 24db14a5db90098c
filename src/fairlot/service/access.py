"""Who may: experiment tokens and API keys."""

import hmac
import secrets
import string
import time
from collections.abc import Mapping
from hashlib import sha256

from sqlalchemy import Connection

from fairlot.engine.errors import FairlotError
from fairlot.service.snapshot import ApiKeyRecord
from fairlot.store import Store
from fairlot.store.credentials import (
    add_token,
    mark_api_key_used,
    token_of,
)
from fairlot.store.tenants import (
    find_project,
    raise_generation,
)

KEY_PREFIX = "fx_key_"
KEY_ID_LENGTH = 8
TOKEN_PREFIX = "exp_"  # noqa: S105 - the beginning of every token, no token itself
_SECRET_LENGTH = 40
_TOKEN_LENGTH = 32
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


def experiment_token(store: Store, org: str, project: str) -> str:
    """The publishable token of a project; one is made if it has none that is not revoked."""
    with store.writing() as connection:
        project_id = project_id_of(connection, org, project)
        return token_of(connection, project_id) or issue_token(connection, project_id, _now_ms())


def issue_token(connection: Connection, project_id: str, now_ms: int) -> str:
    token = TOKEN_PREFIX + base62(_TOKEN_LENGTH)
    add_token(connection, project_id, token, sha256(token.encode()).digest(), now_ms)
    raise_generation(connection)
    return token


def verify_key(api_keys: Mapping[str, ApiKeyRecord], text: str, now_ms: int) -> ApiKeyRecord | None:
    """The live record of `fx_key_<id>.<secret>`; an unknown id takes as long as a wrong secret."""
    name, _, secret = text.partition(".")
    record = api_keys.get(name.removeprefix(KEY_PREFIX)) if name.startswith(KEY_PREFIX) else None
    expected = _NO_DIGEST if record is None else record.secret_sha256
    given = sha256(secret.encode("utf-8", "replace")).digest()
    if not hmac.compare_digest(given, expected) or record is None:
        return None
    expired = record.expires_at_ms is not None and record.expires_at_ms <= now_ms
    return None if record.revoked or expired else record


def store_last_used(store: Store, used_at_ms: Mapping[str, int]) -> None:
    """Note when keys were last used, by their ids; collect uses, and call this now and then."""
    if not used_at_ms:
        return
    with store.writing() as connection:
        for key_id, at_ms in used_at_ms.items():
            mark_api_key_used(connection, key_id, at_ms)


def project_id_of(connection: Connection, org: str, project: str) -> str:
    found = find_project(connection, org, project)
    if found is None:
        raise UnknownTenant(org, project)
    return found.id


def base62(length: int) -> str:
    return "".join(secrets.choice(_BASE62) for _ in range(length))


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
