"""The hash behind every draw: murmur3 over `salt:purpose:unit`."""

import re
from typing import Final

from mmh3 import mmh3_32_uintdigest

HASH_VERSION: Final = 1
SALT_PATTERN: Final = re.compile(r"[A-Za-z0-9._-]{1,128}")

SAMPLE: Final = "sample"
CONTROL: Final = "control"
VARIANT: Final = "variant"
LAYER: Final = "layer"
HOLDOUT: Final = "holdout"


def recipe_purpose(variant_key: str) -> str:
    return f"recipe.{variant_key}"


def hash_text(salt: str, purpose: str, unit_id: str) -> str:
    return f"{salt}:{purpose}:{unit_id}"


def hash32(salt: str, purpose: str, unit_id: str) -> int:
    """murmur3_x86_32 with seed 0 over the UTF-8 of the hash text, unsigned."""
    return mmh3_32_uintdigest(utf8(hash_text(salt, purpose, unit_id)))


def utf8(text: str) -> bytes:
    """The bytes that a browser's TextEncoder gives: pairs combined, lone surrogates U+FFFD."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        return scalar_text(text).encode()


def scalar_text(text: str) -> str:
    """`text` with surrogate pairs combined and each lone surrogate replaced by U+FFFD."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
