"""Which keys and whose manifests the source believes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fairlot.manifest import RefusalReason
from fairlot.sdk.errors import InvalidOption, KeysUnavailable
from fairlot.sdk.transport import ResponseTooLarge
from support.manifest_host import KEY, NEXT_KEY, STATIC_URL, STRANGE_KEY, ManifestHost, answer
from support.source_bench import Bench


@pytest.fixture
def host() -> ManifestHost:
    host = ManifestHost()
    host.publish(3)
    return host


@pytest.fixture
def bench(host: ManifestHost) -> Iterator[Bench]:
    bench = Bench(host)
    yield bench
    assert bench.source.close(5)


def test_refresh__new_key_that_nobody_listed__is_refused(bench: Bench) -> None:
    bench.source.init()
    bench.host.serve_keys(KEY, NEXT_KEY)
    bench.host.publish(4, NEXT_KEY, keys=(NEXT_KEY.kid,))
    assert not bench.refresh_later()
    assert bench.versions == [3]
    assert bench.refusals == [RefusalReason.UNTRUSTED_KEY]
    assert "no manifest that was signed by a trusted key has listed it" in str(bench.reports[0])
    assert [key["kid"] for key in bench.source.keys["keys"]] == [KEY.kid]


def test_refresh__new_key_that_a_trusted_one_listed__is_accepted(bench: Bench) -> None:
    bench.source.init()
    bench.host.serve_keys(KEY, NEXT_KEY)
    bench.host.publish(4, keys=(KEY.kid, NEXT_KEY.kid))
    assert bench.refresh_later()
    bench.host.publish(5, NEXT_KEY, keys=(NEXT_KEY.kid,))
    assert bench.refresh_later()
    assert bench.versions == [3, 4, 5]


def test_refresh__key_taken_off_the_list__is_believed_no_more(bench: Bench) -> None:
    bench.host.serve_keys(KEY, NEXT_KEY)
    bench.host.publish(3, keys=(KEY.kid, NEXT_KEY.kid))
    bench.source.init()
    bench.host.publish(4, NEXT_KEY, keys=(NEXT_KEY.kid,))
    assert bench.source.refresh()
    bench.host.publish(5, KEY, keys=(KEY.kid, NEXT_KEY.kid))
    assert not bench.source.refresh()
    assert bench.refusals == [RefusalReason.UNTRUSTED_KEY]


def test_refresh__manifest_without_a_list__takes_no_trust_away(bench: Bench) -> None:
    bench.host.serve_keys(KEY, NEXT_KEY)
    bench.host.publish(3, keys=(KEY.kid, NEXT_KEY.kid))
    bench.source.init()
    bench.host.publish(4)
    bench.source.refresh()
    bench.host.publish(5, NEXT_KEY)
    assert bench.source.refresh()
    assert bench.versions == [3, 4, 5]


def test_cache__gone_back_over_a_change_of_keys__believed_after_a_restart(
    host: ManifestHost, tmp_path: Path
) -> None:
    cache = tmp_path / "manifest.json"
    host.serve_keys(KEY, NEXT_KEY)
    host.publish(6, keys=(KEY.kid, NEXT_KEY.kid))
    bench = Bench(host, cache=cache)
    bench.source.init()
    host.publish(7, NEXT_KEY, keys=(NEXT_KEY.kid,))
    bench.source.refresh()
    host.revoke(7)
    bench.source.refresh()
    assert bench.versions == [6, 7, 6]
    host.failure = OSError("down")
    restarted = Bench(host, cache=cache)
    assert restarted.source.init()
    assert restarted.versions == [6]


def test_trusted_keys__pinned__are_all_that_is_believed(host: ManifestHost) -> None:
    host.serve_keys(KEY, NEXT_KEY)
    host.publish(3, keys=(KEY.kid, NEXT_KEY.kid))
    bench = Bench(host, trusted_keys=[KEY.kid])
    assert bench.source.init()
    host.publish(4, NEXT_KEY)
    assert not bench.source.refresh()
    assert bench.refusals == [RefusalReason.UNTRUSTED_KEY]
    assert "add it to trusted_keys" in str(bench.reports[0])


def test_trusted_keys__another_one__refuses_the_first_manifest(host: ManifestHost) -> None:
    bench = Bench(host, trusted_keys=(NEXT_KEY.kid,))
    assert not bench.source.init()
    assert bench.refusals == [RefusalReason.UNTRUSTED_KEY]


@pytest.mark.parametrize("value", ["kid", (), [""], [5], ["a", None]])
def test_trusted_keys__no_list_of_key_ids__is_an_invalid_option(
    host: ManifestHost, value: Any
) -> None:
    with pytest.raises(InvalidOption, match="trusted_keys"):
        Bench(host, trusted_keys=value)


def test_keys__unknown_signer__are_fetched_once_an_interval(bench: Bench) -> None:
    bench.source.init()
    jwks = bench.host.endpoints.jwks
    bench.host.publish(4, STRANGE_KEY)
    for _ in range(3):
        bench.source.refresh()
    assert bench.host.fetched(jwks) == 1
    bench.refresh_later()
    bench.source.refresh()
    assert bench.host.fetched(jwks) == 2
    assert set(bench.refusals) == {RefusalReason.UNKNOWN_KEY}


@pytest.mark.parametrize(
    "failure",
    [
        answer(503, retry_after="120"),
        OSError("gone"),
        ResponseTooLarge(5),
        answer(200, b'{"keys":[5]}'),
        answer(200, b"\xff\xff"),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_keys__unavailable__are_reported_and_tried_again_at_the_next_refresh(
    bench: Bench, failure: Any
) -> None:
    jwks = bench.host.endpoints.jwks
    bench.host.failures[jwks] = failure
    assert not bench.source.init()
    assert [type(each) for each in bench.reports] == [KeysUnavailable]
    assert bench.reports[0].url == jwks  # type: ignore[attr-defined]
    bench.host.failures.clear()
    assert bench.source.init()


def test_keys__strange_members_in_the_set__are_left_out(bench: Bench) -> None:
    jwks = {"keys": [{"kid": ["x"]}, {}, KEY.public_jwk(), STRANGE_KEY.public_jwk()]}
    bench.host.documents[bench.host.endpoints.jwks] = msgspec.json.encode(jwks)
    assert bench.source.init()
    assert bench.source.keys == {"keys": [KEY.public_jwk()]}


# Static manifests.


def test_static__nothing_revoked__needs_no_list_and_is_sent_no_key() -> None:
    host = ManifestHost(STATIC_URL)
    host.publish(3)
    del host.documents[host.endpoints.revocations]
    bench = Bench(host, api_key="fx_key_12345678.secret")
    assert bench.source.init() and bench.source.refresh()
    assert bench.reports == []
    assert all("authorization" not in each.headers for each in host.requests)


def test_static__list_of_revocations__is_honoured() -> None:
    host = ManifestHost(STATIC_URL)
    host.publish(3)
    host.revoke(3)
    bench = Bench(host)
    assert not bench.source.init()
    assert bench.refusals == [RefusalReason.REVOKED]


def test_static__manifest_of_another_project_later__is_refused() -> None:
    host = ManifestHost(STATIC_URL)
    host.publish(3)
    bench = Bench(host)
    assert bench.source.init()
    host.publish(4, project="other")
    assert not bench.source.refresh()
    assert bench.refusals == [RefusalReason.OTHER_PROJECT]


def test_api_key__url_of_the_api__is_sent_with_the_manifest_only(host: ManifestHost) -> None:
    bench = Bench(host, api_key="fx_key_12345678.secret")
    bench.source.init()
    bench.source.refresh()
    sent = {each.url: each.headers.get("authorization") for each in host.requests}
    assert sent == {
        host.endpoints.manifest: "Bearer fx_key_12345678.secret",
        host.endpoints.jwks: None,
        host.endpoints.revocations: None,
    }


# Preview keys.


def test_preview_keys__url_of_their_own__are_fetched_with_the_first_manifest(
    host: ManifestHost,
) -> None:
    url = "https://keys.example/preview.json"
    host.endpoints = type(host.endpoints).of(host.endpoints.manifest, preview_jwks_url=url)
    host.documents[url] = msgspec.json.encode({"keys": [STRANGE_KEY.public_jwk()]})
    bench = Bench(host)
    bench.source.init()
    bench.source.refresh()
    assert bench.source.keys == {"keys": [STRANGE_KEY.public_jwk()]}
    assert host.fetched(url) == 1


def test_preview_keys__unavailable__do_not_hold_the_manifest_up(host: ManifestHost) -> None:
    url = "https://keys.example/preview.json"
    host.endpoints = type(host.endpoints).of(host.endpoints.manifest, preview_jwks_url=url)
    bench = Bench(host)
    assert bench.source.init()
    assert [type(each) for each in bench.reports] == [KeysUnavailable]
    assert bench.source.keys == {"keys": []}
    host.documents[url] = msgspec.json.encode({"keys": [STRANGE_KEY.public_jwk()]})
    assert bench.source.refresh()
    assert bench.source.keys == {"keys": [STRANGE_KEY.public_jwk()]}
