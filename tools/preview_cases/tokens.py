"""Tokens signed with fixed seeds: Ed25519 gives the same bytes every time."""

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

NOW = 1_764_000_000
DAY_S = 86_400
Json = Mapping[str, Any]
Case = dict[str, Any]


def private_key(seed: str) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(seed.encode()).digest())


def public_bytes(key: Ed25519PrivateKey) -> bytes:
    return key.public_key().public_bytes_raw()


def text_of(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


OURS = private_key("fairlot preview vectors: first key")
NEXT = private_key("fairlot preview vectors: next key")
FOREIGN = private_key("fairlot preview vectors: key of another organization")


def kid_of(key: Ed25519PrivateKey) -> str:
    """The thumbprint of RFC 7638: the required members in the order of their names."""
    members = {"crv": "Ed25519", "kty": "OKP", "x": text_of(public_bytes(key))}
    return text_of(hashlib.sha256(json_of(members)).digest())


def jwk(key: Ed25519PrivateKey, **members: Any) -> dict[str, Any]:
    x = text_of(public_bytes(key))
    return {"kty": "OKP", "crv": "Ed25519", "kid": kid_of(key), "x": x, **members}


def json_of(members: Json) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode()


JWKS = {"keys": [jwk(OURS, use="sig", alg="Ed25519"), jwk(NEXT)]}


SURROUNDINGS: Json = {
    "jwks": JWKS,
    "org": "acme",
    "project": "shop",
    "experiment": "hero",
    "variant": "bold",
    "now": NOW,
    "revoked": ["jti-revoked", "jti-revoked-too"],
}


HEADER: Json = {"alg": "Ed25519", "kid": kid_of(OURS), "typ": "fairlot-preview+jwt"}


CLAIMS: Json = {
    "iss": "acme",
    "aud": "shop",
    "sub": "hero:bold",
    "iat": NOW,
    "exp": NOW + 900,
    "jti": "jti-1",
}


def signed_parts(
    header: bytes, claims: bytes, sign: Callable[[bytes], bytes] = OURS.sign
) -> tuple[str, str, str]:
    first, second = text_of(header), text_of(claims)
    return first, second, text_of(sign(f"{first}.{second}".encode()))


def changed(members: Json, changes: Json) -> dict[str, Any]:
    """With `changes` laid over; a member changed to `...` is left out."""
    both = {**members, **changes}
    return {name: value for name, value in both.items() if value is not ...}


def token(
    header: Json | None = None,
    claims: Json | None = None,
    sign: Callable[[bytes], bytes] = OURS.sign,
) -> str:
    made = changed(HEADER, header or {}), changed(CLAIMS, claims or {})
    return ".".join(signed_parts(json_of(made[0]), json_of(made[1]), sign))


def token_of_length(length: int) -> str:
    """Base64url has no text of 4 n + 1 characters, so header and claims are both padded."""
    for padding in range(length, 3 * length):
        made = token({"pad": "x" * (padding % 3)}, {"pad": "x" * (padding // 3)})
        if len(made) == length:
            return made
    raise ValueError(length)


def given(name: str, text: str, claims: Json | None = None, **surroundings: Any) -> Case:
    """A case whose token is accepted, with CLAIMS under `claims`."""
    return {"name": name, "token": text, **surroundings, "claims": {**CLAIMS, **(claims or {})}}


def refused(name: str, reason: str, text: str, **surroundings: Any) -> Case:
    return {"name": name, "token": text, **surroundings, "reason": reason}
