"""The manifest source: what it takes, what it refuses, and what it does when nobody answers."""

from collections.abc import Iterator
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from fairlot.engine import CompiledManifest
from fairlot.manifest import RefusalReason
from fairlot.manifest.signing import MAX_DOCUMENT_BYTES
from fairlot.sdk.errors import (
    DocumentUnavailable,
    ManifestUnavailable,
    RefreshFault,
    RevocationsUnavailable,
)
from fairlot.sdk.transport import HttpRequest, ResponseTooLarge
from support.manifest_host import (
    STRANGE_KEY,
    ManifestHost,
    answer,
    signed,
)
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


def test_init__signed_manifest__is_verified_compiled_and_accepted(bench: Bench) -> None:
    assert bench.source.init()
    assert bench.versions == [3]
    assert set(bench.accepted[0].experiments) == {"hero"}  # type: ignore[union-attr]
    assert bench.reports == []


def test_source__before_init__is_due_and_knows_no_keys(bench: Bench) -> None:
    assert bench.source.due_at_s < bench.clock.monotonic_s()
    assert bench.source.keys == {"keys": []}
    assert bench.source.revoked_previews == frozenset()


def test_init__nothing_published__is_false_and_says_why(bench: Bench) -> None:
    bench.host.documents.clear()
    assert not bench.source.init()
    assert bench.accepted == []
    (report,) = bench.reports
    assert isinstance(report, ManifestUnavailable)
    assert (report.status, report.url) == (404, bench.host.endpoints.manifest)
    assert "private and api_key may not read it" in str(report)


def test_refreshed__each_refresh__is_told_what_it_came_to(host: ManifestHost) -> None:
    outcomes: list[bool] = []
    bench = Bench(host, refreshed=outcomes.append)
    bench.source.init()
    host.failure = OSError("down")
    bench.source.refresh()
    assert outcomes == [True, False]


def test_refresh__unchanged__asks_by_etag_and_accepts_nothing_again(bench: Bench) -> None:
    bench.source.init()
    assert bench.source.refresh()
    assert bench.versions == [3]
    first, *_, second, last = bench.host.requests
    assert "if-none-match" not in first.headers
    assert (second.url, last.url) == (
        bench.host.endpoints.manifest,
        bench.host.endpoints.revocations,
    )
    assert "if-none-match" in second.headers and "if-none-match" in last.headers
    assert bench.host.fetched(bench.host.endpoints.jwks) == 1


def test_refresh__same_document_with_status_200__is_not_compiled_again(bench: Bench) -> None:
    bench.source.init()
    document = bench.host.documents[bench.host.endpoints.manifest]
    bench.host.failures[bench.host.endpoints.manifest] = answer(200, document, etag='"other"')
    assert bench.source.refresh() and bench.source.refresh()
    assert bench.versions == [3]
    last = [each for each in bench.host.requests if each.url == bench.host.endpoints.manifest][-1]
    assert last.headers["if-none-match"] == '"other"'


def test_refresh__etag_beyond_reason__is_not_kept(bench: Bench) -> None:
    document = bench.host.documents[bench.host.endpoints.manifest]
    bench.host.failure = None
    bench.host.failures[bench.host.endpoints.manifest] = answer(200, document, etag="x" * 300)
    bench.source.init()
    bench.source.refresh()
    assert all("if-none-match" not in each.headers for each in bench.host.requests[:1])
    manifests = [each for each in bench.host.requests if each.url.endswith("manifest.json")]
    assert "if-none-match" not in manifests[-1].headers


def test_refresh__304_to_an_unconditional_request__is_reported(bench: Bench) -> None:
    bench.host.failure = answer(304)
    assert not bench.source.init()
    assert isinstance(bench.reports[0], ManifestUnavailable)


def test_refresh__new_version__is_accepted(bench: Bench) -> None:
    bench.source.init()
    bench.host.publish(4)
    assert bench.source.refresh()
    assert bench.versions == [3, 4]


