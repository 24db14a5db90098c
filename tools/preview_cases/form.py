"""Tokens whose form or header is refused, and those that are taken."""

import base64
import hashlib
import hmac
from collections.abc import Callable

from preview_cases.tokens import (
    CLAIMS,
    DAY_S,
    FOREIGN,
    HEADER,
    JWKS,
    NEXT,
    NOW,
    OURS,
    Case,
    Json,
    given,
    json_of,
    jwk,
    kid_of,
    public_bytes,
    refused,
    signed_parts,
    text_of,
    token,
    token_of_length,
)


def keyed_hash(secret: bytes) -> Callable[[bytes], bytes]:
    return lambda signed: hmac.new(secret, signed, hashlib.sha256).digest()


def accepted_cases() -> list[Case]:
    spaced = (
        b' {"typ" : "fairlot-preview+jwt",\n "alg":"Ed25519","kid":"%b"}\n' % kid_of(OURS).encode()
    )
    escaped = json_of(CLAIMS).replace(b"hero:bold", b"her\\u006f:bold")
    long_life = {"iat": NOW - DAY_S, "exp": NOW + 6 * DAY_S}
    return [
        given("as it is minted", token()),
        given("the older name of the algorithm", token({"alg": "EdDSA"})),
        given("the next key", token({"kid": kid_of(NEXT)}, sign=NEXT.sign)),
        given("white space and another order in the header", spaced_token(spaced)),
        given("escapes in the claims", ".".join(signed_parts(json_of(HEADER), escaped))),
        given("further claims are ignored", token(claims={"name": "Q", "admin": True})),
        given("further header members are ignored", token({"cty": "JWT", "x": [1]})),
        given("jku is ignored", token({"jku": "https://evil.example/jwks.json"})),
        given("jwk is ignored", token({"jwk": jwk(FOREIGN)})),
        given("x5u is ignored", token({"x5u": "https://evil.example/cert.pem"})),
        given("x5c is ignored", token({"x5c": ["MIIB"]})),
        given("seven days", token(claims=long_life), long_life),
        given("a time in the past", token(claims={"nbf": NOW - 5})),
        given("a whole number with a fraction of zero", float_token()),
        given("a jti outside ASCII", token(claims={"jti": "j\u00fc"}), {"jti": "j\u00fc"}),
        given(
            "nothing is revoked",
            token(claims={"jti": "jti-revoked"}),
            {"jti": "jti-revoked"},
            revoked=[],
        ),
        given("a revoked jti in part", token(claims={"jti": "jti-revok"}), {"jti": "jti-revok"}),
        given("4096 characters", token_of_length(4096)),
        *same_key_cases(),
    ]


def spaced_token(header: bytes) -> str:
    return ".".join(signed_parts(header, json_of(CLAIMS)))


def float_token() -> str:
    claims = json_of(CLAIMS).replace(str(NOW).encode(), f"{NOW}.0".encode())
    return ".".join(signed_parts(json_of(HEADER), claims))


def same_key_cases() -> list[Case]:
    rsa = {"kty": "RSA", "kid": kid_of(OURS), "n": "AQAB", "e": "AQAB"}
    short = jwk(OURS, x=text_of(public_bytes(OURS)[:31]))
    foreign = jwk(FOREIGN, kid=kid_of(OURS))
    private = jwk(OURS, d=text_of(OURS.private_bytes_raw()))
    sets: dict[str, list[Json]] = {
        "an RSA key of the same id before it": [rsa, *JWKS["keys"]],
        "a broken key of the same id before it": [short, *JWKS["keys"]],
        "another organization's key of the same id before it": [foreign, *JWKS["keys"]],
        "a private key in the set": [private],
        "a key for the older name": [jwk(OURS, alg="EdDSA")],
        "a key with further members": [jwk(OURS, exp=1, key_ops=["verify"], x5u="https://a/")],
    }
    return [given(name, token(), jwks={"keys": keys}) for name, keys in sets.items()]


