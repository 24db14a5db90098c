"""A folder that appears whole, or not at all."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

from fairlot.service.backups.copying import sync


@contextmanager
def staging(place: Path) -> Iterator[Path]:
    """A private folder beside `place`, which is removed on an error. Whoever fills it renames it to
    the place: on one file system that is done at once."""
    place.parent.mkdir(parents=True, exist_ok=True)
    folder = Path(mkdtemp(prefix=f".{place.name}.partial-", dir=place.parent))
    try:
        yield folder
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def put_in_place(folder: Path, place: Path, aside: Path | None = None) -> None:
    """`place` is absent or an empty folder; or what is there goes to `aside`, and comes back when
    the folder cannot take its place."""
    for each in [*folder.rglob("*"), folder]:
        if each.is_dir():
            sync(each)
    if aside is not None:
        place.rename(aside)
    try:
        folder.rename(place)
    except OSError:
        if aside is not None:
            aside.rename(place)
        raise
    sync(place.parent)
