"""Preview tokens: the round trip, the edges of their times, and every way to forge one."""

import hmac
from dataclasses import replace
from hashlib import sha256
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from fairlot.manifest import (
    InvalidPreview,
    PreviewClaims,
    PreviewRefusal,
    PreviewRefused,
    SigningKey,
    sign_preview,
    verify_preview,
)
from fairlot.manifest.base64url import base64url, from_base64url
from fairlot.manifest.previews import (
    DEFAULT_TTL_S,
    LONGEST_TTL_S,
    MAX_TOKEN_CHARACTERS,
    SKEW_S,
    PreviewLink,
    check_preview,
    link_at,
    link_query,
    read_link,
    read_preview,
)

KEY = SigningKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = SigningKey.from_private_bytes(bytes(32))
JWKS = {"keys": [KEY.public_jwk()]}
NOW_S = 1_795_413_600
HEADER = {"alg": "Ed25519", "kid": KEY.kid, "typ": "fairlot-preview+jwt"}
CLAIMS = {
    "iss": "acme",
    "aud": "shop",
    "sub": "hero:bold",
    "iat": NOW_S,
    "exp": NOW_S + DEFAULT_TTL_S,
    "jti": "prv_1",
}
HERE = {"org": "acme", "project": "shop", "experiment_key": "hero", "variant_key": "bold"}


def signed(**fields: Any) -> str:
    plain = {"now_s": NOW_S, "ttl_s": DEFAULT_TTL_S, "jti": "prv_1", "key": KEY, **HERE}
    return sign_preview(**{**plain, **fields})


def token_of(
    claims: bytes | dict[str, Any] = CLAIMS,
    header: bytes | dict[str, Any] = HEADER,
    key: SigningKey = KEY,
) -> str:
    """A token signed over anything, also what `sign_preview` would never write."""
    parts = [
        each if isinstance(each, bytes) else msgspec.json.encode(each) for each in (header, claims)
    ]
    text = ".".join(map(base64url, parts))
    private = Ed25519PrivateKey.from_private_bytes(key.private_bytes())
    return f"{text}.{base64url(private.sign(text.encode()))}"


def with_claims(**claims: Any) -> str:
    """None leaves a claim out."""
    return token_of({name: each for name, each in {**CLAIMS, **claims}.items() if each is not None})


def with_header(**header: Any) -> str:
    return token_of(
        header={name: each for name, each in {**HEADER, **header}.items() if each is not None}
    )


def verified(token: str, **there: Any) -> PreviewClaims:
    return verify_preview(token, there.pop("jwks", JWKS), **{"now_s": NOW_S, **HERE, **there})


def refusal_of(token: str, **there: Any) -> PreviewRefused:
    with pytest.raises(PreviewRefused) as caught:
        verified(token, **there)
    assert not token or token not in str(caught.value)
    assert len(str(caught.value)) < 400
    return caught.value


def test_preview__signed__verifies_and_says_what_it_shows() -> None:
    assert verified(signed()) == PreviewClaims(
        org="acme",
        project="shop",
        subject="hero:bold",
        valid_from_s=NOW_S,
        issued_at_s=NOW_S,
        expires_at_s=NOW_S + 900,
        jti="prv_1",
        kid=KEY.kid,
    )


def test_preview__its_form__is_a_jwt_with_these_members() -> None:
    header, claims, signature = signed().split(".")
    assert msgspec.json.decode(from_base64url(header)) == HEADER
    assert msgspec.json.decode(from_base64url(claims)) == CLAIMS
    public = Ed25519PublicKey.from_public_bytes(from_base64url(KEY.public_jwk()["x"]))
    public.verify(from_base64url(signature), f"{header}.{claims}".encode())


def test_preview__made_here_by_hand__is_the_same_token() -> None:
    assert token_of() == signed()


def test_preview__older_name_of_the_algorithm__verifies() -> None:
    assert verified(with_header(alg="EdDSA")).jti == "prv_1"


