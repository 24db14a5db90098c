"""The profiles of all projects, as one process knows and writes them."""

from fairlot.service.profiles.errors import ChangeRefused, ProfilesUnavailable, ProfilesUnconfirmed
from fairlot.service.profiles.known import PROFILES_SEEN_WITHIN_S, KnownProfiles
from fairlot.service.profiles.limits import attributes_problem, check_work, is_long_name
from fairlot.service.profiles.queue import CHANGES_PER_COMMIT
from fairlot.service.profiles.work import Applied, Profiles, Reaction, Reactor, Step, Work

__all__ = [
    "CHANGES_PER_COMMIT",
    "PROFILES_SEEN_WITHIN_S",
    "Applied",
    "ChangeRefused",
    "KnownProfiles",
    "Profiles",
    "ProfilesUnavailable",
    "ProfilesUnconfirmed",
    "Reaction",
    "Reactor",
    "Step",
    "Work",
    "attributes_problem",
    "check_work",
    "is_long_name",
]
