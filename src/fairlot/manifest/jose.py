"""Where joserfc is met: the registry of what we accept, signing, and checking a signature.

Loaded at the first signature or check only, because joserfc costs 80 ms to import.
"""

from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jws
from joserfc.errors import BadSignatureError, DecodeError, JoseError, UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jwk import OKPKey

from fairlot.manifest.errors import ManifestRefused, RefusalReason
from fairlot.manifest.keys import ACCEPTED_ALGORITHMS, ALGORITHM


class ManifestRegistry(jws.JWSRegistry):
    """Ed25519 by its name of RFC 9864 or by the older `EdDSA` (never Ed448), and nothing else."""

    max_payload_length = 24_000_000

    def get_alg(self, name: str) -> JWSAlgModel:
        if name not in ACCEPTED_ALGORITHMS:
            raise UnsupportedAlgorithmError(f"Algorithm of '{name}' is not accepted")
        return self.algorithms[ALGORITHM]


_registry: Final = ManifestRegistry()


def public_bytes(seed: bytes) -> bytes:
    """The public half of the private key `seed`."""
    return _private_key(seed).public_key.public_bytes(Encoding.Raw, PublicFormat.Raw)


def sign(protected: dict[str, str], payload: bytes, seed: bytes) -> jws.FlattenedJSONSerialization:
    key = _private_key(seed)
    return jws.serialize_json({"protected": protected}, payload, key, registry=_registry)


def verified_payload(document: jws.FlattenedJSONSerialization, x: str) -> bytes:
    """What the key with the public half `x` has signed. Raises ManifestRefused."""
    key = OKPKey.import_key({"kty": "OKP", "crv": ALGORITHM, "x": x})
    try:
        return jws.deserialize_json(document, key, registry=_registry).payload
    except BadSignatureError:
        detail = "the signature does not fit the document; it was changed, or cut on its way"
        raise ManifestRefused(RefusalReason.BAD_SIGNATURE, detail) from None
    except DecodeError:
        detail = "the payload is not base64url"
        raise ManifestRefused(RefusalReason.MALFORMED, detail) from None
    except JoseError as error:
        raise ManifestRefused(RefusalReason.UNSUPPORTED_HEADER, str(error)) from None


def has_signed(x: str, content: bytes, signature: bytes) -> bool:
    """Whether the key with the public half `x` has made a raw signature of `content`."""
    key = OKPKey.import_key({"kty": "OKP", "crv": ALGORITHM, "x": x})
    return _registry.get_alg(ALGORITHM).verify(content, signature, key)


def _private_key(seed: bytes) -> OKPKey:
    return OKPKey.import_key(OKPKey.binding.from_private_bytes(ALGORITHM, seed))
