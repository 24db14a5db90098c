"""Signed manifests: the round trip, and every reason to refuse one."""

import subprocess
import sys
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from hypothesis import given
from hypothesis import strategies as st
from joserfc.errors import UnsupportedAlgorithmError

from fairlot.engine import Experiment, Manifest, Variant
from fairlot.manifest import (
    DocumentType,
    InvalidManifest,
    ManifestRefused,
    RefusalReason,
    SigningKey,
    jose,
    jwks_json,
    manifest_to_json,
    sign_manifest,
    signer_of,
    verify_manifest,
)
from fairlot.manifest.base64url import base64url, from_base64url
from fairlot.manifest.signing import MAX_DOCUMENT_BYTES

# RFC 8037, appendix A.1, A.4 and A.5.
RFC_SEED = from_base64url("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")
RFC_X = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
RFC_DOCUMENT = {
    "protected": "eyJhbGciOiJFZERTQSJ9",
    "payload": "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
    "signature": (
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    ),
}

KEY = SigningKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = SigningKey.from_private_bytes(bytes(32))
JWKS = {"keys": [OTHER_KEY.public_jwk(), KEY.public_jwk()]}
EXPERIMENT = Experiment("e", "e", (Variant("a"), Variant("b")))
MANIFEST = Manifest("o", "p", 7, "2026-11-23T06:00:00.000Z", (EXPERIMENT,))
PAYLOAD = manifest_to_json(MANIFEST)
SIGNED = sign_manifest(PAYLOAD, KEY)
HEADER = {"alg": "Ed25519", "kid": KEY.kid, "typ": "fairlot-manifest+jws"}


def signed_with(payload: bytes = PAYLOAD, key: SigningKey = KEY, **header: Any) -> dict[str, Any]:
    """A document signed over any header, also one that `sign_manifest` would never write."""
    members = {name: value for name, value in {**HEADER, **header}.items() if value is not None}
    protected = base64url(msgspec.json.encode(members))
    signing_input = f"{protected}.{base64url(payload)}".encode()
    private = Ed25519PrivateKey.from_private_bytes(key.private_bytes())
    return {
        "payload": base64url(payload),
        "protected": protected,
        "signature": base64url(private.sign(signing_input)),
    }


def refusal_of(document: bytes | dict[str, Any], **options: Any) -> ManifestRefused:
    raw = document if isinstance(document, bytes) else msgspec.json.encode(document)
    with pytest.raises(ManifestRefused) as caught:
        verify_manifest(raw, options.pop("jwks", JWKS), **options)
    return caught.value


def test_signed_manifest__untouched__verifies() -> None:
    assert verify_manifest(SIGNED, JWKS) == MANIFEST
    assert verify_manifest(SIGNED, msgspec.json.decode(jwks_json([KEY.public_jwk()]))) == MANIFEST


def test_signed_manifest__its_form__is_flattened_json_with_three_header_members() -> None:
    document = msgspec.json.decode(SIGNED)
    assert set(document) == {"payload", "protected", "signature"}
    assert msgspec.json.decode(from_base64url(document["protected"])) == HEADER
    assert from_base64url(document["payload"]) == PAYLOAD


def test_signed_manifest__checked_by_cryptography_alone__is_signed() -> None:
    document = msgspec.json.decode(SIGNED)
    public = Ed25519PublicKey.from_public_bytes(from_base64url(KEY.public_jwk()["x"]))
    signing_input = f"{document['protected']}.{document['payload']}".encode()
    public.verify(from_base64url(document["signature"]), signing_input)


def test_jose__vector_of_rfc_8037__signs_and_verifies() -> None:
    signed = jose.sign({"alg": "EdDSA"}, b"Example of Ed25519 signing", RFC_SEED)
    assert signed == RFC_DOCUMENT
    assert jose.verified_payload(signed, RFC_X) == b"Example of Ed25519 signing"
    public = Ed25519PublicKey.from_public_bytes(from_base64url(RFC_X))
    signing_input = f"{RFC_DOCUMENT['protected']}.{RFC_DOCUMENT['payload']}".encode()
    public.verify(from_base64url(RFC_DOCUMENT["signature"]), signing_input)