def form_cases() -> list[Case]:
    whole = token()
    first, second, third = whole.split(".")
    return [
        refused("empty", "malformed", ""),
        refused("4097 characters", "too_large", token_of_length(4097)),
        refused("4097 characters that are no token", "too_large", "x" * 4097),
        refused("4096 characters that are no token", "malformed", "x" * 4096),
        refused("10 KB", "too_large", token_of_length(10_240)),
        refused("one part", "malformed", first),
        refused("truncated after two parts", "malformed", f"{first}.{second}"),
        refused("four parts", "malformed", f"{whole}.{third}"),
        refused("five parts, as an encrypted token has", "malformed", f"{whole}..{third}"),
        refused("truncated before the last character", "malformed", whole[:-1]),
        refused("truncated in the signature", "bad_signature", whole[:-2]),
        refused("without a signature", "bad_signature", f"{first}.{second}."),
        refused("without claims", "bad_signature", f"{first}..{third}"),
        refused("without a header", "malformed", f".{second}.{third}"),
        refused("padding", "malformed", f"{whole}=="),
        refused("padding in the header", "malformed", f"{first}=.{second}.{third}"),
        refused("a blank before", "malformed", f" {whole}"),
        refused("a line feed behind", "malformed", f"{whole}\n"),
        refused("a line feed inside", "malformed", f"{first}.\n{second}.{third}"),
        refused("characters of plain base64", "malformed", f"{first}.{second}.{plus_for(third)}"),
        refused("a character outside ASCII", "malformed", f"{first}.{second}.{third[:-1]}\u00e9"),
        refused("a NUL behind", "malformed", f"{whole}\u0000"),
        refused("left-over bits in the signature", "malformed", f"{first}.{second}.{loose(third)}"),
        refused("left-over bits in the header", "malformed", f"{loose_header()}.{second}.{third}"),
        refused("a bearer prefix", "malformed", f"Bearer {whole}"),
    ]


def plus_for(part: str) -> str:
    """As the other alphabet of RFC 4648 would spell it, with at least one such character."""
    return "+/" + part[2:]


