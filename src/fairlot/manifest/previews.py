"""Preview tokens: short-lived JWTs (RFC 7519) that show one variant of one experiment.

Where the RFC leaves a choice to the application, one way is taken here and all others are refused.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import unquote_plus

import msgspec

from fairlot.engine.checks import EXPERIMENT_KEY, VARIANT_KEY
from fairlot.engine.errors import shorten
from fairlot.manifest.base64url import from_base64url
from fairlot.manifest.errors import (
    InvalidPreview,
    ManifestRefused,
    PreviewRefusal,
    PreviewRefused,
)
from fairlot.manifest.instants import write_instant
from fairlot.manifest.jws import (
    DocumentType,
    SignedParts,
    public_key_of,
    read_unambiguous,
    signed_parts,
    signer_of_header,
)
from fairlot.manifest.keys import SigningKey

DEFAULT_TTL_S: Final = 15 * 60
LONGEST_TTL_S: Final = 7 * 24 * 60 * 60
SKEW_S: Final = 60
MAX_TOKEN_CHARACTERS: Final = 4096
SIGNATURE_BYTES: Final = 64
TOKEN_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)

_PARAMETERS: Final = frozenset({"fxpreview", "fxtoken"})
_Text = Annotated[str, msgspec.Meta(min_length=1)]
_Seconds = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]


class _Claims(msgspec.Struct):
    """`aud` is one text, not the list that the RFC also knows; further claims mean nothing."""

    iss: _Text
    aud: _Text
    sub: _Text
    iat: _Seconds
    exp: _Seconds
    jti: _Text
    nbf: _Seconds | msgspec.UnsetType = msgspec.UNSET


@dataclass(frozen=True, slots=True)
class PreviewLink:
    """What stands in the URL of a page that is to be previewed; `token` is not verified."""

    experiment_key: str
    variant_key: str
    token: str


@dataclass(frozen=True, slots=True)
class PreviewClaims:
    """What a token says: `subject` is `<experiment>:<variant>`. `kid` is the key that signed it."""

    org: str
    project: str
    subject: str
    valid_from_s: int
    issued_at_s: int
    expires_at_s: int
    jti: str
    kid: str


def link_query(experiment_key: str, variant_key: str, token: str) -> str:
    """What is added to the query of a page's URL."""
    return f"fxpreview={experiment_key}:{variant_key}&fxtoken={token}"


def link_at(url: str, query: str) -> str:
    """`url` with `query` added to its own, before its fragment; an earlier preview is taken out."""
    page, mark, fragment = url.partition("#")
    path, _, own = page.partition("?")
    kept = [part for part in own.split("&") if part and _name_of(part) not in _PARAMETERS]
    return f"{path}?{'&'.join([*kept, query])}{mark}{fragment}"


def read_link(url: str) -> PreviewLink | None:
    """The preview link that a URL is; None when it is none, or no sensible one."""
    query = url.partition("#")[0].partition("?")[2]
    if "fxpreview" not in query and "%" not in query:
        return None
    found: dict[str, str] = {}
    for part in query.split("&"):
        found.setdefault(_name_of(part), part.partition("=")[2])
    experiment_key, colon, variant_key = _decoded(found.get("fxpreview", "")).partition(":")
    token = _decoded(found.get("fxtoken", ""))
    if not (colon and token):
        return None
    if not (EXPERIMENT_KEY.fullmatch(experiment_key) and VARIANT_KEY.fullmatch(variant_key)):
        return None
    return PreviewLink(experiment_key, variant_key, token)


def sign_preview(
    key: SigningKey,
    *,
    org: str,
    project: str,
    experiment_key: str,
    variant_key: str,
    now_s: int,
    ttl_s: int,
    jti: str,
) -> str:
    """A token that is valid from `now_s` for `ttl_s`. Raises InvalidPreview for what no reader
    would take."""
    if not 1 <= ttl_s <= LONGEST_TTL_S:
        raise InvalidPreview("ttl", ttl_s, f"use 1 to {LONGEST_TTL_S} seconds, which is 7 days")
    check_token_id(jti)
    subject = f"{experiment_key}:{variant_key}"
    claims = _Claims(iss=org, aud=project, sub=subject, iat=now_s, exp=now_s + ttl_s, jti=jti)
    parts = signed_parts(msgspec.json.encode(claims), key, DocumentType.PREVIEW)
    return f"{parts.protected}.{parts.payload}.{parts.signature}"


def check_token_id(jti: str) -> None:
    """Raises InvalidPreview for what cannot be the `jti` of a token."""
    if not TOKEN_ID.fullmatch(jti):
        raise InvalidPreview("jti", jti, "use 1 to 64 of A-Z a-z 0-9 . _ -")