@pytest.mark.parametrize("name", ["HS256", "none", "ES256", "Ed448", "RS256", "ed25519"])
def test_jose__another_algorithm__is_not_in_the_registry(name: str) -> None:
    with pytest.raises(UnsupportedAlgorithmError):
        jose.ManifestRegistry().get_alg(name)


def test_signed_manifest__older_name_of_the_algorithm__verifies() -> None:
    assert verify_manifest(msgspec.json.encode(signed_with(alg="EdDSA")), JWKS) == MANIFEST


def test_signed_draft__read_as_one__verifies_and_as_a_manifest_it_is_refused() -> None:
    draft = sign_manifest(PAYLOAD, KEY, DocumentType.DRAFT)
    assert verify_manifest(draft, JWKS, document_type=DocumentType.DRAFT) == MANIFEST
    assert refusal_of(draft).reason is RefusalReason.WRONG_TYPE
    refused = refusal_of(SIGNED, document_type=DocumentType.DRAFT)
    assert refused.detail == "typ is 'fairlot-manifest+jws', not 'fairlot-draft+jws'"


@given(st.data())
def test_signed_manifest__any_signed_character_changed__is_refused(data: st.DataObject) -> None:
    document = msgspec.json.decode(SIGNED)
    member = data.draw(st.sampled_from(sorted(document)))
    text = document[member]
    at = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda char: char != text[at]))
    document[member] = text[:at] + other + text[at + 1 :]
    assert isinstance(refusal_of(document), ManifestRefused)


@given(st.data())
def test_signed_manifest__any_byte_changed__is_refused_or_the_same(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(SIGNED) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != SIGNED[at]))
    changed = SIGNED[:at] + bytes([other]) + SIGNED[at + 1 :]
    try:
        manifest = verify_manifest(changed, JWKS)
    except ManifestRefused:
        return
    assert manifest == MANIFEST


@pytest.mark.parametrize("cut", [1, 3, 40])
def test_signed_manifest__cut_short__is_malformed(cut: int) -> None:
    assert refusal_of(SIGNED[:-cut]).reason is RefusalReason.MALFORMED


