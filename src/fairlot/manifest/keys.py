"""Ed25519 keys: what signs a manifest, and what the world may know of it."""

import hashlib
import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Final, Self

import msgspec

from fairlot.manifest.base64url import base64url
from fairlot.manifest.errors import InvalidKey

ALGORITHM: Final = "Ed25519"
ACCEPTED_ALGORITHMS: Final = frozenset({ALGORITHM, "EdDSA"})
"""RFC 9864's name, and the older one that also meant Ed448."""
KEY_BYTES: Final = 32


class SigningKey:
    """An Ed25519 private key. `kid` is the RFC 7638 thumbprint of its public half."""

    __slots__ = ("_seed", "_x", "kid")

    def __init__(self, seed: bytes) -> None:
        """`seed` is the private key of RFC 8032, 32 bytes."""
        if len(seed) != KEY_BYTES:
            raise InvalidKey(f"{len(seed)} bytes; an Ed25519 private key has {KEY_BYTES}")
        # Loading joserfc costs more than all else that `import fairlot` loads.
        from fairlot.manifest.jose import public_bytes

        self._seed = seed
        self._x = base64url(public_bytes(seed))
        self.kid = thumbprint(self._x)

    @classmethod
    def generate(cls) -> Self:
        return cls(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def from_private_bytes(cls, seed: bytes) -> Self:
        return cls(seed)

    def private_bytes(self) -> bytes:
        return self._seed

    def public_jwk(self) -> dict[str, str]:
        return {
            "kty": "OKP",
            "crv": ALGORITHM,
            "x": self._x,
            "kid": self.kid,
            "alg": ALGORITHM,
            "use": "sig",
        }

    def __repr__(self) -> str:
        return f"SigningKey(kid={self.kid!r})"


def thumbprint(x: str) -> str:
    """The RFC 7638 thumbprint of an Ed25519 public key, given as its JWK's `x` (RFC 8037, 2)."""
    required = msgspec.json.encode({"crv": ALGORITHM, "kty": "OKP", "x": x})
    return base64url(hashlib.sha256(required).digest())


def jwks_json(keys: Iterable[Mapping[str, Any]]) -> bytes:
    """A JWK Set of public keys. Raises InvalidKey for one that holds its private part."""
    public = list(keys)
    for key in public:
        if "d" in key:
            raise InvalidKey(f"key {key.get('kid')!r} is private: publish its public_jwk()")
    return msgspec.json.encode({"keys": public})
