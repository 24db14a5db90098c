"""The saved manifest: a start without a server, and a file that is not as it should be."""

import fcntl
import json
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fairlot.manifest import RefusalReason
from fairlot.sdk.manifest_cache import ManifestCache, SavedManifest
from support.manifest_host import KEY, NEXT_KEY, STATIC_URL, STRANGE_KEY, ManifestHost, signed
from support.source_bench import Bench


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "fairlot.json"


@pytest.fixture
def host() -> ManifestHost:
    host = ManifestHost()
    host.publish(3)
    return host


def run(path: Path, host: ManifestHost, **options: Any) -> Bench:
    """A process that finds what the one before it has saved."""
    process = Bench(host, cache=path, **options)
    process.source.init()
    return process


def down(host: ManifestHost) -> ManifestHost:
    host.failure = OSError("down")
    return host


def saved(**fields: Any) -> SavedManifest:
    plain: dict[str, Any] = {
        "org": "acme",
        "project": "shop",
        "floor": 3,
        "document": msgspec.Raw(signed(3)),
        "etag": None,
        "trusted": (KEY.kid,),
        "jwks": {"keys": [KEY.public_jwk(), STRANGE_KEY.public_jwk()]},
        "revoked": (),
        "revoked_previews": (),
    }
    return SavedManifest(**plain | fields)


def test_cache__server_down__a_new_process_starts_from_the_file(
    path: Path, host: ManifestHost
) -> None:
    host.revoke(2, previews=("jti-1",))
    assert run(path, host).source.close(1)
    later = Bench(down(host), cache=path)
    assert later.source.init()
    assert later.versions == [3]
    assert later.source.revoked_previews == {"jti-1"}
    assert later.source.keys == {"keys": [KEY.public_jwk()]}
    assert [each.code for each in later.reports] == ["manifest_unavailable"]  # type: ignore[attr-defined]


def test_cache__server_back__is_confirmed_by_the_saved_etag(path: Path, host: ManifestHost) -> None:
    run(path, host)
    host.requests.clear()
    later = run(path, host)
    assert later.versions == [3]
    assert "if-none-match" in host.requests[0].headers
    assert host.fetched(host.endpoints.jwks) == 0
    assert later.reports == []


def test_cache__first_refresh_without_init__starts_from_the_file_too(
    path: Path, host: ManifestHost
) -> None:
    run(path, host)
    later = Bench(down(host), cache=path)
    assert not later.source.refresh()
    assert later.versions == [3]


def test_cache__file__is_for_its_owner_only_and_alone(path: Path, host: ManifestHost) -> None:
    before = os.umask(0)
    try:
        run(path, host)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_cache__unchanged__is_not_written_again(path: Path, host: ManifestHost) -> None:
    process = run(path, host)
    before = path.stat().st_ino
    process.source.refresh()
    assert path.stat().st_ino == before
    host.publish(4)
    process.source.refresh()
    assert path.stat().st_ino != before


def test_cache__highest_version__survives_a_restart(path: Path, host: ManifestHost) -> None:
    host.publish(9)
    run(path, host)
    host.publish(8)
    later = run(path, host)
    assert later.versions == [9]
    assert later.refusals == [RefusalReason.LOWER_VERSION]


def test_cache__first_key_seen__survives_a_restart(path: Path, host: ManifestHost) -> None:
    run(path, host)
    host.serve_keys(STRANGE_KEY)
    host.publish(4, STRANGE_KEY)
    later = run(path, host)
    assert later.versions == [3]
    assert later.refusals == [RefusalReason.UNTRUSTED_KEY]


def test_cache__revoked_version__goes_back_and_stays_back(path: Path, host: ManifestHost) -> None:
    process = run(path, host)
    host.publish(4)
    process.source.refresh()
    host.revoke(4)
    process.source.refresh()
    later = run(path, down(host))
    assert later.versions == [3]
    host.failure = None
    host.publish(2)
    assert not later.source.refresh()
    assert RefusalReason.LOWER_VERSION in later.refusals


