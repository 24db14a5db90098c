"""Keys and signatures."""

import base64

from preview_cases.tokens import (
    CLAIMS,
    DAY_S,
    FOREIGN,
    HEADER,
    NEXT,
    NOW,
    OURS,
    Case,
    Json,
    changed,
    json_of,
    jwk,
    kid_of,
    public_bytes,
    refused,
    signed_parts,
    text_of,
    token,
)

GROUP_ORDER = 2**252 + 27742317777372353535851937790883648493


def malleated(signed: bytes) -> bytes:
    """The signature with the group's order added: the same point equation, another text."""
    signature = OURS.sign(signed)
    s = int.from_bytes(signature[32:], "little") + GROUP_ORDER
    return signature[:32] + s.to_bytes(32, "little")


def key_cases() -> list[Case]:
    whole = token()
    x = text_of(public_bytes(OURS))
    sets: dict[str, list[Json]] = {
        "no key at all": [],
        "another type of key": [jwk(OURS, kty="EC")],
        "another curve": [jwk(OURS, crv="X25519")],
        "a key of 31 bytes": [jwk(OURS, x=text_of(public_bytes(OURS)[:31]))],
        "a key of 33 bytes": [jwk(OURS, x=text_of(public_bytes(OURS) + b"x"))],
        "a key with padding": [jwk(OURS, x=x + "=")],
        "a key without x": [changed(jwk(OURS), {"x": ...})],
        "a key whose x is a number": [jwk(OURS, x=1)],
        "a key without a kid": [changed(jwk(OURS), {"kid": ...})],
        "a key for encryption": [jwk(OURS, use="enc")],
        "a key for another algorithm": [jwk(OURS, alg="ES256")],
        "the right key under another kid": [jwk(OURS, kid="first")],
        "another organization's key under our kid": [jwk(FOREIGN, kid=kid_of(OURS))],
    }
    named = jwk(OURS, kid="first")
    return [
        *(refused(name, "unknown_key", whole, jwks={"keys": keys}) for name, keys in sets.items()),
        refused(
            "a kid that is no thumbprint, in token and set",
            "unknown_key",
            token({"kid": "first"}),
            jwks={"keys": [named]},
        ),
    ]


def signature_cases() -> list[Case]:
    first, second, third = token().split(".")
    signature = base64.urlsafe_b64decode(third + "==")
    other = text_of(json_of({**CLAIMS, "sub": "hero:control"}))
    longer = text_of(json_of({**CLAIMS, "exp": NOW + DAY_S}))

    def flipped(at: int) -> str:
        byte = bytes([signature[at] ^ 1])
        return f"{first}.{second}.{text_of(signature[:at] + byte + signature[at + 1 :])}"

    return [
        refused("the first byte flipped", "bad_signature", flipped(0)),
        refused("the last byte flipped", "bad_signature", flipped(63)),
        refused("a byte in the middle flipped", "bad_signature", flipped(32)),
        refused("64 zero bytes", "bad_signature", token(sign=lambda _: bytes(64))),
        refused(
            "a byte too many", "bad_signature", token(sign=lambda data: OURS.sign(data) + b"\0")
        ),
        refused("a byte too few", "bad_signature", token(sign=lambda data: OURS.sign(data)[:63])),
        refused("the group's order added", "bad_signature", token(sign=malleated)),
        refused("another organization's key", "bad_signature", token(sign=FOREIGN.sign)),
        refused("the next key under the first one's id", "bad_signature", token(sign=NEXT.sign)),
        refused(
            "claims of another variant under the signature",
            "bad_signature",
            f"{first}.{other}.{third}",
        ),
        refused("a longer life under the signature", "bad_signature", f"{first}.{longer}.{third}"),
        refused("a header changed after signing", "bad_signature", resealed({"alg": "EdDSA"})),
        refused("only the claims are signed", "bad_signature", claims_signed_alone()),
        refused(
            "an attacker's key in jwk",
            "bad_signature",
            token({"jwk": jwk(FOREIGN, kid=kid_of(OURS))}, sign=FOREIGN.sign),
        ),
        refused(
            "an attacker's key in jwk under its own id",
            "unknown_key",
            token({"kid": kid_of(FOREIGN), "jwk": jwk(FOREIGN)}, sign=FOREIGN.sign),
        ),
        refused(
            "an attacker's jku",
            "bad_signature",
            token({"jku": "https://evil.example/"}, sign=FOREIGN.sign),
        ),
        refused(
            "a forged token with bad claims",
            "bad_signature",
            token(claims={"iss": "other"}, sign=FOREIGN.sign),
        ),
        refused(
            "forged claims that are no JSON",
            "bad_signature",
            ".".join(signed_parts(json_of(HEADER), b"x", FOREIGN.sign)),
        ),
    ]


def resealed(header: Json) -> str:
    """Another header over the claims and the signature of a good token."""
    _, second, third = token().split(".")
    return f"{text_of(json_of({**HEADER, **header}))}.{second}.{third}"


def claims_signed_alone() -> str:
    return token(sign=lambda data: OURS.sign(data.split(b".")[1]))
