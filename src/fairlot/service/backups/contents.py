"""What a backup holds: a folder of files, and beside them their checksums in `backup.json`."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal

import msgspec

from fairlot.engine import FairlotError

CONTENTS_FILE: Final = "backup.json"
FORMAT: Final = 1
# Nothing else is read, so that a name cannot lead out of the folder.
_PATH: Final = (
    r"^(fairlot\.db|profiles\.db|secret\.key|events/[A-Za-z0-9_-]+\.sqlite|events/lake-gone\.json"
    r"|events/project=[A-Za-z0-9_.%~-]+/(exposures|conversions|identities)"
    r"/date=\d{4}-\d\d-\d\d/[^/.][^/]*\.parquet)$"
)


class DatabaseKind(StrEnum):
    """`POSTGRESQL` is not in the backup."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


class BackedUpFile(msgspec.Struct, frozen=True, rename="camel"):
    path: Annotated[str, msgspec.Meta(pattern=_PATH)]
    bytes: int
    sha256: str


class BackupContents(msgspec.Struct, frozen=True, rename="camel"):
    """`fairlot` is the version that made it."""

    format: Literal[1]
    fairlot: str
    created_at: str
    database: DatabaseKind
    files: tuple[BackedUpFile, ...]


class BrokenBackup(FairlotError):
    """It is not as it was made; nothing of it was restored."""

    code = "backup_broken"

    def __init__(self, path: Path, problem: str) -> None:
        self.path = path
        super().__init__(f"{path}: {problem}; nothing was restored, use another backup")


def read_contents(folder: Path) -> BackupContents:
    """Raises BrokenBackup."""
    path = folder / CONTENTS_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=BackupContents)
    except FileNotFoundError:
        raise BrokenBackup(path, "is not there, so this is no whole backup") from None
    except OSError as error:
        raise BrokenBackup(path, f"cannot be read ({error.strerror})") from error
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise BrokenBackup(path, f"is not what `fairlot backup` writes ({error})") from error
