"""The profiles that one transaction has read, and what it will write of them."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from sqlalchemy import Connection

from fairlot.profiles import Identifier, Profile, called
from fairlot.service.profiles.recollection import Recalled, Recollection
from fairlot.store.profiles import rows

Name = tuple[str, Identifier]


class WorkingSet:
    """Whoever is not named by what was read does not exist here."""

    def __init__(self, connection: Connection, recollection: Recollection) -> None:
        self._connection = connection
        self._recollection = recollection
        self._owners: dict[Name, str] = {}
        self._profiles: dict[str, Profile] = {}
        self._stored: dict[str, Profile] = {}
        self._dirty: dict[str, None] = {}
        self._gone: dict[str, None] = {}
        self._names: dict[Name, str | None] = {}
        self._let_go: dict[Name, None] = {}

    @property
    def gone(self) -> Iterable[str]:
        """The ids of the profiles that are no more."""
        return self._gone.keys()

    @property
    def changed(self) -> Iterable[Profile]:
        """Those that will be written, as they are now."""
        return (self._profiles[each] for each in self._dirty)

    @property
    def let_go(self) -> Iterable[Name]:
        """What somebody was called at first who had said something about being recorded, and no
        longer is."""
        return self._let_go.keys()

    def read(self, identifiers: Mapping[str, Iterable[Identifier]]) -> list[Recalled]:
        """Whom those of each project name. What was known of them without reading."""
        recalled: dict[str, Recalled] = {}
        for project_id, wanted in identifiers.items():
            unknown = []
            for identifier in wanted:
                known = self._recalled(project_id, identifier)
                if known is None:
                    unknown.append(identifier)
                else:
                    recalled[known.profile.id] = known
            found = rows.profile_ids_of(self._connection, project_id, unknown)
            for identifier, owner in found.items():
                self._owners[project_id, identifier] = owner
        self._put_read(recalled)
        return list(recalled.values())

    def _recalled(self, project_id: str, identifier: Identifier) -> Recalled | None:
        for each in identifier.sought:
            known = self._recollection.take(project_id, each)
            if known is not None and known.profile.answers_to(identifier):
                self._owners[project_id, each] = known.profile.id
                return known
        return None

    def _put_read(self, recalled: Mapping[str, Recalled]) -> None:
        found = {profile_id: each.profile for profile_id, each in recalled.items()}
        ids = dict.fromkeys(each for each in self._owners.values() if each not in found)
        found |= rows.read_profiles(self._connection, ids)
        self._profiles |= found
        self._stored.update(found)

    def stored(self, profile_id: str) -> Profile | None:
        """As it was read; None when it was not there."""
        return self._stored.get(profile_id)

    def get(self, profile_id: str) -> Profile | None:
        """As it is now; None when it is gone."""
        return self._profiles.get(profile_id)

    def owner(self, project_id: str, identifier: Identifier) -> Profile | None:
        profile_id = self._owners.get((project_id, identifier))
        return None if profile_id is None else self._profiles.get(profile_id)

    def put(self, profile: Profile) -> None:
        if self._profiles.get(profile.id) is not profile:
            self._profiles[profile.id] = profile
            self._dirty[profile.id] = None

    def touch(self, profile: Profile) -> None:
        """Something about it has changed that is not in it."""
        self._profiles[profile.id] = profile
        self._dirty[profile.id] = None

    def name(self, project_id: str, identifier: Identifier, profile: Profile) -> None:
        """It is this profile's from now on, and no longer whose it was."""
        before = self.owner(project_id, identifier)
        if before is not None and before.id != profile.id:
            self._note_let_go(project_id, identifier, before)
            left = tuple(each for each in before.identifiers if each != identifier)
            self.put(called(before, left))
        self._owners[project_id, identifier] = profile.id
        self._names[project_id, identifier] = profile.id

    def release(self, project_id: str, identifier: Identifier) -> None:
        """It is nobody's from now on."""
        before = self.owner(project_id, identifier)
        if before is not None:
            self._note_let_go(project_id, identifier, before)
        self._owners.pop((project_id, identifier), None)
        self._names[project_id, identifier] = None

    def replace(self, gone: Profile, kept: Profile) -> None:
        """All that called the one calls the other."""
        del self._profiles[gone.id]
        self._dirty.pop(gone.id, None)
        self._gone[gone.id] = None
        self.touch(kept)
        for identifier in gone.identifiers:
            self.name(gone.project_id, identifier, kept)

    def write(self, change_no: int, now_ms: int) -> list[rows.StoredProfile]:
        """The profiles that were written."""
        changed = [self._profiles[each] for each in self._dirty]
        added = [each for each in changed if each.id not in self._stored]
        replaced = [each for each in changed if each.id in self._stored]
        gone = [each for each in self._gone if each in self._stored]
        written = [
            *rows.add_profiles(self._connection, added, change_no),
            *rows.replace_profiles(self._connection, replaced, change_no),
        ]
        rows.empty_profiles(self._connection, gone, change_no, now_ms)
        self._write_names()
        return written

    def _note_let_go(self, project_id: str, identifier: Identifier, before: Profile) -> None:
        if before.consents:
            self._let_go[project_id, identifier] = None

    def _write_names(self) -> None:
        taken: defaultdict[str, dict[Identifier, str]] = defaultdict(dict)
        released: defaultdict[str, list[bytes]] = defaultdict(list)
        for (project_id, identifier), owner in self._names.items():
            if owner is None:
                released[project_id].append(identifier.digest())
            else:
                taken[project_id][identifier] = owner
        for project_id, digests in released.items():
            rows.release_names(self._connection, project_id, digests)
        for project_id, names in taken.items():
            rows.name_profiles(self._connection, project_id, names)
