"""What all our signed documents share: one protected header, one way to find its key.

What is wrong with one raises ManifestRefused.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import msgspec

from fairlot.engine.errors import shorten
from fairlot.manifest.base64url import from_base64url
from fairlot.manifest.errors import ManifestRefused, RefusalReason
from fairlot.manifest.keys import ACCEPTED_ALGORITHMS, ALGORITHM, KEY_BYTES, SigningKey, thumbprint


class DocumentType(StrEnum):
    """The `typ` of a signed document: one kind never passes for another."""

    MANIFEST = "fairlot-manifest+jws"
    DRAFT = "fairlot-draft+jws"
    PREVIEW = "fairlot-preview+jwt"


class SignedParts(msgspec.Struct, frozen=True):
    """The three parts of a JWS, each as base64url."""

    protected: str
    payload: str
    signature: str


def signed_parts(payload: bytes, key: SigningKey, document_type: DocumentType) -> SignedParts:
    from fairlot.manifest import jose

    header = {"alg": ALGORITHM, "kid": key.kid, "typ": document_type.value}
    signed = jose.sign(header, payload, key.private_bytes())
    return SignedParts(signed["protected"], signed["payload"], signed["signature"])


def signer_of_header(protected: str, document_type: DocumentType) -> str:
    """The `kid` of a protected header that is as ours are.

    Other members (jku, jwk, x5u ...) never choose a key.
    """
    try:
        header = read_unambiguous(from_base64url(protected))
    except (ValueError, RecursionError) as error:
        detail = f"the protected header cannot be read: {error}"
        raise ManifestRefused(RefusalReason.MALFORMED, detail) from None
    if not isinstance(header, dict):
        raise ManifestRefused(RefusalReason.MALFORMED, "the protected header is not an object")
    if header.get("typ") != document_type:
        detail = f"typ is {shorten(header.get('typ'))}, not {document_type.value!r}"
        raise ManifestRefused(RefusalReason.WRONG_TYPE, detail)
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in ACCEPTED_ALGORITHMS:
        detail = f"alg is {shorten(algorithm)}, not {ALGORITHM!r}"
        raise ManifestRefused(RefusalReason.WRONG_ALGORITHM, detail)
    if "crit" in header or "b64" in header:
        raise ManifestRefused(RefusalReason.UNSUPPORTED_HEADER, "crit and b64 are not supported")
    if not isinstance(kid, str):
        detail = f"kid is {shorten(kid)}, not the thumbprint of a key"
        raise ManifestRefused(RefusalReason.UNKNOWN_KEY, detail)
    return kid


def read_unambiguous(document: bytes) -> Any:
    """JSON that all readers understand alike: UTF-8, no member named twice, no NaN; 1.0 is 1, as
    JavaScript has it.

    Raises ValueError, or RecursionError for what is nested too deeply.
    """
    return json.loads(
        document.decode(),
        object_pairs_hook=_members,
        parse_float=_number,
        parse_constant=_no_number,
    )


def public_key_of(kid: str, jwks: Mapping[str, Any]) -> str:
    """The `x` of the Ed25519 key whose thumbprint is `kid`.

    A kid that is not the thumbprint of its key is not looked at: pinning ids would mean nothing.
    """
    keys = jwks.get("keys")
    for key in keys if isinstance(keys, list) else ():
        if isinstance(key, Mapping) and key.get("kid") == kid and _is_named_by(kid, key):
            return str(key["x"])
    detail = f"no Ed25519 key {shorten(kid)} (its RFC 7638 thumbprint) in the JWKS; fetch it again"
    raise ManifestRefused(RefusalReason.UNKNOWN_KEY, detail)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is named twice")
    return members


def _number(text: str) -> float | int:
    number = float(text)
    return int(number) if number.is_integer() else number


def _no_number(text: str) -> None:
    raise ValueError(f"{text} is no JSON")


def _is_named_by(kid: str, key: Mapping[str, Any]) -> bool:
    x = key.get("x")
    if not isinstance(x, str) or (key.get("kty"), key.get("crv")) != ("OKP", ALGORITHM):
        return False
    algorithm = key.get("alg", ALGORITHM)
    if key.get("use", "sig") != "sig" or not isinstance(algorithm, str):
        return False
    if algorithm not in ACCEPTED_ALGORITHMS:
        return False
    try:
        return len(from_base64url(x)) == KEY_BYTES and thumbprint(x) == kid
    except ValueError:
        return False
