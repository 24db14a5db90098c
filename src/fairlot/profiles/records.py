"""What is known of a subject. Instants are milliseconds since the epoch, UTC.

The JSON of these structs is what the database keeps.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from hashlib import sha256
from typing import Any, Final

import msgspec

from fairlot.engine import Take


class IdentifierKind(StrEnum):
    """Whose name it is. SUBJECT is any id that a face knows a person by: a visitor id, a targeting
    key, a user id; SOURCE an anonymous id of one source; EXTERNAL, EMAIL and PHONE are looked up
    only. USER means a user: who has its id as SUBJECT, unless that is a device's. Only a user whose
    id a device is drawn by is called so."""

    SUBJECT = "subject"
    USER = "user"
    SOURCE = "source"
    EXTERNAL = "external"
    EMAIL = "email"
    PHONE = "phone"


class _Record(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, gc=False
):
    pass


_SOURCE: Final = msgspec.json.Decoder(tuple[str, str])


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()


class Identifier(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A name of one profile of a project. `source_identifier` says how SOURCE is written."""

    kind: IdentifierKind
    value: str

    def digest(self) -> bytes:
        """32 bytes that stand for it in indexes, however long it is."""
        return _digest(f"{self.kind.value}:{self.value}")

    @property
    def sought(self) -> "tuple[Identifier, ...]":
        """What whoever it means may be called, the first one first: see `Profile.answers_to`."""
        return (
            (subject_identifier(self.value), self) if self.kind is IdentifierKind.USER else (self,)
        )

    def anonymous_digest(self) -> bytes | None:
        """Of the anonymous id alone that a SOURCE gave; None of other kinds."""
        if self.kind is not IdentifierKind.SOURCE:
            return None
        _, anonymous_id = _SOURCE.decode(self.value)
        return anonymous_digest(anonymous_id)


def anonymous_digest(anonymous_id: str) -> bytes:
    """Of whatever source: what `Identifier.anonymous_digest` says of each with this id."""
    return _digest(anonymous_id)


def subject_identifier(subject_id: str) -> Identifier:
    return Identifier(IdentifierKind.SUBJECT, subject_id)


def user_identifier(user_id: str) -> Identifier:
    return Identifier(IdentifierKind.USER, user_id)


def source_identifier(source_id: str, profile_id: str) -> Identifier:
    """Both in a JSON list, so that no two pairs look the same."""
    value = msgspec.json.encode((source_id, profile_id)).decode()
    return Identifier(IdentifierKind.SOURCE, value)


class Sessions(_Record, frozen=True):
    """`count` of all so far; the others are of the latest."""

    count: int = 0
    id: str | None = None
    started_at_ms: int = 0
    last_at_ms: int = 0


class Property(_Record, frozen=True):
    """A scalar that a property rule took from events; `at_ms` is when the latest of them happened,
    with FIRST the first, `count` how many were taken."""

    value: str | int | float | bool | None
    at_ms: int
    count: int = 1
    take: Take = Take.LAST


class Activation(_Record, frozen=True):
    """The latest activation of a personalization. `variant_key` None is the control share, which
    is never served. `times` counts all so far, this one too."""

    experiment_key: str
    variant_key: str | None
    at_ms: int
    expires_at_ms: int | None
    manifest_version: int
    times: int = 1

    def is_active(self, now_ms: int) -> bool:
        return self.expires_at_ms is None or now_ms < self.expires_at_ms


class Display(_Record, frozen=True):
    """How often an experience was shown, last when, and in which session. Of what is always shown
    only the first time in each session counts."""

    count: int
    last_at_ms: int
    session_id: str


class KeptAssignment(_Record, frozen=True):
    """A variant that the Choose face gave; `user_id` is who was logged in then. `switched` and
    `excluded` leave the analysis: the first had another variant before, until its profile was
    merged into an older one or the login drew anew, the second is that of an experiment with
    `onLogin: exclude` after the login. `earlier_variant` is the one before, and `earlier_subject`
    who had it and was merged; None, it was the same subject."""

    experiment_key: str
    variant_key: str
    manifest_version: int
    at_ms: int
    user_id: str | None = None
    switched: bool = False
    excluded: bool = False
    earlier_variant: str | None = None
    earlier_subject: str | None = None


class Consent(_Record, frozen=True):
    """`valid_until_ms` None is without end."""

    accepted: bool
    at_ms: int
    valid_until_ms: int | None = None
    source: str | None = None


class Viewed(msgspec.Struct, frozen=True, gc=False, array_like=True):
    """A product that was looked at, and when last."""

    product_id: str
    at_ms: int


class Account(_Record, frozen=True):
    """A group of users, as a company is."""

    project_id: str
    account_id: str
    attributes: Mapping[str, Any] = {}
    created_at_ms: int = 0
    updated_at_ms: int = 0


MAX_IDENTIFIERS: Final = 200
"""Of one profile. More than a person has; as many as an application may send that names everybody
`undefined`."""


class Profile(_Record, frozen=True):
    """One subject. `subject_id` is what Choose draws by: fixed at first sight, and always one of
    its identifiers. `user_id` is the latest user id that it was identified with. `device_ids` are
    those of its subject ids that are a device's only: a user called so is another. Activations,
    displays and assignments are by experiment id, consents by category. `viewed` are the products
    of late, the latest first."""

    id: str
    project_id: str
    subject_id: str
    created_at_ms: int
    last_seen_at_ms: int
    identifiers: tuple[Identifier, ...] = ()
    device_ids: tuple[str, ...] = ()
    user_id: str | None = None
    identified_at_ms: int | None = None
    account_id: str | None = None
    attributes: Mapping[str, Any] = {}
    sessions: Sessions = Sessions()
    properties: Mapping[str, Property] = {}
    activations: Mapping[str, Activation] = {}
    displays: Mapping[str, Display] = {}
    assignments: Mapping[str, KeptAssignment] = {}
    consents: Mapping[str, Consent] = {}
    viewed: tuple[Viewed, ...] = ()

    def subject_ids(self) -> list[str]:
        """All ids by which it is drawn, was, or could have been."""
        return [each.value for each in self.identifiers if each.kind is IdentifierKind.SUBJECT]

    def is_called(self, identifier: Identifier) -> bool:
        """Whether it is drawn or identified by that, so that nobody else may have it."""
        if identifier.kind is IdentifierKind.USER:
            return identifier.value == self.user_id
        is_subject = identifier.kind is IdentifierKind.SUBJECT
        return is_subject and identifier.value in (self.subject_id, self.user_id)

    def answers_to(self, identifier: Identifier) -> bool:
        """Whether that means it, given that it is called one of `identifier.sought`."""
        if identifier.kind is not IdentifierKind.USER:
            return True
        user_id = identifier.value
        is_device = user_id in self.device_ids and user_id != self.user_id
        return not is_device or identifier in self.identifiers


def called(
    profile: Profile, identifiers: tuple[Identifier, ...], device_ids: Iterable[str] | None = None
) -> Profile:
    """With these identifiers, and of its device ids those that are among them."""
    devices = dict.fromkeys(profile.device_ids if device_ids is None else device_ids)
    return msgspec.structs.replace(
        profile,
        identifiers=identifiers,
        device_ids=tuple(each for each in devices if subject_identifier(each) in identifiers),
    )