def loose(part: str) -> str:
    """The same bytes, spelled with a bit that nobody reads."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    spelled = part[:-1] + letters[letters.index(part[-1]) + 1]
    assert base64.urlsafe_b64decode(spelled + "==") == base64.urlsafe_b64decode(part + "==")  # noqa: S101
    return spelled


def loose_header() -> str:
    """The header with as many blanks as leave bits over."""
    header = json_of(HEADER)
    while len(header) % 3 != 1:
        header += b" "
    return loose(text_of(header))


def header_cases() -> list[Case]:
    def of(header: bytes) -> str:
        return ".".join(signed_parts(header, json_of(CLAIMS)))

    plain = json_of(HEADER)
    latin = plain.replace(b"preview", b"previ\xffw")
    return [
        refused("a header that is no JSON", "malformed", of(b"nothing")),
        refused("a header that is a list", "malformed", of(b"[]")),
        refused("a header that is a text", "malformed", of(b'"Ed25519"')),
        refused("a header that is null", "malformed", of(b"null")),
        refused("a header with something behind", "malformed", of(plain + b"{}")),
        refused("a header with a byte order mark", "malformed", of(b"\xef\xbb\xbf" + plain)),
        refused("a header that is no UTF-8", "malformed", of(latin)),
        refused("a header with NaN", "malformed", of(plain[:-1] + b',"a":NaN}')),
        refused("a header in UTF-16", "malformed", of(plain.decode().encode("utf-16-le"))),
        refused("alg twice", "malformed", of(b'{"alg":"none",' + plain[1:])),
        refused(
            "typ twice, the same", "malformed", of(plain[:-1] + b',"typ":"fairlot-preview+jwt"}')
        ),
        refused("alg twice, once escaped", "malformed", of(b'{"\\u0061lg":"none",' + plain[1:])),
        refused("an ignored member twice", "malformed", of(plain[:-1] + b',"a":1,"a":2}')),
        *member_cases(),
    ]


def member_cases() -> list[Case]:
    wrong: list[tuple[str, str, Json]] = [
        ("an empty header", "wrong_type", dict.fromkeys(HEADER, ...)),
        ("no typ", "wrong_type", {"typ": ...}),
        ("typ JWT", "wrong_type", {"typ": "JWT"}),
        ("the type of a manifest", "wrong_type", {"typ": "fairlot-manifest+jws"}),
        ("the type of a draft", "wrong_type", {"typ": "fairlot-draft+jws"}),
        ("typ in upper case", "wrong_type", {"typ": "FAIRLOT-PREVIEW+JWT"}),
        ("typ with application/", "wrong_type", {"typ": "application/fairlot-preview+jwt"}),
        ("typ in a list", "wrong_type", {"typ": ["fairlot-preview+jwt"]}),
        ("a wrong typ before a wrong alg", "wrong_type", {"typ": "JWT", "alg": "none"}),
        ("no alg", "wrong_algorithm", {"alg": ...}),
        ("alg in lower case", "wrong_algorithm", {"alg": "ed25519"}),
        ("alg EDDSA", "wrong_algorithm", {"alg": "EDDSA"}),
        ("alg with a blank", "wrong_algorithm", {"alg": "Ed25519 "}),
        ("alg null", "wrong_algorithm", {"alg": None}),
        ("alg in a list", "wrong_algorithm", {"alg": ["Ed25519"]}),
        ("alg Ed448", "wrong_algorithm", {"alg": "Ed448"}),
        ("alg ES256", "wrong_algorithm", {"alg": "ES256"}),
        ("alg RS256", "wrong_algorithm", {"alg": "RS256"}),
        ("a wrong alg before crit", "wrong_algorithm", {"alg": "RS256", "crit": ["exp"]}),
        ("crit", "unsupported_header", {"crit": ["exp"], "exp": NOW}),
        ("crit that is empty", "unsupported_header", {"crit": []}),
        ("crit null", "unsupported_header", {"crit": None}),
        ("b64 false", "unsupported_header", {"b64": False, "crit": ["b64"]}),
        ("b64 true without crit", "unsupported_header", {"b64": True}),
        ("crit before an unknown key", "unsupported_header", {"crit": ["exp"], "kid": "gone"}),
        ("no kid", "unknown_key", {"kid": ...}),
        ("kid of no key", "unknown_key", {"kid": "gone"}),
        ("kid in another case", "unknown_key", {"kid": kid_of(OURS).swapcase()}),
        ("an empty kid", "unknown_key", {"kid": ""}),
        ("kid a number", "unknown_key", {"kid": 1}),
        ("kid null", "unknown_key", {"kid": None}),
        ("kid a list", "unknown_key", {"kid": [kid_of(OURS)]}),
    ]
    none = {"alg": "none"}
    return [
        *(refused(name, reason, token(header)) for name, reason, header in wrong),
        refused("alg none without a signature", "wrong_algorithm", token(none, sign=lambda _: b"")),
        refused("alg none with a good signature", "wrong_algorithm", token(none)),
        refused(
            "alg None without a signature",
            "wrong_algorithm",
            token({"alg": "None"}, sign=lambda _: b""),
        ),
        *hs256_cases(),
    ]


def hs256_cases() -> list[Case]:
    secrets = {
        "the public key": public_bytes(OURS),
        "the text of the public key": text_of(public_bytes(OURS)).encode(),
        "the JWK": json_of(JWKS["keys"][0]),
        "nothing": b"",
    }
    return [
        refused(
            f"HS256 with {name} as the secret",
            "wrong_algorithm",
            token({"alg": "HS256"}, sign=keyed_hash(secret)),
        )
        for name, secret in secrets.items()
    ]
