"""A database of profiles whose file is deleted while it is open."""

from pathlib import Path

import pytest

from fairlot.service.feeds.known import KnownFeeds
from fairlot.service.profiles.errors import ProfilesUnavailable
from fairlot.store.errors import StoreFailed
from fairlot.store.profiles import open_profile_store


def test_writing__the_file_was_deleted__is_refused(tmp_path: Path) -> None:
    store = open_profile_store(tmp_path)
    (tmp_path / "profiles.db").unlink()
    with (
        pytest.raises(StoreFailed, match="was deleted or replaced while it was open"),
        store.writing(),
    ):
        pass
    store.close()


def test_catalog__the_file_was_deleted__acknowledges_nothing(tmp_path: Path) -> None:
    store = open_profile_store(tmp_path)
    feeds = KnownFeeds(store, lambda _project_id: (), lambda: 1)
    (tmp_path / "profiles.db").unlink()
    with pytest.raises(ProfilesUnavailable):
        feeds.remove_now("prj_1", "p1")
    with pytest.raises(ProfilesUnavailable):
        feeds.put_now("prj_1", ())
    store.close()