@pytest.mark.parametrize(
    ("document", "reason", "detail"),
    [
        (b"", RefusalReason.MALFORMED, "not a flattened JSON JWS"),
        (b"[]", RefusalReason.MALFORMED, "not a flattened JSON JWS"),
        (b'{"a":' + b"[" * 100_000, RefusalReason.MALFORMED, "not a flattened JSON JWS"),
        (b'{"payload":"\xff"}', RefusalReason.MALFORMED, "not a flattened JSON JWS"),
        (b"eyJhbGciOiJFZERTQSJ9.e30.c2ln", RefusalReason.MALFORMED, "not a flattened"),
        (
            {**signed_with(), "signatures": []},
            RefusalReason.MALFORMED,
            "one signature is expected",
        ),
        (
            {**signed_with(), "header": {"kid": KEY.kid}},
            RefusalReason.UNSUPPORTED_HEADER,
            "unprotected",
        ),
        ({**signed_with(), "protected": "e30="}, RefusalReason.MALFORMED, "cannot be read"),
        ({**signed_with(), "protected": "e30"}, RefusalReason.WRONG_TYPE, "typ is None"),
        ({**signed_with(), "protected": "W10"}, RefusalReason.MALFORMED, "not an object"),
        (
            {**signed_with(), "protected": base64url(b"[" * 100_000)},
            RefusalReason.MALFORMED,
            "cannot be read",
        ),
        (
            {**signed_with(), "protected": base64url(b'{"alg":"none","alg":"Ed25519"}')},
            RefusalReason.MALFORMED,
            "a member is named twice",
        ),
        (signed_with(typ="JWT"), RefusalReason.WRONG_TYPE, "typ is 'JWT'"),
        (signed_with(typ="fairlot-draft+jws"), RefusalReason.WRONG_TYPE, "not 'fairlot-manifest"),
        (signed_with(typ=None), RefusalReason.WRONG_TYPE, "typ is None"),
        (signed_with(alg="none"), RefusalReason.WRONG_ALGORITHM, "alg is 'none'"),
        (signed_with(alg="HS256"), RefusalReason.WRONG_ALGORITHM, "alg is 'HS256'"),
        (signed_with(alg="Ed448"), RefusalReason.WRONG_ALGORITHM, "alg is 'Ed448'"),
        (signed_with(alg=None), RefusalReason.WRONG_ALGORITHM, "alg is None"),
        (signed_with(kid=None), RefusalReason.UNKNOWN_KEY, "kid is None"),
        (signed_with(crit=["exp"]), RefusalReason.UNSUPPORTED_HEADER, "crit and b64"),
        (signed_with(b64=False), RefusalReason.UNSUPPORTED_HEADER, "crit and b64"),
        (signed_with(b64=True), RefusalReason.UNSUPPORTED_HEADER, "crit and b64"),
        (signed_with(jku=5), RefusalReason.UNSUPPORTED_HEADER, "jku"),
        (signed_with(zzz="new"), RefusalReason.UNSUPPORTED_HEADER, "zzz"),
        (signed_with(cty="x" * 600), RefusalReason.UNSUPPORTED_HEADER, "512"),
        (signed_with(kid="nobody"), RefusalReason.UNKNOWN_KEY, "fetch it again"),
        (signed_with(key=OTHER_KEY), RefusalReason.BAD_SIGNATURE, "does not fit"),
        ({**signed_with(), "signature": ""}, RefusalReason.BAD_SIGNATURE, "does not fit"),
        ({**signed_with(), "signature": "A==="}, RefusalReason.BAD_SIGNATURE, "not base64url"),
        ({**signed_with(), "payload": "e30"}, RefusalReason.BAD_SIGNATURE, "does not fit"),
        ({**signed_with(), "payload": "e3*0"}, RefusalReason.MALFORMED, "not base64url"),
        (signed_with(b"{}"), RefusalReason.INVALID_PAYLOAD, "schema"),
        (signed_with(b"\xff"), RefusalReason.INVALID_PAYLOAD, "malformed"),
        (
            signed_with(PAYLOAD.replace(b"manifest/1", b"manifest/2")),
            RefusalReason.WRONG_SCHEMA,
            "this version reads fairlot.manifest/1",
        ),
    ],
)
def test_signed_manifest__not_as_it_must_be__is_refused_with_the_reason(
    document: bytes | dict[str, Any], reason: RefusalReason, detail: str
) -> None:
    refused = refusal_of(document)
    assert refused.reason is reason
    assert detail in refused.detail
    assert str(refused) == f"{reason}: {refused.detail}"


@pytest.mark.parametrize(
    "header",
    [
        {"jku": "https://evil.example/jwks"},
        {"jwk": OTHER_KEY.public_jwk()},
        {"x5u": "https://evil.example/cert"},
        {"x5c": ["AAAA"]},
    ],
)
def test_signed_manifest__header_that_names_a_key__does_not_choose_it(
    header: dict[str, Any],
) -> None:
    assert verify_manifest(msgspec.json.encode(signed_with(**header)), JWKS) == MANIFEST
    assert refusal_of(signed_with(key=OTHER_KEY, **header)).reason is RefusalReason.BAD_SIGNATURE


def test_signed_manifest__over_16_mib__is_refused_before_parsing() -> None:
    document = SIGNED + b" " * (MAX_DOCUMENT_BYTES - len(SIGNED))
    assert verify_manifest(document, JWKS) == MANIFEST
    assert refusal_of(document + b" ").reason is RefusalReason.TOO_LARGE


