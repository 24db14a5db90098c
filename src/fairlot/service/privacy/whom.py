"""Whom a deletion means that names somebody by a text."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection

from fairlot.engine.errors import FairlotError
from fairlot.profiles import (
    Identifier,
    IdentifierKind,
    Profile,
    identifiers_written,
    subject_identifier,
)
from fairlot.service.tracking import subject_id_made_of
from fairlot.store.profiles import ProfileStore
from fairlot.store.profiles.called import who_answers
from fairlot.store.profiles.deletions import DeletionRow, read_deletions
from fairlot.warehouse.readers import read_events_of
from fairlot.warehouse.whose import Whose


class SeveralCalledSo(FairlotError):
    """Several people answer to a name that is nobody's subject or user id; none is deleted."""

    code = "several_called_so"

    def __init__(self, name: str, subject_ids: Sequence[str]) -> None:
        self.name = name
        self.subject_ids = tuple(subject_ids)
        listed = ", ".join(subject_ids)
        super().__init__(
            f"{name}: {len(subject_ids)} subjects are called so, and none is deleted; "
            f"delete by subject id whom you mean: {listed}"
        )


@dataclass(frozen=True, slots=True)
class Asked:
    """What takes long to find out of a name. `is_subject`: it is a subject's own id, though no
    profile has it: of events, or of who was deleted."""

    name: str
    is_subject: bool


@dataclass(frozen=True, slots=True)
class Whom:
    """`names` of whoever is deleted, `digests` of the ids that its events may have, and the subject
    ids of `others` who are called so too, and stay."""

    profiles: int
    names: frozenset[Identifier]
    digests: frozenset[bytes]
    others: tuple[str, ...]


def look_up(
    store: ProfileStore,
    events_dir: Path,
    project_id: str,
    name: str,
    by_account: Collection[str],
) -> Asked:
    """`by_account` is that of `Units`. Hold no lock: files are read where others are called so."""
    with store.reading() as connection:
        found = who_answers(connection, project_id, name, _made(project_id, _looked_up(name)))
        if found.subject is not None or _was_deleted(read_deletions(connection), project_id, name):
            return Asked(name, is_subject=True)
    return Asked(
        name, bool(found.meant) and _has_events(events_dir, project_id, Whose({name}, by_account))
    )


def whom_of(connection: Connection, project_id: str, asked: Asked) -> Whom:
    """As it is now. Raises SeveralCalledSo."""
    own = subject_identifier(asked.name)
    found = who_answers(
        connection, project_id, asked.name, _made(project_id, _looked_up(asked.name))
    )
    meant, others = _subject_ids(found.meant), _subject_ids(found.others)
    if found.subject is not None:
        names = frozenset((own, *found.subject.identifiers))
        return Whom(1, names, _subjects(names), others)
    if asked.is_subject:
        return Whom(0, frozenset((own,)), _subjects((own,)), (*meant, *others))
    if len(meant) > 1:
        raise SeveralCalledSo(asked.name, meant)
    known = found.meant[0].identifiers if meant else (own,)
    looked_up = (*_looked_up(asked.name), *(() if found.named else found.sources))
    names = frozenset((*looked_up, *known))
    made = _made(project_id, looked_up)
    return Whom(len(meant), names, _subjects((*names, *made)), others)


def _subject_ids(profiles: Iterable[Profile]) -> tuple[str, ...]:
    return tuple(each.subject_id for each in profiles)


def _looked_up(name: str) -> tuple[Identifier, ...]:
    """What a text may be but a subject id."""
    return identifiers_written(name)[1:]


def _made(project_id: str, names: Iterable[Identifier]) -> tuple[Identifier, ...]:
    """By what track draws who is new and has only this name, also before the profile is written."""
    return tuple(subject_identifier(subject_id_made_of(project_id, each)) for each in names)


def _subjects(names: Iterable[Identifier]) -> frozenset[bytes]:
    return frozenset(each.digest() for each in names if each.kind is IdentifierKind.SUBJECT)


def _was_deleted(deletions: Iterable[DeletionRow], project_id: str, name: str) -> bool:
    """As a subject: who asks again means no other. A deletion by another kind of name holds all
    that is made of it."""
    own = subject_identifier(name).digest()
    made = _subjects(_made(project_id, _looked_up(name)))
    return any(
        each.project_id == project_id and own in each.digests and not made <= each.digests
        for each in deletions
    )


def _has_events(events_dir: Path, project_id: str, whose: Whose) -> bool:
    events: Iterator[object] = read_events_of(events_dir, project_id, whose)
    return next(events, None) is not None
