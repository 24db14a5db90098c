"""Preview links and tokens (RULES P): one check a row, with `cryptography` and the stdlib alone."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote_plus

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from reference.sticky import EXPERIMENT, VARIANT

BASE64URL = re.compile(r"[A-Za-z0-9_-]*")
TOKEN_TYPE = "fairlot-preview+jwt"  # noqa: S105 - a name, not a secret
ALGORITHMS = ("Ed25519", "EdDSA")
LONGEST_TOKEN = 4096
SKEW_S = 60
LONGEST_LIFE_S = 7 * 24 * 3600
LARGEST_TIME = 2**53 - 1
Json = Mapping[str, Any]


class RefusedToken(Exception):
    """`args[0]` is the reason."""


def link_of(url: str) -> dict[str, str] | None:
    """Experiment, variant and token of a preview link."""
    _, _, query = url.partition("#")[0].partition("?")
    found: dict[str, str] = {}
    for part in query.split("&"):
        name, _, value = part.partition("=")
        found.setdefault(unquote_plus(name), unquote_plus(value))
    experiment, _, variant = found.get("fxpreview", "").partition(":")
    token = found.get("fxtoken", "")
    if not (EXPERIMENT.fullmatch(experiment) and VARIANT.fullmatch(variant) and token):
        return None
    return {"experiment": experiment, "variant": variant, "token": token}


def bytes_of(text: Any) -> bytes:
    """ValueError unless `text` is how base64url spells some bytes."""
    if not isinstance(text, str) or not BASE64URL.fullmatch(text) or len(text) % 4 == 1:
        raise ValueError(text)
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != text:
        raise ValueError(text)
    return data


def object_of(data: bytes) -> Json:
    """ValueError unless it is a JSON object without repeated members."""

    def once(members: Sequence[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(members)
        if len(made) != len(members):
            raise ValueError("repeated member")
        return made

    def never(constant: str) -> None:
        raise ValueError(constant)

    value = json.loads(data.decode("utf-8"), object_pairs_hook=once, parse_constant=never)
    if not isinstance(value, dict):
        raise ValueError("no object")
    return value


def usable_key(jwks: Json, kid: Any) -> Ed25519PublicKey | None:
    for jwk in jwks.get("keys", []):
        kind = jwk.get("kty"), jwk.get("crv"), jwk.get("use", "sig")
        if kind != ("OKP", "Ed25519", "sig") or jwk.get("alg", "EdDSA") not in ALGORITHMS:
            continue
        if jwk.get("kid") == kid == thumbprint(jwk.get("x")):
            try:
                return Ed25519PublicKey.from_public_bytes(bytes_of(jwk["x"]))
            except ValueError:
                continue
    return None


def thumbprint(x: Any) -> str:
    """RFC 7638, of an Ed25519 key."""
    text = f'{{"crv":"Ed25519","kty":"OKP","x":{json.dumps(x)}}}'
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def is_time(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and value == value // 1 and 0 <= value <= LARGEST_TIME


def well_formed(claims: Json) -> bool:
    texts = (claims.get(name) for name in ("iss", "aud", "sub", "jti"))
    times = (claims.get("iat"), claims.get("exp"), claims.get("nbf", 0))
    return all(isinstance(text, str) and text for text in texts) and all(map(is_time, times))


def signature_holds(key: Ed25519PublicKey, signature: bytes, signed: bytes) -> bool:
    try:
        key.verify(signature, signed)
    except InvalidSignature:
        return False
    return True


def header_faults(header: Json) -> Iterator[tuple[bool, str]]:
    yield header.get("typ") != TOKEN_TYPE, "wrong_type"
    yield header.get("alg") not in ALGORITHMS, "wrong_algorithm"
    yield "crit" in header or "b64" in header, "unsupported_header"
    yield not isinstance(header.get("kid"), str), "unknown_key"


def claim_faults(claims: Json, case: Json) -> Iterator[tuple[bool, str]]:
    yield not well_formed(claims), "malformed"
    yield claims["iss"] != case["org"], "wrong_issuer"
    yield claims["aud"] != case["project"], "wrong_audience"
    yield claims["sub"] != f"{case['experiment']}:{case['variant']}", "wrong_subject"
    begins = max(claims["iat"], claims.get("nbf", 0))
    yield begins > case["now"] + SKEW_S, "not_yet_valid"
    yield case["now"] >= claims["exp"] + SKEW_S, "expired"
    yield claims["exp"] - claims["iat"] > LONGEST_LIFE_S, "too_long"
    yield claims["jti"] in case["revoked"], "revoked"


def refuse_first(faults: Iterator[tuple[bool, str]]) -> None:
    for found, reason in faults:
        if found:
            raise RefusedToken(reason)


def claims_of(case: Json) -> dict[str, Any]:
    """RefusedToken with the reason of the first check that fails."""
    token = case["token"]
    if len(token) > LONGEST_TOKEN:
        raise RefusedToken("too_large")
    try:
        first, second, third = token.split(".")
        payload, signature = bytes_of(second), bytes_of(third)
        header = object_of(bytes_of(first))
    except ValueError as error:
        raise RefusedToken("malformed") from error
    refuse_first(header_faults(header))
    key = usable_key(case["jwks"], header["kid"])
    if key is None:
        raise RefusedToken("unknown_key")
    if not signature_holds(key, signature, f"{first}.{second}".encode()):
        raise RefusedToken("bad_signature")
    try:
        claims = object_of(payload)
    except ValueError as error:
        raise RefusedToken("malformed") from error
    refuse_first(claim_faults(claims, case))
    return {name: claims[name] for name in ("iss", "aud", "sub", "iat", "exp", "jti")}