def test_refresh__lower_version__is_refused_and_the_last_good_stays(bench: Bench) -> None:
    bench.source.init()
    bench.host.publish(2)
    assert not bench.source.refresh()
    assert bench.versions == [3]
    assert bench.refusals == [RefusalReason.LOWER_VERSION]


@pytest.mark.parametrize(
    ("document", "reason"),
    [
        (b"", RefusalReason.MALFORMED),
        (b"<html>captive portal</html>", RefusalReason.MALFORMED),
        (signed(4)[:-40], RefusalReason.MALFORMED),
        (signed(4).replace(b'"payload":"ey', b'"payload":"ez'), RefusalReason.BAD_SIGNATURE),
        (signed(4, STRANGE_KEY), RefusalReason.UNKNOWN_KEY),
        (signed(4, org="other"), RefusalReason.OTHER_PROJECT),
        (signed(4, project="other"), RefusalReason.OTHER_PROJECT),
        (signed(4, STRANGE_KEY, org="other"), RefusalReason.UNKNOWN_KEY),
        (b" " * (MAX_DOCUMENT_BYTES + 1), RefusalReason.TOO_LARGE),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refresh__document_that_is_not_ours__is_refused_with_the_reason(
    bench: Bench, document: bytes, reason: RefusalReason
) -> None:
    bench.source.init()
    bench.host.serve(document)
    assert not bench.refresh_later()
    assert bench.versions == [3]
    assert bench.refusals == [reason]


def test_refresh__transport_says_too_large__is_a_refusal(bench: Bench) -> None:
    bench.host.failure = ResponseTooLarge(MAX_DOCUMENT_BYTES)
    assert not bench.source.refresh()
    assert bench.refusals == [RefusalReason.TOO_LARGE]


def test_refresh__any_request__is_bounded(bench: Bench) -> None:
    bench.source.init()
    assert {each.timeout_s for each in bench.host.requests} == {5.0}
    assert [each.max_bytes for each in bench.host.requests] == [2**24, 2**20, 2**18]


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "ConnectionRefusedError"),
        (TimeoutError("timed out"), "timed out"),
        (RuntimeError("a transport of the user's own"), "the user's own"),
        (answer(500), "status 500"),
        (answer(401), "api_key is not accepted"),
        (answer(206, b"x"), "status 206"),
        (
            answer(302, location="https://login.example/?next=secret"),
            "redirects to https://login.example/;",
        ),
    ],
)
def test_refresh__no_answer_of_use__is_reported_and_the_last_good_stays(
    bench: Bench, failure: Any, words: str
) -> None:
    bench.source.init()
    bench.host.failure = failure
    assert not bench.source.refresh()
    assert bench.versions == [3]
    (report,) = bench.reports
    assert isinstance(report, ManifestUnavailable)
    assert words in str(report)
    assert "secret" not in str(report)


def test_refresh__transport_that_returns_nonsense__is_reported(bench: Bench) -> None:
    broken = Bench(bench.host, transport=lambda _request: None)
    assert not broken.source.init()
    (report,) = broken.reports
    assert isinstance(report, RefreshFault)
    assert isinstance(report.fault, AttributeError)


def test_refresh__accept_that_raises__is_reported_and_tried_again(host: ManifestHost) -> None:
    raising = [True]
    taken: list[object] = []

    def accept(manifest: CompiledManifest | None) -> None:
        if raising.pop():
            raise ValueError("no")
        taken.append(manifest)

    bench = Bench(host, accept=accept)
    assert not bench.source.init()
    assert isinstance(bench.reports[0], RefreshFault)
    raising.append(False)
    assert bench.source.refresh()
    assert len(taken) == 1


def test_refresh__interrupted__is_due_again(bench: Bench) -> None:
    bench.host.failure = KeyboardInterrupt()
    with pytest.raises(KeyboardInterrupt):
        bench.source.refresh()
    assert bench.source.due_at_s <= bench.clock.monotonic_s()
    bench.host.failure = None
    assert bench.source.refresh()


# Revocation.


