"""Base64 as JOSE writes it: the URL-safe alphabet, no padding, one spelling per value."""

import base64
import binascii


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def from_base64url(text: str) -> bytes:
    """Raises ValueError for any spelling but the one that `base64url` writes."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("not base64url") from None
    if base64url(data) != text:
        raise ValueError("not the canonical base64url of its value")
    return data