def test_sign_manifest__over_16_mib_when_signed__is_refused() -> None:
    with pytest.raises(InvalidManifest, match="split the project"):
        sign_manifest(b"x" * (MAX_DOCUMENT_BYTES * 3 // 4), KEY)


def test_signed_manifest__of_many_megabytes__verifies() -> None:
    large = replace(EXPERIMENT, metadata={"a": "x" * 11_000_000})
    manifest = replace(MANIFEST, experiments=(large,))
    assert verify_manifest(sign_manifest(manifest_to_json(manifest), KEY), JWKS) == manifest


def changed_key(**members: Any) -> dict[str, Any]:
    return {"keys": [{**KEY.public_jwk(), **members}]}


@pytest.mark.parametrize(
    "jwks",
    [
        {},
        {"keys": None},
        {"keys": {}},
        {"keys": ["x", None]},
        {"keys": [OTHER_KEY.public_jwk()]},
        changed_key(kid="other"),
        changed_key(x=OTHER_KEY.public_jwk()["x"]),
        changed_key(x=5),
        changed_key(x="*"),
        changed_key(x="AAAA"),
        changed_key(kty="EC"),
        changed_key(crv="X25519"),
        changed_key(use="enc"),
        changed_key(alg="HS256"),
    ],
)
def test_signed_manifest__key_not_in_the_jwks_or_not_its_thumbprint__is_unknown(
    jwks: dict[str, Any],
) -> None:
    assert refusal_of(SIGNED, jwks=jwks).reason is RefusalReason.UNKNOWN_KEY


@pytest.mark.parametrize("algorithm", ["Ed25519", "EdDSA"])
def test_signed_manifest__key_with_either_name_of_the_algorithm__is_known(algorithm: str) -> None:
    assert verify_manifest(SIGNED, changed_key(alg=algorithm)) == MANIFEST


def test_signed_manifest__key_pinned__verifies() -> None:
    assert verify_manifest(SIGNED, JWKS, trusted_keys={KEY.kid}) == MANIFEST


@pytest.mark.parametrize("trusted", [(), {OTHER_KEY.kid}])
def test_signed_manifest__other_keys_pinned__is_not_trusted(trusted: Any) -> None:
    refused = refusal_of(SIGNED, trusted_keys=trusted)
    assert refused.reason is RefusalReason.UNTRUSTED_KEY
    assert KEY.kid in refused.detail


@pytest.mark.parametrize(
    "wanted", [{}, {"org": "o"}, {"project": "p"}, {"org": "o", "project": "p"}]
)
def test_signed_manifest__of_whom_it_should_be__verifies(wanted: dict[str, Any]) -> None:
    assert verify_manifest(SIGNED, JWKS, **wanted) == MANIFEST


@pytest.mark.parametrize(
    ("wanted", "detail"),
    [
        ({"org": "x"}, "it is of project o/p, not x/p"),
        ({"project": "x"}, "it is of project o/p, not o/x"),
        ({"org": "x", "project": "p", "lowest_version": 8}, "it is of project o/p, not x/p"),
    ],
)
def test_signed_manifest__of_another_project__is_refused(
    wanted: dict[str, Any], detail: str
) -> None:
    refused = refusal_of(SIGNED, **wanted)
    assert (refused.reason, refused.detail) == (RefusalReason.OTHER_PROJECT, detail)


def test_signer_of__signed_document__is_the_key_id_it_names() -> None:
    assert signer_of(SIGNED) == KEY.kid
    with pytest.raises(ManifestRefused):
        signer_of(b"{}")


def test_signed_manifest__older_than_one_seen__is_refused() -> None:
    assert verify_manifest(SIGNED, JWKS, lowest_version=7) == MANIFEST
    refused = refusal_of(SIGNED, lowest_version=8)
    assert refused.reason is RefusalReason.LOWER_VERSION
    assert refused.detail == "version 7 is older than 8, already seen"


def test_signed_manifest__revoked__is_refused() -> None:
    assert verify_manifest(SIGNED, JWKS, revoked=[6, 8]) == MANIFEST
    assert refusal_of(SIGNED, revoked=[6, 7]).reason is RefusalReason.REVOKED


def test_manifest_package__imported__loads_neither_joserfc_nor_yaml() -> None:
    code = (
        "import sys, fairlot.manifest;"
        "assert not {'joserfc', 'cryptography', 'yaml'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