def test_refresh__version_in_use_revoked__falls_back_to_the_one_before(bench: Bench) -> None:
    bench.source.init()
    bench.host.publish(4)
    bench.source.refresh()
    bench.host.revoke(4)
    assert not bench.source.refresh()
    assert bench.versions == [3, 4, 3]
    assert "version 4, which was in use, has been revoked; using 3 again" in str(bench.reports[0])
    bench.host.publish(5)
    assert bench.source.refresh()
    assert bench.versions == [3, 4, 3, 5]


def test_refresh__fallen_back__believes_the_very_document_but_no_other_lower_version(
    bench: Bench,
) -> None:
    bench.source.init()
    bench.host.publish(4)
    bench.source.refresh()
    bench.host.revoke(4)
    bench.host.publish(3)
    assert not bench.source.refresh()
    assert bench.source.refresh()
    bench.host.publish(3, published_at="2026-11-24T06:00:00.000Z")
    assert not bench.source.refresh()
    assert bench.versions == [3, 4, 3]
    assert bench.refusals == [RefusalReason.REVOKED, RefusalReason.LOWER_VERSION]


def test_refresh__only_version_revoked__leaves_none(bench: Bench) -> None:
    bench.source.init()
    bench.host.revoke(3)
    assert not bench.source.refresh()
    assert bench.versions == [3, None]
    assert bench.refusals == [RefusalReason.REVOKED]
    assert not bench.source.init()


def test_refresh__both_held_versions_revoked__leaves_none(bench: Bench) -> None:
    bench.source.init()
    bench.host.publish(4)
    bench.source.refresh()
    bench.host.revoke(3, 4)
    assert not bench.source.refresh()
    assert bench.versions == [3, 4, None]


def test_refresh__revoked_and_replaced_at_once__goes_straight_to_the_new(bench: Bench) -> None:
    bench.source.init()
    bench.host.publish(4)
    bench.source.refresh()
    bench.host.revoke(4)
    bench.host.publish(5)
    assert bench.source.refresh()
    bench.host.revoke(4, 5)
    bench.source.refresh()
    assert bench.versions == [3, 4, 5, 3]


def test_refresh__revoked_just_after_the_manifest_was_fetched__takes_the_one_that_followed(
    bench: Bench,
) -> None:
    """Another worker, or a cache on the way, may answer for the manifest from a moment before."""
    bench.source.init()

    def publish_and_revoke(request: HttpRequest) -> None:
        if request.url == bench.host.endpoints.revocations:
            bench.host.publish(4)
            bench.host.revoke(3)

    bench.host.before = publish_and_revoke
    assert bench.source.refresh()
    assert bench.versions == [3, 4]
    assert bench.reports == []
    again = [each for each in bench.host.requests if each.url == bench.host.endpoints.manifest][-1]
    assert again.headers["cache-control"] == "no-cache"
    assert "if-none-match" not in again.headers


def test_refresh__nothing_left_to_decide_by__tries_again_in_seconds(bench: Bench) -> None:
    bench.source.init()
    bench.host.revoke(3)
    assert not bench.source.refresh()
    assert bench.versions == [3, None]
    # The first pause of a failure (test_backoff) and not the interval of 30 s.
    assert bench.source.due_at_s - bench.clock.monotonic_s() == 2.0


def test_refresh__new_version_that_is_revoked__is_refused(bench: Bench) -> None:
    bench.host.revoke(4)
    bench.source.init()
    bench.host.publish(4)
    assert not bench.source.refresh()
    assert bench.versions == [3]
    assert bench.refusals == [RefusalReason.REVOKED]


def test_refresh__version_of_another_project_revoked__is_no_matter(bench: Bench) -> None:
    bench.host.revoke(3, project="other")
    assert bench.source.init()


