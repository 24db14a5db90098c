"""Keys: the published vectors of RFC 8037, thumbprints, and what is never shown."""

import base64

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import OKPKey

from fairlot.manifest import InvalidKey, SigningKey, jwks_json
from fairlot.manifest.base64url import base64url, from_base64url
from fairlot.manifest.keys import thumbprint

# RFC 8037, appendix A.1 (private and public key) and A.3 (thumbprint by RFC 7638).
D = "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"
X = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
KID = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


def test_signing_key__of_rfc_8037__has_the_published_public_half_and_thumbprint() -> None:
    key = SigningKey.from_private_bytes(from_base64url(D))
    assert key.public_jwk() == {
        "kty": "OKP",
        "crv": "Ed25519",
        "x": X,
        "kid": KID,
        "alg": "Ed25519",
        "use": "sig",
    }
    assert key.kid == KID
    assert base64url(key.private_bytes()) == D


@given(st.binary(min_size=32, max_size=32))
def test_signing_key__any__agrees_with_cryptography_and_joserfc(seed: bytes) -> None:
    key = SigningKey.from_private_bytes(seed)
    public = Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    assert key.public_jwk()["x"] == base64url(public)
    jwk = OKPKey.import_key({"kty": "OKP", "crv": "Ed25519", "x": base64url(public)})
    assert key.kid == thumbprint(base64url(public)) == jwk.thumbprint()


def test_signing_key__generated_twice__differs() -> None:
    assert SigningKey.generate().kid != SigningKey.generate().kid


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_signing_key__of_another_length__is_refused(length: int) -> None:
    with pytest.raises(InvalidKey, match=f"{length} bytes; an Ed25519 private key has 32"):
        SigningKey.from_private_bytes(bytes(length))


def test_signing_key__shown__does_not_tell_its_private_part() -> None:
    key = SigningKey.from_private_bytes(from_base64url(D))
    assert repr(key) == f"SigningKey(kid={KID!r})"


def test_jwks__of_public_keys__lists_them_in_order() -> None:
    keys = [SigningKey.generate().public_jwk() for _ in range(2)]
    assert msgspec.json.decode(jwks_json(iter(keys))) == {"keys": keys}


def test_jwks__with_a_private_key__is_refused() -> None:
    with pytest.raises(InvalidKey, match="is private"):
        jwks_json([{"kty": "OKP", "kid": "k", "x": X, "d": D}])


@given(st.binary(max_size=70))
def test_base64url__any_bytes__has_one_spelling_only(data: bytes) -> None:
    text = base64url(data)
    assert from_base64url(text) == data
    assert text == base64.urlsafe_b64encode(data).decode().rstrip("=")
    for other in (text + "=", text + "\n", " " + text, text + "é"):
        with pytest.raises(ValueError, match="base64url"):
            from_base64url(other)


@pytest.mark.parametrize("text", ["A", "AB", "AAB", "A+A=", "AA/A", "AA==", "A\ud800AA"])
def test_base64url__another_spelling__is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="base64url"):
        from_base64url(text)
