"""Hash, bucket, split and rate, in pure Python."""

from collections.abc import Sequence

MASK = 0xFFFFFFFF


def utf8(text: str) -> bytes:
    """UTF-8 as a browser's TextEncoder writes it: pairs combined, lone surrogates U+FFFD."""
    points: list[int] = []
    for code in map(ord, text):
        low = 0xDC00 <= code <= 0xDFFF
        if low and points and 0xD800 <= points[-1] <= 0xDBFF:
            points[-1] = 0x10000 + ((points[-1] - 0xD800) << 10) + (code - 0xDC00)
        else:
            points.append(code)
    safe = (0xFFFD if 0xD800 <= code <= 0xDFFF else code for code in points)
    return "".join(map(chr, safe)).encode("utf-8")


def rotate(value: int, by: int) -> int:
    return ((value << by) | (value >> (32 - by))) & MASK


def scramble(block: int) -> int:
    return rotate(block * 0xCC9E2D51 & MASK, 15) * 0x1B873593 & MASK


def murmur3(data: bytes) -> int:
    """MurmurHash3_x86_32 with seed 0 (Austin Appleby, public domain description)."""
    state = 0
    whole = len(data) - len(data) % 4
    for at in range(0, whole, 4):
        state ^= scramble(int.from_bytes(data[at : at + 4], "little"))
        state = (rotate(state, 13) * 5 + 0xE6546B64) & MASK
    state ^= scramble(int.from_bytes(data[whole:], "little"))
    state ^= len(data)
    state = (state ^ (state >> 16)) * 0x85EBCA6B & MASK
    state = (state ^ (state >> 13)) * 0xC2B2AE35 & MASK
    return state ^ (state >> 16)


def hash_of(salt: str, purpose: str, unit_id: str) -> int:
    return murmur3(utf8(f"{salt}:{purpose}:{unit_id}"))


def bucket_of(salt: str, purpose: str, unit_id: str) -> int:
    return (hash_of(salt, purpose, unit_id) * 10000) >> 32


def index_in_split(weights: Sequence[int] | None, n: int, bucket: int) -> int:
    """Index of the variant whose half-open range holds the bucket."""
    end = 0
    for index in range(n):
        end = 10000 * (index + 1) // n if weights is None else end + weights[index]
        if bucket < end:
            return index
    raise ValueError("the weights do not reach 10000")
