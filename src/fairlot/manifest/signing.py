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
from fairlot.manifest.jws import (
    DocumentType,
    SignedParts,
    public_key_of,
    signed_parts,
    signer_of_header,
)
from fairlot.manifest.keys import SigningKey
from fairlot.manifest.wire_reader import manifest_from_json

MAX_DOCUMENT_BYTES: Final = 16 * 1024 * 1024


class _Document(SignedParts, frozen=True):
    """`header` and `signatures` are read only to be refused."""

    header: Any = msgspec.UNSET
    signatures: Any = msgspec.UNSET


_document_decoder = msgspec.json.Decoder(_Document)


def sign_manifest(
    payload: bytes, key: SigningKey, document_type: DocumentType = DocumentType.MANIFEST
) -> bytes:
    """Raises InvalidManifest for a document over 16 MiB: every client would refuse it."""
    document = msgspec.json.encode(signed_parts(payload, key, document_type))
    if len(document) > MAX_DOCUMENT_BYTES:
        problem = f"{len(document)} bytes when signed; clients take at most {MAX_DOCUMENT_BYTES}"
        raise InvalidManifest(f"{problem}: remove experiments, or split the project")
    return document


def verify_manifest(
    document: bytes,
    jwks: Mapping[str, Any],
    *,
    trusted_keys: Collection[str] | None = None,
    org: str | None = None,
    project: str | None = None,
    lowest_version: int = 0,
    revoked: Collection[int] = (),
    document_type: DocumentType = DocumentType.MANIFEST,
) -> Manifest:
    """The manifest of a signed document, its signature checked before its payload is parsed.

    `trusted_keys` are the ids of the keys that are believed; None trusts every key of `jwks`. `org`
    and `project` are whose manifest is wanted; None takes anybody's. Raises ManifestRefused.
    """
    envelope = _read_envelope(document)
    kid = signer_of_header(envelope.protected, document_type)
    x = public_key_of(kid, jwks)
    if trusted_keys is not None and kid not in trusted_keys:
        detail = f"key {kid!r} is not one of the trusted keys"
        raise ManifestRefused(RefusalReason.UNTRUSTED_KEY, detail)
    manifest = _read_payload(_verified_payload(envelope, x))
    _check_owner(manifest, org, project)
    if manifest.version < lowest_version:
        detail = f"version {manifest.version} is older than {lowest_version}, already seen"
        raise ManifestRefused(RefusalReason.LOWER_VERSION, detail)
    if manifest.version in revoked:
        detail = f"version {manifest.version} has been revoked"
        raise ManifestRefused(RefusalReason.REVOKED, detail)
    return manifest


def _check_owner(manifest: Manifest, org: str | None, project: str | None) -> None:
    wanted = (
        manifest.org if org is None else org,
        manifest.project if project is None else project,
    )
    if (manifest.org, manifest.project) != wanted:
        detail = f"it is of project {manifest.org}/{manifest.project}, not {'/'.join(wanted)}"
        raise ManifestRefused(RefusalReason.OTHER_PROJECT, detail)


def signer_of(document: bytes) -> str:
    """The id of the key that a document says it is signed by: believe it once it is verified.

    Raises ManifestRefused.
    """
    return signer_of_header(_read_envelope(document).protected, DocumentType.MANIFEST)


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
