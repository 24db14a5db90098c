"""Signed manifests: flattened JSON JWS (RFC 7515, 7.2.2), signed and checked with Ed25519."""

from collections.abc import Collection, Mapping
from typing import Any, Final

import msgspec

from fairlot.engine import Manifest
from fairlot.manifest.base64url import from_base64url
from fairlot.manifest.errors import (
    InvalidManifest,
    ManifestRefused,
    RefusalReason,
    UnsupportedSchema,
)
from fairlot.manifest.keys import ACCEPTED_ALGORITHMS, ALGORITHM, KEY_BYTES, SigningKey, thumbprint
from fairlot.manifest.wire_reader import manifest_from_json

MAX_DOCUMENT_BYTES: Final = 16 * 1024 * 1024
DOCUMENT_TYPE: Final = "fairlot-manifest+jws"


class _Document(msgspec.Struct):
    """`header` and `signatures` are read only to be refused."""

    payload: str
    protected: str
    signature: str
    header: Any = msgspec.UNSET
    signatures: Any = msgspec.UNSET


class _Header(msgspec.Struct):
    """Members that are not named here (jku, jwk, x5u ...) never choose a key: it comes by `kid`."""

    typ: str
    alg: str
    kid: str
    crit: Any = msgspec.UNSET
    b64: Any = msgspec.UNSET


_document_decoder = msgspec.json.Decoder(_Document)
_header_decoder = msgspec.json.Decoder(_Header)


def sign_manifest(payload: bytes, key: SigningKey) -> bytes:
    """Raises InvalidManifest for a document over 16 MiB: every client would refuse it."""
    from fairlot.manifest import jose

    header = {"alg": ALGORITHM, "kid": key.kid, "typ": DOCUMENT_TYPE}
    document = msgspec.json.encode(jose.sign(header, payload, key.private_bytes()))
    if len(document) > MAX_DOCUMENT_BYTES:
        problem = f"{len(document)} bytes when signed; clients take at most {MAX_DOCUMENT_BYTES}"
        raise InvalidManifest(f"{problem}: remove experiments, or split the project")
    return document


def verify_manifest(
    document: bytes,
    jwks: Mapping[str, Any],
    *,
    trusted_keys: Collection[str] | None = None,
    lowest_version: int = 0,
    revoked: Collection[int] = (),
) -> Manifest:
    """The manifest of a signed document, its signature checked before its payload is parsed.

    `trusted_keys` pins key ids; None trusts every key of `jwks`. Raises ManifestRefused.
    """
    envelope = _read_envelope(document)
    header = _read_header(envelope.protected)
    x = _public_key(header.kid, jwks)
    if trusted_keys is not None and header.kid not in trusted_keys:
        detail = f"key {header.kid!r} is not pinned in trusted_keys"
        raise ManifestRefused(RefusalReason.UNTRUSTED_KEY, detail)
    manifest = _read_payload(_verified_payload(envelope, x))
    if manifest.version < lowest_version:
        detail = f"version {manifest.version} is older than {lowest_version}, already seen"
        raise ManifestRefused(RefusalReason.LOWER_VERSION, detail)
    if manifest.version in revoked:
        detail = f"version {manifest.version} has been revoked"
        raise ManifestRefused(RefusalReason.REVOKED, detail)
    return manifest


def _read_envelope(document: bytes) -> _Document:
    if len(document) > MAX_DOCUMENT_BYTES:
        detail = f"{len(document)} bytes; at most {MAX_DOCUMENT_BYTES} are read"
        raise ManifestRefused(RefusalReason.TOO_LARGE, detail)
    try:
        envelope = _document_decoder.decode(document)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        detail = f"not a flattened JSON JWS: {error}"
        raise ManifestRefused(RefusalReason.MALFORMED, detail) from None
    if envelope.signatures is not msgspec.UNSET:
        raise ManifestRefused(RefusalReason.MALFORMED, "one signature is expected, not a list")
    if envelope.header is not msgspec.UNSET:
        detail = "the unprotected `header` is not accepted"
        raise ManifestRefused(RefusalReason.UNSUPPORTED_HEADER, detail)
    return envelope


def _read_header(protected: str) -> _Header:
    try:
        header = _header_decoder.decode(from_base64url(protected))
    except (ValueError, RecursionError) as error:
        detail = f"the protected header cannot be read: {error}"
        raise ManifestRefused(RefusalReason.MALFORMED, detail) from None
    if header.typ != DOCUMENT_TYPE:
        detail = f"typ is {header.typ!r}, not {DOCUMENT_TYPE!r}"
        raise ManifestRefused(RefusalReason.WRONG_TYPE, detail)
    if header.alg not in ACCEPTED_ALGORITHMS:
        detail = f"alg is {header.alg!r}, not {ALGORITHM!r}"
        raise ManifestRefused(RefusalReason.WRONG_ALGORITHM, detail)
    if header.crit is not msgspec.UNSET or header.b64 is not msgspec.UNSET:
        raise ManifestRefused(RefusalReason.UNSUPPORTED_HEADER, "crit and b64 are not supported")
    return header


def _public_key(kid: str, jwks: Mapping[str, Any]) -> str:
    """The `x` of the Ed25519 key whose thumbprint is `kid`.

    A kid that is not the thumbprint of its key is not looked at: pinning ids would mean nothing.
    """
    keys = jwks.get("keys")
    for key in keys if isinstance(keys, list) else ():
        if isinstance(key, Mapping) and key.get("kid") == kid and _is_named_by(kid, key):
            return str(key["x"])
    detail = f"no Ed25519 key {kid!r} (its RFC 7638 thumbprint) in the JWKS; fetch it again"
    raise ManifestRefused(RefusalReason.UNKNOWN_KEY, detail)


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


def _verified_payload(envelope: _Document, x: str) -> bytes:
    from fairlot.manifest import jose

    try:
        from_base64url(envelope.signature)
    except ValueError as error:
        raise ManifestRefused(RefusalReason.BAD_SIGNATURE, f"the signature is {error}") from None
    return jose.verified_payload(
        {
            "payload": envelope.payload,
            "protected": envelope.protected,
            "signature": envelope.signature,
        },
        x,
    )


def _read_payload(payload: bytes) -> Manifest:
    try:
        return manifest_from_json(payload)
    except UnsupportedSchema as error:
        raise ManifestRefused(RefusalReason.WRONG_SCHEMA, str(error)) from None
    except InvalidManifest as error:
        raise ManifestRefused(RefusalReason.INVALID_PAYLOAD, str(error)) from None
