"""Profiles, accounts and products: in a file of their own, or beside the control plane."""

from fairlot.store.profiles.opening import ProfileStore, open_profile_store

__all__ = ["ProfileStore", "open_profile_store"]
