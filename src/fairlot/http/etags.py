"""Whether a client has the current copy."""


def is_known(if_none_match: bytes | None, tag: str) -> bool:
    """The weak comparison of RFC 9110 section 13.1.2."""
    if if_none_match is None:
        return False
    tags = [part.strip().removeprefix("W/") for part in if_none_match.decode("latin-1").split(",")]
    return "*" in tags or tag in tags
