"""Who a request says that it is about."""

import msgspec

from fairlot.profiles.records import (
    Identifier,
    source_identifier,
    subject_identifier,
    user_identifier,
)


class Claim(msgspec.Struct, frozen=True, gc=False):
    """The profile that the first known one of `find` names; without one, a new profile that is
    drawn by the first free one of `subject_ids`, or none if there are none.

    All of `find` and `names` are then its identifiers. `user_id`, which `names` or `find` holds
    too, as a user's, identifies it. A profile that one of them names already is merged with it,
    unless both have a user id and they differ: then the request is about the user, and the other
    identifiers are the user's from now on. What another profile is drawn or identified by stays
    that one's.
    With `merge` (an alias) they are merged all the same. `also` become its identifiers if they are
    nobody's.
    """

    find: tuple[Identifier, ...]
    subject_ids: tuple[str, ...] = ()
    names: tuple[Identifier, ...] = ()
    also: tuple[Identifier, ...] = ()
    user_id: str | None = None
    merge: bool = False

    identifiers: tuple[Identifier, ...] = ()
    """All that it looks up or takes, each once: made of the others, whatever is given."""

    def __post_init__(self) -> None:
        user = () if self.user_id is None else (self.user_id,)
        subjects = map(subject_identifier, (*self.subject_ids, *user))
        named = (*self.find, *self.names, *self.also, *subjects)
        sought = tuple(dict.fromkeys(name for each in named for name in each.sought))
        msgspec.structs.force_setattr(self, "identifiers", sought)


def claim_of_subject(subject_id: str, *, user_id: str | None = None) -> Claim:
    """A subject known by one id, made if it is new."""
    if user_id == subject_id:
        return msgspec.structs.replace(claim_of_user(user_id), user_id=user_id)
    names = () if user_id is None else (user_identifier(user_id),)
    return Claim((subject_identifier(subject_id),), (subject_id,), names, user_id=user_id)


def claim_of_user(user_id: str) -> Claim:
    """Whoever is this user, made if it is new, and not identified. It is drawn by the user id; by
    `user.user_id` when another profile is called so."""
    return Claim((user_identifier(user_id),), (user_id, f"user.{user_id}"))


def claim_of_source(source_id: str, profile_id: str, *, user_id: str | None = None) -> Claim:
    """An anonymous visitor of a source, made if it is new. It is drawn by its profile id; by
    `source_id.profile_id` when another profile is called so."""
    names = () if user_id is None else (user_identifier(user_id),)
    return Claim(
        (source_identifier(source_id, profile_id),),
        (profile_id, f"{source_id}.{profile_id}"),
        names,
        user_id=user_id,
    )
