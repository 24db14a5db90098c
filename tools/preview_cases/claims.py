"""Claims, their place and their time."""

from preview_cases.tokens import (
    CLAIMS,
    DAY_S,
    HEADER,
    NOW,
    Case,
    Json,
    given,
    json_of,
    refused,
    signed_parts,
    token,
)


def claim_cases() -> list[Case]:
    def of(claims: bytes) -> str:
        return ".".join(signed_parts(json_of(HEADER), claims))

    plain = json_of(CLAIMS)
    bare = {
        "claims that are no JSON": b"hero:bold",
        "claims that are empty": b"",
        "claims that are a list": b"[" + plain + b"]",
        "claims that are null": b"null",
        "claims that are no UTF-8": plain.replace(b"jti-1", b"jti-\xff"),
        "claims with a byte order mark": b"\xef\xbb\xbf" + plain,
        "claims with something behind": plain + b"x",
        "no claim": b"{}",
        "exp twice": plain[:-1] + b',"exp":1764999999}',
        "sub twice, the same": plain[:-1] + b',"sub":"hero:bold"}',
        "sub twice, once escaped": b'{"s\\u0075b":"hero:control",' + plain[1:],
        "an ignored claim twice": plain[:-1] + b',"a":1,"a":1}',
        "exp Infinity": plain.replace(b'"exp":1764000900', b'"exp":Infinity'),
        "exp 1e400": plain.replace(b'"exp":1764000900', b'"exp":1e400'),
    }
    wrong: list[tuple[str, Json]] = [
        *((f"no {name}", {name: ...}) for name in CLAIMS),
        *((f"{name} null", {name: None}) for name in CLAIMS),
        *((f"{name} a number", {name: 7}) for name in ("iss", "aud", "sub", "jti")),
        *((f"{name} empty", {name: ""}) for name in ("iss", "aud", "sub", "jti")),
        *((f"{name} true", {name: True}) for name in ("iat", "exp")),
        *((f"{name} a text", {name: str(NOW)}) for name in ("iat", "exp", "nbf")),
        ("aud a list", {"aud": ["shop"]}),
        ("jti a list", {"jti": ["jti-1"]}),
        ("sub an object", {"sub": {"hero": "bold"}}),
        ("exp with a fraction", {"exp": NOW + 900.5}),
        ("iat with a fraction", {"iat": NOW - 0.5}),
        ("iat negative", {"iat": -1}),
        ("exp over 2^53 - 1", {"exp": 2**53}),
        ("nbf null", {"nbf": None}),
        ("a list of audiences before a wrong issuer", {"aud": ["shop"], "iss": "other"}),
    ]
    return [
        *(refused(name, "malformed", of(claims)) for name, claims in bare.items()),
        *(refused(name, "malformed", token(claims=claims)) for name, claims in wrong),
    ]


def scope_cases() -> list[Case]:
    wrong: list[tuple[str, str, Json]] = [
        ("another organization", "wrong_issuer", {"iss": "other"}),
        ("the organization in another case", "wrong_issuer", {"iss": "Acme"}),
        ("the organization as a URL", "wrong_issuer", {"iss": "https://acme"}),
        ("another project", "wrong_audience", {"aud": "other"}),
        ("a longer project", "wrong_audience", {"aud": "shop2"}),
        ("another experiment", "wrong_subject", {"sub": "price:bold"}),
        ("another variant", "wrong_subject", {"sub": "hero:control"}),
        ("the experiment alone", "wrong_subject", {"sub": "hero"}),
        ("a blank behind the subject", "wrong_subject", {"sub": "hero:bold "}),
        ("any variant", "wrong_subject", {"sub": "hero:*"}),
        (
            "a wrong issuer before a wrong audience",
            "wrong_issuer",
            {"iss": "o", "aud": "p", "sub": "q"},
        ),
        ("a wrong audience before a wrong subject", "wrong_audience", {"aud": "p", "sub": "q"}),
        (
            "a wrong subject before an expired one",
            "wrong_subject",
            {"sub": "q", "exp": 1, "iat": 0},
        ),
        ("a revoked jti", "revoked", {"jti": "jti-revoked"}),
        ("another revoked jti", "revoked", {"jti": "jti-revoked-too"}),
        (
            "an expired one before a revoked one",
            "expired",
            {"jti": "jti-revoked", "iat": 0, "exp": 900},
        ),
    ]
    plain = token()
    return [
        *(refused(name, reason, token(claims=claims)) for name, reason, claims in wrong),
        refused("asked for by another organization", "wrong_issuer", plain, org="other"),
        refused("asked for in another project", "wrong_audience", plain, project="other"),
        refused("asked for with another experiment", "wrong_subject", plain, experiment="price"),
        refused("asked for with another variant", "wrong_subject", plain, variant="control"),
    ]


def time_cases() -> list[Case]:
    plain, late = token(), {"nbf": NOW + 100}
    week = {"iat": NOW, "exp": NOW + 7 * DAY_S}
    longer = {"iat": NOW, "exp": NOW + 7 * DAY_S + 1}
    end = NOW + 900
    return [
        given("at the second of issue", plain, now=NOW),
        given("59 s before the issue", plain, now=NOW - 59),
        given("60 s before the issue", plain, now=NOW - 60),
        refused("61 s before the issue", "not_yet_valid", plain, now=NOW - 61),
        given("a second before the end", plain, now=end - 1),
        given("at the end", plain, now=end),
        given("59 s after the end", plain, now=end + 59),
        refused("60 s after the end", "expired", plain, now=end + 60),
        refused("61 s after the end", "expired", plain, now=end + 61),
        refused("a year later", "expired", plain, now=NOW + 365 * DAY_S),
        refused("in 1970", "not_yet_valid", plain, now=0),
        given("60 s before nbf", token(claims=late), now=NOW + 40),
        refused("61 s before nbf", "not_yet_valid", token(claims=late), now=NOW + 39),
        given("exactly seven days", token(claims=week), week),
        refused("seven days and a second", "too_long", token(claims=longer)),
        refused(
            "seven days and a second, expired", "expired", token(claims=longer), now=NOW + 8 * DAY_S
        ),
        refused("for ever", "too_long", token(claims={"exp": 2**53 - 1})),
        refused(
            "not yet valid before too long",
            "not_yet_valid",
            token(claims={"iat": NOW + 61, "exp": NOW + 8 * DAY_S}),
        ),
        refused(
            "too long before revoked", "too_long", token(claims={**longer, "jti": "jti-revoked"})
        ),
    ]