@pytest.mark.parametrize("ttl_s", [0, -1, LONGEST_TTL_S + 1])
def test_sign_preview__ttl_out_of_range__is_refused_by_name(ttl_s: int) -> None:
    with pytest.raises(InvalidPreview, match=f"ttl: {ttl_s}: use 1 to 604800 seconds"):
        signed(ttl_s=ttl_s)


@pytest.mark.parametrize("jti", ["", "a b", "x" * 65, "ä"])
def test_sign_preview__id_that_cannot_be_one__is_refused_by_name(jti: str) -> None:
    with pytest.raises(InvalidPreview, match="jti"):
        signed(jti=jti)


def test_preview__for_7_days__is_the_longest() -> None:
    assert verified(signed(ttl_s=LONGEST_TTL_S)).expires_at_s == NOW_S + LONGEST_TTL_S
    refused = refusal_of(with_claims(exp=NOW_S + LONGEST_TTL_S + 1))
    assert (refused.reason, refused.detail) == (
        PreviewRefusal.TOO_LONG,
        "it is valid for 604801 s; at most 604800 s are accepted",
    )


@pytest.mark.parametrize(
    ("now_s", "reason"),
    [
        (NOW_S - SKEW_S - 1, PreviewRefusal.NOT_YET_VALID),
        (NOW_S - SKEW_S, None),
        (NOW_S + DEFAULT_TTL_S + SKEW_S - 0.001, None),
        (NOW_S + DEFAULT_TTL_S + SKEW_S, PreviewRefusal.EXPIRED),
    ],
)
def test_preview__at_the_edges_of_its_time__allows_60_s_of_skew(
    now_s: float, reason: PreviewRefusal | None
) -> None:
    if reason is None:
        assert verified(signed(), now_s=now_s)
    else:
        assert refusal_of(signed(), now_s=now_s).reason is reason


def test_preview__expired__says_when() -> None:
    detail = refusal_of(signed(), now_s=NOW_S + 10_000).detail
    assert detail == "it expired at 2026-11-23T06:15:00.000Z; make a new link"


@pytest.mark.parametrize(
    ("there", "reason"),
    [
        ({"org": "other"}, PreviewRefusal.WRONG_ISSUER),
        ({"project": "other"}, PreviewRefusal.WRONG_AUDIENCE),
        ({"experiment_key": "other"}, PreviewRefusal.WRONG_SUBJECT),
        ({"variant_key": "other"}, PreviewRefusal.WRONG_SUBJECT),
        ({"variant_key": ""}, PreviewRefusal.WRONG_SUBJECT),
        ({"revoked": {"prv_0", "prv_1"}}, PreviewRefusal.REVOKED),
    ],
)
def test_preview__replayed_elsewhere__is_refused(
    there: dict[str, Any], reason: PreviewRefusal
) -> None:
    assert refusal_of(signed(), **there).reason is reason


def test_preview__another_revoked__verifies() -> None:
    assert verified(signed(), revoked=["prv_0"])


