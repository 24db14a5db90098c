"""Exchange the key that signs manifests, without a client noticing.

A client believes the keys that a manifest has listed which it believed (decision 0012). So the next
key is listed long before it signs. Each step is one transaction that ends with a new manifest of
every project: one that is interrupted has not happened, and one that is repeated changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from sqlalchemy import Connection

from fairlot.engine import FairlotError
from fairlot.manifest.instants import write_instant
from fairlot.manifest.previews import LONGEST_TTL_S
from fairlot.service.actors import Actor
from fairlot.service.audit import Json, record
from fairlot.service.publishing import publish
from fairlot.service.signing_keys import (
    NoSigningKey,
    key_in_state,
    make_signing_key,
    published_keys,
)
from fairlot.store.signing_keys import KeyState, SigningKeyRow, replace_signing_key
from fairlot.store.tenants import OrganizationRow, projects_of, raise_generation

DEFAULT_WAIT_S: Final = 86_400
"""For how long a cache may serve an old manifest when it cannot get a new one: `stale-if-error`."""


class NoNextKey(FairlotError):
    """There is no key to rotate to."""

    code = "no_next_signing_key"

    def __init__(self, org: str) -> None:
        self.org = org
        super().__init__(f"{org}: has no next signing key; announce one, and rotate a day later")


class NotTheNextKey(FairlotError):
    """The key that was named is not the one that would sign."""

    code = "not_the_next_signing_key"

    def __init__(self, named: str, kid: str) -> None:
        self.named = named
        self.kid = kid
        super().__init__(f"{named}: is not the next signing key, that is {kid}; name that one")


class TooEarly(FairlotError):
    """Clients may not know yet what they would have to."""

    code = "too_early"

    def __init__(self, kid: str, since: str, ready_at_ms: int) -> None:
        self.kid = kid
        self.ready_at_ms = ready_at_ms
        super().__init__(
            f"{kid}: {since}; wait until {write_instant(ready_at_ms)}, or force it if the key that"
            " it replaces was stolen"
        )


class RotatedMomentsAgo(FairlotError):
    """To force a second rotation would lock out who has not seen the first."""

    code = "rotated_moments_ago"

    def __init__(self, kid: str, at_ms: int) -> None:
        self.kid = kid
        self.at_ms = at_ms
        super().__init__(
            f"the keys were rotated at {write_instant(at_ms)} already; if another rotation is what"
            f" you want, name the key that is to sign: {kid}"
        )


@dataclass(frozen=True, slots=True)
class KeyChange:
    """`versions` are the manifests that were published, by project; none, and `changed` is False,
    when all was as asked for before. `warnings` say what may go wrong now."""

    changed: bool
    keys: Sequence[SigningKeyRow]
    versions: Mapping[str, int] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def announce_key(
    connection: Connection, organization: OrganizationRow, actor: Actor, *, now_ms: int
) -> KeyChange:
    """Make the next key, if there is none, and have every manifest list it."""
    keys = published_keys(connection, organization.id)
    upcoming = key_in_state(keys, KeyState.NEXT)
    if upcoming is not None and upcoming.announced_at_ms is not None:
        return KeyChange(False, keys)
    if upcoming is None:
        upcoming = make_signing_key(connection, organization.id, KeyState.NEXT, now_ms)
    _record(connection, organization, actor, "announce", upcoming, now_ms)
    return _publish_all(connection, organization, actor, now_ms, "a new signing key is announced")


def rotate_keys(
    connection: Connection,
    organization: OrganizationRow,
    actor: Actor,
    *,
    now_ms: int,
    to: str | None = None,
    wait_s: int = DEFAULT_WAIT_S,
    force: bool = False,
) -> KeyChange:
    """Sign by the next key from now on, and announce another.

    `to` is the id of the key that is to sign: when it does already, nothing is changed. Raises
    NoNextKey, NotTheNextKey, and, before the next key was announced for `wait_s`, TooEarly. `force`
    does not wait, but names the key when the last rotation was less than `wait_s` ago; otherwise
    RotatedMomentsAgo is raised.
    """
    keys = published_keys(connection, organization.id)
    current, upcoming = (key_in_state(keys, state) for state in (KeyState.CURRENT, KeyState.NEXT))
    if current is None:
        raise NoSigningKey(organization.key)
    if to == current.kid:
        return KeyChange(False, keys)
    if upcoming is None:
        raise NoNextKey(organization.key)
    if to not in (None, upcoming.kid):
        raise NotTheNextKey(str(to), upcoming.kid)
    ready_at_ms = _ready_at_ms(upcoming.announced_at_ms, now_ms, wait_s)
    is_early = ready_at_ms > now_ms
    if is_early and not force:
        raise TooEarly(upcoming.kid, _announced(upcoming), ready_at_ms)
    rotated_at_ms = current.state_at_ms
    if is_early and to is None and rotated_at_ms is not None:
        raise RotatedMomentsAgo(upcoming.kid, rotated_at_ms)
    _move(connection, current, KeyState.RETIRING, now_ms)
    _move(connection, upcoming, KeyState.CURRENT, now_ms)
    replaced: dict[str, Json] = {"replaces": current.kid, "forced": is_early}
    _record(connection, organization, actor, "promote", upcoming, now_ms, replaced)
    another = make_signing_key(connection, organization.id, KeyState.NEXT, now_ms)
    _record(connection, organization, actor, "announce", another, now_ms)
    change = _publish_all(connection, organization, actor, now_ms, "signed by a new key")
    warning = (
        f"{upcoming.kid} {_announced(upcoming)}: clients that have fetched no manifest since then"
        " refuse the new ones, until their saved manifest is deleted or their pins are changed"
    )
    return replace(change, warnings=(warning,) if is_early else ())


def retire_keys(
    connection: Connection,
    organization: OrganizationRow,
    actor: Actor,
    *,
    now_ms: int,
    wait_s: int = DEFAULT_WAIT_S,
    force: bool = False,
) -> KeyChange:
    """Believe the keys of before the last rotation no more, and destroy their private parts.

    Raises TooEarly when none of them has been out of use for `wait_s`; `force` does not wait.
    """
    keys = published_keys(connection, organization.id)
    retiring = [key for key in keys if key.state == KeyState.RETIRING]
    if not retiring:
        return KeyChange(False, keys)
    due = [
        key for key in retiring if force or _ready_at_ms(key.state_at_ms, now_ms, wait_s) <= now_ms
    ]
    if not due:
        first = retiring[0]
        ready_at_ms = _ready_at_ms(first.state_at_ms, now_ms, wait_s)
        raise TooEarly(first.kid, f"has signed until {_instant(first.state_at_ms)}", ready_at_ms)
    for key in due:
        _move(connection, replace(key, sealed_private=b""), KeyState.RETIRED, now_ms)
        _record(connection, organization, actor, "retire", key, now_ms)
    change = _publish_all(connection, organization, actor, now_ms, "a signing key is retired")
    warnings = tuple(_lost_previews(key) for key in due if _may_have_signed_previews(key, now_ms))
    return replace(change, warnings=warnings)


def _publish_all(
    connection: Connection, organization: OrganizationRow, actor: Actor, now_ms: int, note: str
) -> KeyChange:
    """Every manifest of the organization lists its keys; then a next one counts as announced."""
    versions = {
        project.key: publish(connection, project, actor, now_ms=now_ms, note=note)
        for project in projects_of(connection, organization.id)
    }
    upcoming = key_in_state(published_keys(connection, organization.id), KeyState.NEXT)
    if upcoming is not None and upcoming.announced_at_ms is None:
        replace_signing_key(connection, replace(upcoming, announced_at_ms=now_ms))
    raise_generation(connection)  # an organization without a project has a key set too
    published = {key: version for key, version in versions.items() if version is not None}
    return KeyChange(True, published_keys(connection, organization.id), published)


def _move(connection: Connection, key: SigningKeyRow, state: KeyState, now_ms: int) -> None:
    replace_signing_key(connection, replace(key, state=state, state_at_ms=now_ms))


def _record(
    connection: Connection,
    organization: OrganizationRow,
    actor: Actor,
    verb: str,
    key: SigningKeyRow,
    now_ms: int,
    details: Mapping[str, Json] | None = None,
) -> None:
    record(
        connection,
        organization.id,
        actor,
        f"signing_key.{verb}",
        now_ms=now_ms,
        target=f"signing_key:{key.kid}",
        details=details or {},
    )


def _ready_at_ms(since_ms: int | None, now_ms: int, wait_s: int) -> int:
    return (now_ms if since_ms is None else since_ms) + wait_s * 1000


def _announced(key: SigningKeyRow) -> str:
    if key.announced_at_ms is None:
        return "is listed by no manifest yet"
    return f"is listed by manifests since {_instant(key.announced_at_ms)} only"


def _may_have_signed_previews(key: SigningKeyRow, now_ms: int) -> bool:
    return now_ms < (key.state_at_ms or 0) + LONGEST_TTL_S * 1000


def _lost_previews(key: SigningKeyRow) -> str:
    return f"preview links that were made before {_instant(key.state_at_ms)} show nothing any more"


def _instant(at_ms: int | None) -> str:
    return "an unknown time" if at_ms is None else write_instant(at_ms)
