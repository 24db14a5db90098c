"""A folder for a static host: manifest, keys and revocations, replaced so that a client that reads
them meanwhile always finds some that fit."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from fairlot.cli.errors import InvalidArgument
from fairlot.manifest.base64url import from_base64url

MANIFEST: Final = "manifest.json"
KEYS: Final = "jwks.json"
REVOCATIONS: Final = "revocations.json"


def write_static_files(folder: Path, documents: Mapping[str, Any]) -> None:
    """The keys go before the manifest, together with those that are there; the revocations after
    it, so that none comes before the version that replaces what is revoked. Raises
    InvalidArgument for a folder that holds another project's manifest, or a newer one."""
    manifest, keys = documents["manifest"], documents["jwks"]
    folder.mkdir(parents=True, exist_ok=True)
    _refuse_other(folder, manifest)
    _replace(folder / KEYS, {"keys": _with_those_of(folder, keys["keys"])})
    _replace(folder / MANIFEST, manifest)
    _replace(folder / REVOCATIONS, documents["revocations"])
    _replace(folder / KEYS, keys)


def _refuse_other(folder: Path, manifest: Mapping[str, str]) -> None:
    present = _read(folder / MANIFEST)
    if present is None:
        return
    try:
        old, new = _payload_of(present), _payload_of(manifest)
        owners = [f"{each['org']}/{each['project']}" for each in (old, new)]
        is_newer = old["version"] > new["version"]
    except (KeyError, TypeError, ValueError):
        fix = "is no signed manifest; name a folder for these files alone, or remove it"
        raise InvalidArgument(f"{folder / MANIFEST}: {fix}") from None
    if owners[0] != owners[1]:
        fix = f"is of {owners[0]}; give {owners[1]} a folder of its own"
        raise InvalidArgument(f"{folder / MANIFEST}: {fix}")
    if is_newer:
        fix = (
            f"is version {old['version']}, and version {new['version']} would be written, which"
            " clients that have seen the other refuse; publish above it"
        )
        raise InvalidArgument(f"{folder / MANIFEST}: {fix}")


def _with_those_of(folder: Path, keys: list[Any]) -> list[Any]:
    present = _read(folder / KEYS)
    old = present.get("keys") if isinstance(present, dict) else None
    return [*keys, *(key for key in (old if isinstance(old, list) else []) if key not in keys)]


def _payload_of(manifest: Any) -> Any:
    return json.loads(from_base64url(manifest["payload"]))


def _read(path: Path) -> Any:
    """None when it is not there."""
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValueError:
        return {}


def _replace(path: Path, document: Any) -> None:
    unfinished = path.with_name(f".{path.name}.new")
    with unfinished.open("wb") as file:
        file.write(json.dumps(document, separators=(",", ":")).encode())
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)
