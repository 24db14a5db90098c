"""Profiles, accounts and products: in a file of their own, or beside the control plane."""

from fairlot.store.profiles.opening import open_profile_store
from fairlot.store.profiles.store import PROFILES_FILE, ProfileStore

__all__ = ["PROFILES_FILE", "ProfileStore", "open_profile_store"]
