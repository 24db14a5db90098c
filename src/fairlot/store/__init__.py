"""The control plane: tenants, credentials, experiments and published manifests."""

from fairlot.store.errors import (
    CommitUnanswered,
    NewerStore,
    StoreAway,
    StoreFailed,
    StoreLocked,
    StoreUnusable,
    WrongSecret,
)
from fairlot.store.opening import open_store, store_as_it_is, unlock
from fairlot.store.ports import Store
from fairlot.store.vault import Vault

__all__ = [
    "CommitUnanswered",
    "NewerStore",
    "Store",
    "StoreAway",
    "StoreFailed",
    "StoreLocked",
    "StoreUnusable",
    "Vault",
    "WrongSecret",
    "open_store",
    "store_as_it_is",
    "unlock",
]