def test_cache__only_version_revoked__keeps_the_floor_without_a_manifest(
    path: Path, host: ManifestHost
) -> None:
    process = run(path, host)
    host.revoke(3)
    process.source.refresh()
    later = Bench(host, cache=path)
    host.publish(2)
    assert not later.source.init()
    assert later.versions == []
    assert later.refusals == [RefusalReason.LOWER_VERSION]


def test_cache__nothing_ever_accepted__writes_no_file(path: Path, host: ManifestHost) -> None:
    host.publish(3, STRANGE_KEY)
    process = run(path, host)
    assert process.refusals == [RefusalReason.UNKNOWN_KEY]
    assert not path.exists()


def test_cache__pinned_keys__are_those_of_now(path: Path, host: ManifestHost) -> None:
    run(path, host, trusted_keys=[KEY.kid])
    later = run(path, down(host), trusted_keys=[NEXT_KEY.kid])
    assert later.versions == []
    assert later.refusals == [RefusalReason.UNTRUSTED_KEY]
    unpinned = run(path, host)
    assert unpinned.versions == [3]


def test_cache__of_a_static_manifest__remembers_whose_it_was(path: Path) -> None:
    host = ManifestHost(STATIC_URL)
    host.publish(3)
    run(path, host)
    host.publish(4, project="other")
    later = run(path, host)
    assert later.versions == [3]
    assert later.refusals == [RefusalReason.OTHER_PROJECT]


# Files that are not as they should be.


@pytest.mark.parametrize("at", [2, 30, 100, -100, -2], ids=str)
def test_cache__flipped_bit__is_reported_and_ignored(
    path: Path, host: ManifestHost, at: int
) -> None:
    run(path, host)
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)
    later = run(path, down(host))
    assert later.versions == []
    assert len(later.faults) == 1
    assert str(path) in later.faults[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is damaged"),
        (b"{}", "is damaged"),
        (b"\xff", "is damaged"),
        (b'{"format":' + b"[" * 100_000, "is damaged"),
        (b'{"format":"x/9","sha256":"","saved":{}}', "is of format 'x/9'"),
        (b'{"format":"fairlot.manifest-cache/1","sha256":"","saved":{}}', "checksum"),
        (b" " * (2**25 + 1), "delete it"),
    ],
    ids=range(7),
)
def test_cache__file_of_something_else__is_reported_and_replaced(
    path: Path, host: ManifestHost, content: bytes, words: str
) -> None:
    path.write_bytes(content)
    process = run(path, host)
    assert process.versions == [3]
    (fault,) = process.faults
    assert words in fault
    assert run(path, down(host)).versions == [3]


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"floor": 4}, RefusalReason.LOWER_VERSION),
        ({"document": msgspec.Raw(signed(3, STRANGE_KEY))}, RefusalReason.UNTRUSTED_KEY),
        ({"document": msgspec.Raw(signed(3, NEXT_KEY))}, RefusalReason.UNKNOWN_KEY),
        ({"document": msgspec.Raw(signed(3, project="other"))}, RefusalReason.OTHER_PROJECT),
        (
            {"document": msgspec.Raw(signed(3).replace(b'"ey', b'"ez'))},
            RefusalReason.MALFORMED,
        ),
        (
            {"document": msgspec.Raw(signed(3).replace(b'load":"ey', b'load":"ez'))},
            RefusalReason.BAD_SIGNATURE,
        ),
        ({"document": msgspec.Raw(b"[]")}, RefusalReason.MALFORMED),
        ({"revoked": (3,), "floor": 3}, RefusalReason.REVOKED),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_cache__manifest_that_cannot_be_believed__is_reported_and_ignored(
    path: Path, host: ManifestHost, fields: dict[str, Any], reason: RefusalReason
) -> None:
    assert ManifestCache(path).write(saved(**fields))
    process = run(path, down(host))
    assert process.versions == []
    assert process.refusals == [reason]
    assert f"the manifest saved in {path}; it is ignored" in str(process.reports[0])