def verify_preview(
    token: str,
    jwks: Mapping[str, Any],
    *,
    org: str,
    project: str,
    experiment_key: str,
    variant_key: str,
    now_s: float,
    revoked: Collection[str] = (),
) -> PreviewClaims:
    """What a valid token says; the keys are those of the link that it came with. Raises
    PreviewRefused."""
    claims = read_preview(token, jwks)
    check_preview(
        claims,
        org=org,
        project=project,
        experiment_key=experiment_key,
        variant_key=variant_key,
        now_s=now_s,
        revoked=revoked,
    )
    return claims


def read_preview(token: str, jwks: Mapping[str, Any]) -> PreviewClaims:
    """What a token says and its signature covers; whether that holds here and now is for
    `check_preview`. Raises PreviewRefused."""
    parts, payload, signature = _parts_of(token)
    try:
        kid = signer_of_header(parts.protected, DocumentType.PREVIEW)
        x = public_key_of(kid, jwks)
    except ManifestRefused as refused:
        raise PreviewRefused(PreviewRefusal(refused.reason.value), refused.detail) from None
    # Only now: a link made up by hand does not cost the import of joserfc.
    from fairlot.manifest import jose

    content = f"{parts.protected}.{parts.payload}".encode()
    if len(signature) != SIGNATURE_BYTES or not jose.has_signed(x, content, signature):
        detail = "the signature does not fit the token; it was changed, or cut on its way"
        raise PreviewRefused(PreviewRefusal.BAD_SIGNATURE, detail)
    return _claims_of(payload, kid)


def check_preview(
    claims: PreviewClaims,
    *,
    org: str,
    project: str,
    experiment_key: str,
    variant_key: str,
    now_s: float,
    revoked: Collection[str] = (),
) -> None:
    """Raises PreviewRefused unless the claims are for this and for now."""
    if claims.org != org:
        raise _refused(PreviewRefusal.WRONG_ISSUER, "iss", claims.org, org)
    if claims.project != project:
        raise _refused(PreviewRefusal.WRONG_AUDIENCE, "aud", claims.project, project)
    subject = f"{experiment_key}:{variant_key}"
    if claims.subject != subject:
        raise _refused(PreviewRefusal.WRONG_SUBJECT, "sub", claims.subject, subject)
    if claims.valid_from_s > now_s + SKEW_S:
        detail = f"it is valid from {claims.valid_from_s}, still to come; set the clocks right"
        raise PreviewRefused(PreviewRefusal.NOT_YET_VALID, detail)
    if now_s >= claims.expires_at_s + SKEW_S:
        detail = f"it expired at {write_instant(claims.expires_at_s * 1000)}; make a new link"
        raise PreviewRefused(PreviewRefusal.EXPIRED, detail)
    lives_s = claims.expires_at_s - claims.issued_at_s
    if lives_s > LONGEST_TTL_S:
        detail = f"it is valid for {lives_s} s; at most {LONGEST_TTL_S} s are accepted"
        raise PreviewRefused(PreviewRefusal.TOO_LONG, detail)
    if claims.jti in revoked:
        raise PreviewRefused(PreviewRefusal.REVOKED, f"{claims.jti} has been revoked")


def _parts_of(token: str) -> tuple[SignedParts, bytes, bytes]:
    """The parts, and payload and signature decoded."""
    if len(token) > MAX_TOKEN_CHARACTERS:
        detail = f"{len(token)} characters; at most {MAX_TOKEN_CHARACTERS} are read"
        raise PreviewRefused(PreviewRefusal.TOO_LARGE, detail)
    try:
        protected, payload, signature = token.split(".")
        from_base64url(protected)
        parts = SignedParts(protected, payload, signature)
        return parts, from_base64url(payload), from_base64url(signature)
    except ValueError:
        detail = "not three parts of base64url between dots, as a JWT is; copy the whole link"
        raise PreviewRefused(PreviewRefusal.MALFORMED, detail) from None


def _claims_of(payload: bytes, kid: str) -> PreviewClaims:
    try:
        claims = msgspec.convert(read_unambiguous(payload), _Claims)
    except (ValueError, RecursionError) as error:
        detail = f"the claims cannot be read: {error}"
        raise PreviewRefused(PreviewRefusal.MALFORMED, detail) from None
    return PreviewClaims(
        org=claims.iss,
        project=claims.aud,
        subject=claims.sub,
        valid_from_s=max(claims.iat, 0 if claims.nbf is msgspec.UNSET else claims.nbf),
        issued_at_s=claims.iat,
        expires_at_s=claims.exp,
        jti=claims.jti,
        kid=kid,
    )


def _name_of(part: str) -> str:
    return _decoded(part.partition("=")[0])


def _decoded(text: str) -> str:
    return unquote_plus(text) if "%" in text or "+" in text else text


def _refused(reason: PreviewRefusal, claim: str, said: str, wanted: str) -> PreviewRefused:
    return PreviewRefused(reason, f"{claim} is {shorten(said)}, not {shorten(wanted)}")