@pytest.mark.parametrize(
    ("token", "reason", "detail"),
    [
        ("", PreviewRefusal.MALFORMED, "three parts"),
        ("a.b", PreviewRefusal.MALFORMED, "three parts"),
        ("a.b.c.d", PreviewRefusal.MALFORMED, "three parts"),
        (signed() + "\udcff", PreviewRefusal.MALFORMED, "three parts"),
        (signed().replace("e", "é"), PreviewRefusal.MALFORMED, "three parts"),
        (signed()[1:], PreviewRefusal.MALFORMED, "three parts"),
        (signed()[:-1], PreviewRefusal.MALFORMED, "three parts"),
        (signed() + "=", PreviewRefusal.MALFORMED, "three parts"),
        (" " + signed(), PreviewRefusal.MALFORMED, "three parts"),
        ("..", PreviewRefusal.MALFORMED, "header cannot be read"),
        (token_of(header=b"[]"), PreviewRefusal.MALFORMED, "not an object"),
        (token_of(header=b"[" * 2000), PreviewRefusal.MALFORMED, "header cannot be read"),
        (token_of(header=b"\xff"), PreviewRefusal.MALFORMED, "header cannot be read"),
        (
            token_of(header=msgspec.json.encode(HEADER)[:-1] + b',"alg":"Ed25519"}'),
            PreviewRefusal.MALFORMED,
            "named twice",
        ),
        (with_header(typ=None), PreviewRefusal.WRONG_TYPE, "typ is None"),
        (with_header(typ=["fairlot-preview+jwt"]), PreviewRefusal.WRONG_TYPE, "typ is ["),
        (with_header(typ="JWT"), PreviewRefusal.WRONG_TYPE, "typ is 'JWT'"),
        (with_header(typ="fairlot-manifest+jws"), PreviewRefusal.WRONG_TYPE, "preview+jwt"),
        (with_header(typ="fairlot-draft+jws"), PreviewRefusal.WRONG_TYPE, "preview+jwt"),
        (with_header(alg=None), PreviewRefusal.WRONG_ALGORITHM, "alg is None"),
        (with_header(alg=["Ed25519"]), PreviewRefusal.WRONG_ALGORITHM, "alg is ["),
        (with_header(alg="none"), PreviewRefusal.WRONG_ALGORITHM, "alg is 'none'"),
        (with_header(alg="None"), PreviewRefusal.WRONG_ALGORITHM, "alg is 'None'"),
        (with_header(alg="ES256"), PreviewRefusal.WRONG_ALGORITHM, "alg is 'ES256'"),
        (with_header(alg="x" * 900), PreviewRefusal.WRONG_ALGORITHM, "alg is 'xxx"),
        (with_header(crit=["exp"]), PreviewRefusal.UNSUPPORTED_HEADER, "crit"),
        (with_header(b64=False), PreviewRefusal.UNSUPPORTED_HEADER, "b64"),
        (with_header(kid=None), PreviewRefusal.UNKNOWN_KEY, "kid is None"),
        (with_header(kid={"kid": 1}), PreviewRefusal.UNKNOWN_KEY, "kid is {"),
        (with_header(kid="nobody"), PreviewRefusal.UNKNOWN_KEY, "fetch it again"),
        (token_of(key=OTHER_KEY), PreviewRefusal.BAD_SIGNATURE, "does not fit"),
        (
            token_of(header={**HEADER, "kid": OTHER_KEY.kid}, key=OTHER_KEY),
            PreviewRefusal.UNKNOWN_KEY,
            "no Ed25519 key",
        ),
        (signed()[:-2], PreviewRefusal.BAD_SIGNATURE, "does not fit"),
        (signed() + "AAAA", PreviewRefusal.BAD_SIGNATURE, "does not fit"),
        (token_of(b"[]"), PreviewRefusal.MALFORMED, "claims cannot be read"),
        (token_of(b"\xff"), PreviewRefusal.MALFORMED, "claims cannot be read"),
        (token_of(b"[" * 1500), PreviewRefusal.MALFORMED, "claims cannot be read"),
        (
            token_of(msgspec.json.encode(CLAIMS)[:-1] + b',"sub":"hero:other"}'),
            PreviewRefusal.MALFORMED,
            "a member is named twice",
        ),
        (with_claims(iss=None), PreviewRefusal.MALFORMED, "iss"),
        (with_claims(aud=["shop"]), PreviewRefusal.MALFORMED, "aud"),
        (with_claims(aud=None), PreviewRefusal.MALFORMED, "aud"),
        (with_claims(aud=""), PreviewRefusal.MALFORMED, "aud"),
        (with_claims(sub="hero"), PreviewRefusal.WRONG_SUBJECT, "sub is 'hero'"),
        (with_claims(iat=None), PreviewRefusal.MALFORMED, "iat"),
        (with_claims(iat=NOW_S - 0.5), PreviewRefusal.MALFORMED, "iat"),
        (with_claims(iat=-1), PreviewRefusal.MALFORMED, "iat"),
        (with_claims(exp=None), PreviewRefusal.MALFORMED, "exp"),
        (with_claims(exp=True), PreviewRefusal.MALFORMED, "exp"),
        (with_claims(exp=str(NOW_S + 60)), PreviewRefusal.MALFORMED, "exp"),
        (with_claims(exp=2**53), PreviewRefusal.MALFORMED, "exp"),
        (token_of(b'{"exp":NaN}'), PreviewRefusal.MALFORMED, "NaN is no JSON"),
        (token_of(b'{"exp":Infinity}'), PreviewRefusal.MALFORMED, "Infinity is no JSON"),
        (with_claims(nbf="1"), PreviewRefusal.MALFORMED, "nbf"),
        (with_claims(nbf=NOW_S + 61), PreviewRefusal.NOT_YET_VALID, "still to come"),
        (with_claims(jti=None), PreviewRefusal.MALFORMED, "jti"),
        (with_claims(jti=""), PreviewRefusal.MALFORMED, "jti"),
        (with_claims(sub="hero:bold:x"), PreviewRefusal.WRONG_SUBJECT, "'hero:bold:x'"),
        (with_claims(sub="hero:Bold"), PreviewRefusal.WRONG_SUBJECT, "not 'hero:bold'"),
        (with_claims(iat=2**53 - 2, exp=2**53 - 1), PreviewRefusal.NOT_YET_VALID, "clocks"),
        (with_claims(iat=0, exp=2**53 - 1), PreviewRefusal.TOO_LONG, "at most 604800 s"),
    ],
)
def test_preview__not_as_it_must_be__is_refused_with_the_reason(
    token: str, reason: PreviewRefusal, detail: str
) -> None:
    refused = refusal_of(token)
    assert refused.reason is reason
    assert detail in refused.detail
    assert str(refused) == f"{reason}: {refused.detail}"


