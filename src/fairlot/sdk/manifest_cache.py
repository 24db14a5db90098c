"""The last good manifest on disk, so that a process starts while the server is down.

One JSON file holds the signed document and all that is needed to believe it again. It carries its
own checksum: a bit that flips in the highest version seen would lock a client out for good.
"""

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from fairlot.manifest.signing import MAX_DOCUMENT_BYTES
from fairlot.sdk.errors import ManifestCacheFault

_FORMAT: Final = "fairlot.manifest-cache/1"
_MAX_FILE_BYTES: Final = 2 * MAX_DOCUMENT_BYTES


class SavedManifest(msgspec.Struct, frozen=True, kw_only=True):
    """`floor` is the highest version that was ever accepted, `document` the signed manifest itself,
    or null. `trusted` are the ids of the keys that were believed; None when they were pinned."""

    org: str
    project: str
    floor: int
    document: msgspec.Raw
    etag: str | None
    trusted: tuple[str, ...] | None
    jwks: dict[str, Any]
    revoked: tuple[int, ...]
    revoked_previews: tuple[str, ...]


class _File(msgspec.Struct):
    format: str
    sha256: str
    saved: msgspec.Raw


_file_decoder: Final = msgspec.json.Decoder(_File)
_saved_decoder: Final = msgspec.json.Decoder(SavedManifest)


class ManifestCache:
    """Only the user that the process runs as may be able to write `path`: it is believed. Several
    processes may share it when they have the same manifest."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> SavedManifest | None:
        """None when there is no file. Nothing in it is verified but that it is whole.

        Raises ManifestCacheFault.
        """
        try:
            with self.path.open("rb") as file:
                content = file.read(_MAX_FILE_BYTES + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._fault(f"cannot be read: {_words(error)}") from None
        if len(content) > _MAX_FILE_BYTES:
            raise self._fault(f"over {_MAX_FILE_BYTES} bytes; ignored, delete it")
        try:
            found = _file_decoder.decode(content)
            if found.format != _FORMAT:
                problem = f"is of format {found.format!r}, not {_FORMAT!r}; ignored"
                raise self._fault(problem)
            if hashlib.sha256(found.saved).hexdigest() != found.sha256:
                raise self._fault("is damaged, its checksum does not fit; ignored")
            return _saved_decoder.decode(found.saved)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise self._fault(f"is damaged; ignored: {error}") from None

    def write(self, saved: SavedManifest) -> bool:
        """Replace the file at once or not at all; one that has seen a higher version is left alone.

        False when another process is writing just now. Raises ManifestCacheFault.
        """
        try:
            with self._lock() as is_mine:
                if not is_mine:
                    return False
                if not self._is_ahead_of(saved):
                    self._replace(_content_of(saved))
        except OSError as error:
            fix = "the folder has to exist, be writable and have space"
            raise self._fault(f"cannot be written: {_words(error)}; {fix}") from None
        return True

    def fault_of_owner(self, saved: SavedManifest) -> ManifestCacheFault:
        """That `saved`, which the file holds, is of another project than this client's."""
        owner = f"{saved.org}/{saved.project}"
        return self._fault(f"holds the manifest of {owner}; give each client a file of its own")

    def _is_ahead_of(self, saved: SavedManifest) -> bool:
        try:
            present = self.read()
        except ManifestCacheFault:  # reported when it was read; what is written now is better
            return False
        if present is None:
            return False
        if (present.org, present.project) != (saved.org, saved.project):
            raise self.fault_of_owner(present)
        return present.floor > saved.floor

    def _replace(self, content: bytes) -> None:
        new = self.path.with_name(f".{self.path.name}.new")
        new.unlink(missing_ok=True)  # left by a process that was killed
        # O_EXCL: in a folder that others may write to, nobody else has made this file.
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            new.replace(self.path)
        except BaseException:
            with suppress(OSError):
                new.unlink(missing_ok=True)
            raise

    @contextmanager
    def _lock(self) -> Iterator[bool]:
        """Whether this process alone is writing into the folder; where there are no such locks
        (Windows), it is taken to be."""
        try:
            import fcntl
        except ImportError:
            yield True
            return
        descriptor = os.open(self.path.parent, os.O_RDONLY)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            except OSError:  # a file system without locks
                yield True
                return
            try:
                yield True
                with suppress(OSError):  # the new name should survive a power cut too
                    os.fsync(descriptor)
            finally:
                # Closing is not enough: a child forked meanwhile shares the descriptor's lock.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
        finally:
            os.close(descriptor)

    def _fault(self, problem: str) -> ManifestCacheFault:
        return ManifestCacheFault(str(self.path), problem)


def _content_of(saved: SavedManifest) -> bytes:
    body = msgspec.json.encode(saved)
    digest = hashlib.sha256(body).hexdigest()
    return msgspec.json.encode(_File(_FORMAT, digest, msgspec.Raw(body)))


def _words(error: OSError) -> str:
    return error.strerror or str(error)
