"""Which keys a client believes: those it was given, or the first it saw and what followed from it.

Nothing here checks a signature; `fairlot.manifest.verify_manifest` does.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Self

from fairlot.engine import Manifest
from fairlot.sdk.errors import InvalidOption

JwkSet = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Trust:
    """`keys` are the ids of the keys that may sign; None before the first was seen. `pinned` ones
    never change."""

    keys: frozenset[str] | None = None
    pinned: bool = False

    @classmethod
    def of(cls, trusted_keys: Collection[str] | None) -> Self:
        """Raises InvalidOption for what is no list of key ids."""
        if trusted_keys is None:
            return cls()
        keys = () if isinstance(trusted_keys, str) else tuple(trusted_keys)
        if not keys or not all(isinstance(key, str) and key for key in keys):
            fix = "write the ids of the keys that may sign manifests, as in ['<kid>']; or None"
            raise InvalidOption("trusted_keys", trusted_keys, fix)
        return cls(frozenset(keys), pinned=True)

    def after(self, manifest: Manifest, kid: str) -> "Trust":
        """What is believed once `manifest`, signed by the trusted `kid`, has been accepted.

        The keys that it lists replace those of before, so that one which is taken off the list is
        believed no more; a manifest that lists none leaves all as it was.
        """
        if self.pinned:
            return self
        known = self.keys or frozenset()
        return Trust(frozenset((kid, *manifest.keys)) if manifest.keys else known | {kid})

    def believing(self, kid: str) -> "Trust":
        """The same, and one key more."""
        return self if self.pinned else Trust((self.keys or frozenset()) | {kid})

    @property
    def fix(self) -> str:
        """What to do about a key that is not believed."""
        if self.pinned:
            return "if the organization changed its keys, add it to trusted_keys"
        return (
            "no manifest that was signed by a trusted key has listed it; if the organization did"
            " change its keys, delete the saved manifest (manifest_cache) and restart"
        )

    def only_trusted(self, jwks: JwkSet) -> dict[str, list[Mapping[str, Any]]]:
        """The keys of `jwks` that are believed."""
        trusted = self.keys or frozenset()
        return {"keys": [key for key in jwks["keys"] if str(key.get("kid")) in trusted]}