def test_preview__hs256_with_the_public_key_as_secret__is_refused() -> None:
    text = ".".join(
        base64url(msgspec.json.encode(each)) for each in ({**HEADER, "alg": "HS256"}, CLAIMS)
    )
    for secret in (KEY.public_jwk()["x"].encode(), from_base64url(KEY.public_jwk()["x"])):
        forged = f"{text}.{base64url(hmac.digest(secret, text.encode(), sha256))}"
        assert refusal_of(forged).reason is PreviewRefusal.WRONG_ALGORITHM


def test_preview__alg_none_without_signature__is_refused() -> None:
    header, claims, _ = with_header(alg="none").split(".")
    assert refusal_of(f"{header}.{claims}.").reason is PreviewRefusal.WRONG_ALGORITHM
    header, claims, _ = signed().split(".")
    assert refusal_of(f"{header}.{claims}.").reason is PreviewRefusal.BAD_SIGNATURE


@pytest.mark.parametrize(
    "header",
    [
        {"jku": "https://evil.example/jwks"},
        {"jwk": OTHER_KEY.public_jwk()},
        {"x5u": "https://evil.example/cert"},
        {"x5c": ["AAAA"]},
        {"jku": 5, "cty": "x" * 700, "zzz": None},
    ],
)
def test_preview__header_that_names_a_key__does_not_choose_it(header: dict[str, Any]) -> None:
    assert verified(with_header(**header)).jti == "prv_1"
    forged = token_of(header={**HEADER, **header}, key=OTHER_KEY)
    assert refusal_of(forged).reason is PreviewRefusal.BAD_SIGNATURE


def test_preview__key_under_an_id_that_is_not_its_thumbprint__is_unknown() -> None:
    jwks = {"keys": [{**OTHER_KEY.public_jwk(), "kid": KEY.kid}]}
    assert refusal_of(token_of(key=OTHER_KEY), jwks=jwks).reason is PreviewRefusal.UNKNOWN_KEY


def test_preview__over_4_kib__is_refused_before_it_is_read() -> None:
    filler = (MAX_TOKEN_CHARACTERS - len(with_claims(note=""))) * 3 // 4
    longest = with_claims(note="x" * filler)
    assert MAX_TOKEN_CHARACTERS - 3 <= len(longest) <= MAX_TOKEN_CHARACTERS
    assert verified(longest).jti == "prv_1"
    assert refusal_of("x" * 5000).reason is PreviewRefusal.TOO_LARGE
    assert refusal_of(longest + "xxxx").reason is PreviewRefusal.TOO_LARGE


