"""When a credential ends: by itself, or by whoever revokes it."""

from fairlot.engine.errors import FairlotError
from fairlot.manifest.instants import write_instant


class InvalidEnd(FairlotError):
    """A moment at which no credential can end."""

    code = "invalid_end"

    def __init__(self, expires_at_ms: int, now_ms: int) -> None:
        self.expires_at_ms = expires_at_ms
        super().__init__(
            f"expiresAt: {write_instant(expires_at_ms)} is not after {write_instant(now_ms)}, which"
            " is now; name a later moment, or revoke it to end it at once"
        )


class HasEnded(FairlotError):
    """A credential that was revoked or has expired stays so."""

    code = "has_ended"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name}: was revoked, or has expired, for good; make a new one")


class LaterEnd(FairlotError):
    """An end that would be put off."""

    code = "later_end"

    def __init__(self, expires_at_ms: int, current_ms: int) -> None:
        self.expires_at_ms = expires_at_ms
        super().__init__(
            f"expiresAt: {write_instant(expires_at_ms)} is after {write_instant(current_ms)}, when"
            " it ends; name an earlier moment, or make a new one"
        )


def check_new_end(expires_at_ms: int, now_ms: int, current_ms: int | None = None) -> None:
    """Raises InvalidEnd, or LaterEnd where there is an end already."""
    if expires_at_ms <= now_ms:
        raise InvalidEnd(expires_at_ms, now_ms)
    if current_ms is not None and expires_at_ms > current_ms:
        raise LaterEnd(expires_at_ms, current_ms)


def check_still_live(
    name: str, revoked_at_ms: int | None, expires_at_ms: int | None, now_ms: int
) -> None:
    """Raises HasEnded."""
    if revoked_at_ms is not None or has_expired(expires_at_ms, now_ms):
        raise HasEnded(name)


def has_expired(expires_at_ms: int | None, now_ms: int) -> bool:
    """The moment itself is past the end."""
    return expires_at_ms is not None and expires_at_ms <= now_ms
