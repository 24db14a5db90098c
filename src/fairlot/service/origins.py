"""The origins of pages that may use a token (RFC 6454)."""

import re
from collections.abc import Sequence
from typing import Final

from fairlot.engine.errors import FairlotError, shorten
from fairlot.store.tokens import TokenKind

MAX_ORIGINS: Final = 50
_ORIGIN: Final = re.compile(r"https?://([a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(:[0-9]{1,5})?")
_DEFAULT_PORTS: Final = {"http": ":80", "https": ":443"}


class InvalidOrigins(FairlotError):
    """What no token can allow."""

    code = "invalid_origins"

    def __init__(self, problem: str) -> None:
        super().__init__(f"allowedOrigins: {problem}")


def check_origins(kind: TokenKind, origins: Sequence[str]) -> tuple[str, ...]:
    """As browsers write them: in lower case, without the default port. Raises InvalidOrigins."""
    if kind is not TokenKind.SOURCE:
        raise InvalidOrigins(
            "experiment tokens work everywhere; leave them out, or make a source token"
        )
    if not 1 <= len(origins) <= MAX_ORIGINS:
        raise InvalidOrigins(
            f"{len(origins)} of them; name 1 to {MAX_ORIGINS}, or leave them out for a token that"
            " only servers hold"
        )
    return tuple(dict.fromkeys(_origin(each) for each in origins))


def _origin(text: str) -> str:
    lowered = text.lower()
    if _ORIGIN.fullmatch(lowered) is None:
        raise InvalidOrigins(
            f"{shorten(text)}: must be a scheme and a host without a path, such as"
            " https://shop.example"
        )
    default = _DEFAULT_PORTS[lowered.partition(":")[0]]
    return lowered.removesuffix(default)