def test_preview__claims_spelt_in_another_base64__are_malformed() -> None:
    claims = msgspec.json.encode(CLAIMS)
    claims += b" " * (-(len(claims) + 2) % 3)  # the last character then has four bits to spare
    header, encoded = base64url(msgspec.json.encode(HEADER)), base64url(claims)
    text = f"{header}.{encoded[:-1]}{chr(ord(encoded[-1]) + 1)}"
    private = Ed25519PrivateKey.from_private_bytes(KEY.private_bytes())
    refused = refusal_of(f"{text}.{base64url(private.sign(text.encode()))}")
    assert refused.reason is PreviewRefusal.MALFORMED
    assert "base64url" in refused.detail


@given(st.data())
def test_preview__any_character_changed__is_refused(data: st.DataObject) -> None:
    token = signed()
    at = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.characters().filter(lambda char: char != token[at]))
    assert refusal_of(token[:at] + other + token[at + 1 :])


@given(st.text())
def test_preview__any_text__is_refused(text: str) -> None:
    with pytest.raises(PreviewRefused):
        verified(text)


@pytest.mark.parametrize("nbf", [0, NOW_S + 60, float(NOW_S)])
def test_preview__with_nbf_that_has_come__verifies(nbf: float) -> None:
    assert verified(with_claims(nbf=nbf)).valid_from_s == max(NOW_S, nbf)


def test_preview__whole_numbers_with_a_fraction_of_zero__verify() -> None:
    assert verified(with_claims(iat=float(NOW_S), exp=NOW_S + 60.0)).expires_at_s == NOW_S + 60


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example/a?fxpreview=hero:bold&fxtoken=t.o.k",
        "/a?fxpreview=hero:bold&fxtoken=t.o.k#top?fxtoken=x",
        "?a=b&fxtoken=t.o.k&fxpreview=hero%3Abold&c",
        "?%66xpreview=hero:bold&fxtoken=t%2Eo.k&fxpreview=other:x&fxtoken=y",
    ],
)
def test_read_link__with_both_parameters__is_a_link(url: str) -> None:
    assert read_link(url) == PreviewLink("hero", "bold", "t.o.k")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?",
        "?a=b",
        "?a=%41",
        "?fxpreview=hero:bold",
        "?fxpreview=hero:bold&fxtoken=",
        "?fxpreview=hero:bold&fxtoken",
        "?fxtoken=t.o.k",
        "?fxpreview=hero&fxtoken=t",
        "?fxpreview=hero:bold:x&fxtoken=t",
        "?fxpreview=Hero:bold&fxtoken=t",
        "?fxpreview=hero:&fxtoken=t",
        "?fxpreview=hero:bold%0A&fxtoken=t",
        "?fxpreview=hero+:bold&fxtoken=t",
        "#?fxpreview=hero:bold&fxtoken=t",
        "?fxpreview=&fxpreview=hero:bold&fxtoken=t",
    ],
)
def test_read_link__nothing_sensible_there__is_none(query: str) -> None:
    assert read_link(f"https://shop.example/{query}") is None


@pytest.mark.parametrize(
    ("url", "link"),
    [
        ("https://shop.example", "https://shop.example?q=1"),
        ("https://shop.example/a?b=c&d#e?f", "https://shop.example/a?b=c&d&q=1#e?f"),
        ("/a?", "/a?q=1"),
        ("/a?fxpreview=old:x&b=%20&fx%74oken=old", "/a?b=%20&q=1"),
    ],
)
def test_link_at__a_page__keeps_its_query_and_fragment(url: str, link: str) -> None:
    assert link_at(url, "q=1") == link


def test_link_query__read_again__is_the_link() -> None:
    query = link_query("hero", "bold", signed())
    assert read_link(f"/a?b=c&{query}") == PreviewLink("hero", "bold", signed())


def test_check_preview__claims_read_before__are_judged_anew() -> None:
    claims = read_preview(signed(), JWKS)
    check_preview(claims, now_s=NOW_S, **HERE)
    with pytest.raises(PreviewRefused, match="expired"):
        check_preview(replace(claims, expires_at_s=NOW_S + 1), now_s=NOW_S + 61, **HERE)