@pytest.mark.parametrize(
    "failure",
    [
        answer(404),
        answer(500),
        OSError("gone"),
        ResponseTooLarge(5),
        answer(200, b"[]"),
        answer(200, b'{"revoked":{"shop":["3"]}}'),
        answer(200, b"\xff"),
        answer(200, b'{"revoked":' + b"[" * 100_000),
    ],
    ids=lambda failure: type(failure).__name__,
)
def test_refresh__revocations_unavailable__are_reported_and_those_known_stay(
    bench: Bench, failure: Any
) -> None:
    bench.host.revoke(4, previews=("jti-1",))
    bench.source.init()
    bench.host.failures[bench.host.endpoints.revocations] = failure
    assert bench.source.refresh()
    (report,) = bench.reports
    assert isinstance(report, RevocationsUnavailable)
    assert bench.source.revoked_previews == {"jti-1"}
    bench.reports.clear()
    bench.host.publish(4)
    assert not bench.source.refresh()
    assert bench.versions == [3]


# When the next refresh is due.


def test_due__after_success__is_an_interval_on_or_a_tenth_of_it_earlier(
    host: ManifestHost,
) -> None:
    for draw, due_at_s in ((0.0, 30.0), (0.5, 28.5), (1.0, 27.0)):
        bench = Bench(host, draw=repeat(draw).__next__)
        bench.source.init()
        assert bench.source.due_at_s == pytest.approx(due_at_s)


def test_due__failures_in_a_row__come_less_and_less_often(bench: Bench) -> None:
    bench.source.init()
    bench.host.failure = OSError("down")
    pauses = []
    for _ in range(7):
        bench.source.refresh()
        pauses.append(bench.source.due_at_s - bench.clock.monotonic_s())
        bench.clock.advance(pauses[-1])
    assert pauses == pytest.approx([2, 4, 8, 16, 32, 60, 60])
    bench.host.failure = None
    bench.source.refresh()
    bench.host.failure = OSError("down")
    bench.source.refresh()
    assert bench.source.due_at_s - bench.clock.monotonic_s() == pytest.approx(2)


@pytest.mark.parametrize("status", [429, 503])
def test_due__server_asks_to_be_left_alone__is_when_it_said(bench: Bench, status: int) -> None:
    bench.host.failure = answer(status, retry_after="300")
    assert not bench.source.init()
    (report,) = bench.reports
    assert isinstance(report, DocumentUnavailable)
    assert report.retry_after_s == 300
    assert bench.source.due_at_s == 300


def test_server_down_for_an_hour__client_that_decides_all_the_time__asks_by_the_back_off(
    host: ManifestHost,
) -> None:
    """The decisions are played by a loop, a second each."""
    bench = Bench(host)
    bench.source.init()
    host.failure = OSError("down")
    before = host.fetched()
    for _ in range(3600):
        bench.clock.advance(1)
        if bench.clock.monotonic_s() >= bench.source.due_at_s:
            bench.source.refresh()
    asked = host.fetched() - before
    assert 60 <= asked <= 65  # 5 while it grows, then one a minute
    assert len(bench.reports) == asked
    assert bench.versions == [3]
    host.failure = None
    host.publish(4)
    bench.clock.advance(60)
    assert bench.clock.monotonic_s() >= bench.source.due_at_s
    assert bench.source.refresh()
    assert bench.versions == [3, 4]


# Both ends of a life.


def test_close__later_calls__do_nothing(host: ManifestHost) -> None:
    bench = Bench(host)
    bench.source.init()
    asked = len(host.requests)
    assert bench.source.close(5)
    assert not bench.source.refresh()
    bench.source.refresh_soon()
    bench.source.fetch_keys_soon()
    bench.source.start_afresh()
    assert bench.source.due_at_s == float("inf")
    assert len(host.requests) == asked


def test_close__during_a_refresh__is_not_due_again(host: ManifestHost) -> None:
    bench = Bench(host)

    def close(_request: HttpRequest) -> None:
        assert bench.source.close(0)

    host.before = close
    bench.source.init()
    assert bench.source.due_at_s == float("inf")


def test_source__no_cache__writes_nothing(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    bench.source.init()
    assert list(tmp_path.iterdir()) == []