def test_cache__manifest_that_can_be_believed__is_the_measure_of_the_others(
    path: Path, host: ManifestHost
) -> None:
    assert ManifestCache(path).write(saved())
    assert run(path, down(host)).versions == [3]


def test_cache__of_another_project__is_reported_and_left_alone(
    path: Path, host: ManifestHost
) -> None:
    ManifestCache(path).write(saved(project="other"))
    before = path.read_bytes()
    process = run(path, host)
    assert process.versions == [3]
    assert len(process.faults) == 2
    assert all("acme/other; give each client a file of its own" in each for each in process.faults)
    assert path.read_bytes() == before


def test_cache__file_that_has_seen_more__is_not_overwritten(path: Path, host: ManifestHost) -> None:
    slow = run(path, host)
    host.publish(9)
    run(path, host)
    before = path.read_bytes()
    host.publish(5)
    assert slow.source.refresh()
    assert slow.versions == [3, 5]
    assert slow.reports == []
    assert path.read_bytes() == before


# Files that cannot be written.


@pytest.mark.parametrize("place", ["missing/fairlot.json", "file/fairlot.json", "folder"])
def test_cache__that_cannot_be_written__is_reported_and_life_goes_on(
    tmp_path: Path, host: ManifestHost, place: str
) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "folder").mkdir()
    process = run(tmp_path / place, host)
    assert process.versions == [3]
    assert process.faults
    assert "cannot be written" in process.faults[-1]
    assert "the folder has to exist, be writable and have space" in process.faults[-1]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["file", "folder"]
    host.publish(4)
    assert process.source.refresh()


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """What is longer cannot be written: as a full disk does, in the middle."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_cache__full_disk__keeps_the_old_file_and_tries_again(
    path: Path, host: ManifestHost
) -> None:
    process = run(path, host)
    before = path.read_bytes()
    host.publish(4)
    with files_of_at_most(100):
        assert process.source.refresh()
    assert "cannot be written" in process.faults[0]
    assert process.versions == [3, 4]
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]
    assert process.source.refresh()
    assert run(path, down(host)).versions == [4]


def test_cache__left_by_a_killed_writer__is_cleared_away(path: Path, host: ManifestHost) -> None:
    new = path.with_name(".fairlot.json.new")
    new.write_text("half")
    run(path, host)
    assert list(path.parent.iterdir()) == [path]


def test_cache__new_file_planted_as_a_link__is_not_followed(path: Path, host: ManifestHost) -> None:
    victim = path.with_name("victim")
    victim.write_text("precious")
    path.with_name(".fairlot.json.new").symlink_to(victim)
    run(path, host)
    assert victim.read_text() == "precious"
    assert not path.is_symlink()


def test_cache__another_process_is_writing__is_written_at_the_next_refresh(
    path: Path, host: ManifestHost
) -> None:
    descriptor = os.open(path.parent, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        process = run(path, host)
        assert not path.exists()
        assert process.reports == []
    finally:
        os.close(descriptor)
    assert process.source.refresh()
    assert path.exists()


def test_cache__folder_without_locks__is_written_all_the_same(
    path: Path, host: ManifestHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_descriptor: int, _operation: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert run(path, host).reports == []
    assert path.exists()


def test_cache__its_form__is_json_with_a_checksum(path: Path, host: ManifestHost) -> None:
    run(path, host)
    content = json.loads(path.read_text())
    assert content.keys() == {"format", "sha256", "saved"}
    assert content["saved"].keys() == {
        *("org", "project", "floor", "document", "etag"),
        *("trusted", "jwks", "revoked", "revoked_previews"),
    }
    assert content["saved"]["document"] == json.loads(signed(3))
