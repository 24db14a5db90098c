"""Previews in the SDK: what is believed, what is waited for, what is reported."""

import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import pytest

from fairlot.engine import (
    BrokenExperiment,
    CompiledManifest,
    Experiment,
    Manifest,
    Variant,
    compile_manifest,
)
from fairlot.manifest import (
    DocumentType,
    ManifestRefused,
    PreviewRefusal,
    PreviewRefused,
    RefusalReason,
    SigningKey,
    manifest_to_json,
    sign_manifest,
    sign_preview,
)
from fairlot.manifest.base64url import base64url
from fairlot.manifest.previews import link_query
from fairlot.sdk.drafts import KEPT_FOR_S, TRY_AGAIN_AFTER_S
from fairlot.sdk.endpoints import Endpoints
from fairlot.sdk.errors import DraftUnavailable, ManifestUnavailable
from fairlot.sdk.previews import NO_PREVIEW, Previews, PreviewVerdict
from fairlot.sdk.transport import HttpRequest, HttpResponse, ResponseTooLarge
from fairlot.testing import FrozenClock

KEY = SigningKey.from_private_bytes(bytes(range(32)))
OTHER_KEY = SigningKey.from_private_bytes(bytes(32))
URL = "https://fx.example/v1/acme/shop/manifest.json"
STATIC_URL = "https://cdn.example/fx/manifest.json"
HERO = Experiment("hero", "hero", (Variant("a"), Variant("bold")))
MANIFEST = Manifest("acme", "shop", 7, "2026-11-23T06:00:00.000Z", (HERO,))
COMPILED = compile_manifest(MANIFEST)
EMPTY = compile_manifest(replace(MANIFEST, experiments=()))


def a_draft(manifest: Manifest = MANIFEST, key: SigningKey = KEY) -> bytes:
    return sign_manifest(manifest_to_json(manifest), key, DocumentType.DRAFT)


@dataclass
class Stage:
    """Previews with everything around them in the test's hands."""

    clock: FrozenClock = field(default_factory=FrozenClock)
    keys: list[SigningKey] = field(default_factory=lambda: [KEY])
    revoked: set[str] = field(default_factory=set)
    reports: list[tuple[str, BaseException]] = field(default_factory=list)
    requests: list[HttpRequest] = field(default_factory=list)
    keys_wanted: int = 0
    body: bytes = field(default_factory=a_draft)
    status: int = 200
    timeout_s: float = 0.5
    before_answer: Callable[[], None] = lambda: None
    previews: Previews = field(init=False)

    def __post_init__(self) -> None:
        self.previews = self.with_endpoints(Endpoints.of(URL))

    def with_endpoints(self, endpoints: Endpoints) -> Previews:
        return Previews(
            endpoints,
            keys=lambda: {"keys": [key.public_jwk() for key in self.keys]},
            revoked=lambda: self.revoked,
            fetch_keys_soon=self.want_keys,
            transport=self.answer,
            clock=self.clock,
            timeout_s=self.timeout_s,
            report=lambda kind, error: self.reports.append((kind, error)),
        )

    def want_keys(self) -> None:
        self.keys_wanted += 1

    def answer(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        self.before_answer()
        return HttpResponse(self.status, {}, self.body)

    def token(self, **fields: Any) -> str:
        plain: dict[str, Any] = {
            "key": KEY,
            "org": "acme",
            "project": "shop",
            "experiment_key": "hero",
            "variant_key": "bold",
            "now_s": self.clock.now_ms() // 1000,
            "ttl_s": 900,
            "jti": "prv_1",
        }
        return sign_preview(**{**plain, **fields})

    def link(self, token: str | None = None, variant: str = "bold") -> str:
        return f"https://shop.example/?a=b&{link_query('hero', variant, token or self.token())}"

    def of(
        self, url: str | None, manifest: CompiledManifest | None = COMPILED, key: str = "hero"
    ) -> PreviewVerdict:
        return self.previews.of(key, url, manifest)

    def refusal(self) -> PreviewRefusal:
        """Of the only report."""
        ((kind, error),) = self.reports
        assert kind == "preview"
        assert isinstance(error, PreviewRefused)
        return error.reason


@pytest.fixture
def stage() -> Stage:
    return Stage()


def test_of__valid_link__names_the_variant(stage: Stage) -> None:
    assert stage.of(stage.link()) == PreviewVerdict("bold")
    assert (stage.reports, stage.requests) == ([], [])


@pytest.mark.parametrize(
    "url",
    [
        None,
        "",
        "https://shop.example/?a=b",
        "https://shop.example/?fxpreview=hero:bold",
        "https://shop.example/?fxtoken=x",
        "https://shop.example/?fxpreview=hero&fxtoken=x",
        "http://[::1/?a",
        "\udcff",
    ],
)
def test_of__no_link__is_nothing_to_speak_of(stage: Stage, url: str | None) -> None:
    assert stage.of(url) is NO_PREVIEW
    assert stage.reports == []


def test_of__link_to_another_experiment__is_nothing_to_speak_of(stage: Stage) -> None:
    assert stage.of(stage.link("rubbish"), key="other") is NO_PREVIEW
    assert stage.reports == []


def hs256(stage: Stage) -> str:
    _, claims, signature = stage.token().split(".")
    header = msgspec.json.encode({"alg": "HS256", "kid": KEY.kid, "typ": "fairlot-preview+jwt"})
    return f"{base64url(header)}.{claims}.{signature}"


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (lambda stage: stage.token(key=OTHER_KEY), PreviewRefusal.UNKNOWN_KEY),
        (lambda stage: stage.token()[:-2] + "AA", PreviewRefusal.BAD_SIGNATURE),
        (lambda stage: stage.token()[:-22], PreviewRefusal.BAD_SIGNATURE),
        (lambda stage: stage.token()[:40], PreviewRefusal.MALFORMED),
        (lambda _: "x" * 5000, PreviewRefusal.TOO_LARGE),
        (hs256, PreviewRefusal.WRONG_ALGORITHM),
        (lambda stage: stage.token(org="other"), PreviewRefusal.WRONG_ISSUER),
        (lambda stage: stage.token(project="other"), PreviewRefusal.WRONG_AUDIENCE),
        (lambda stage: stage.token(variant_key="a"), PreviewRefusal.WRONG_SUBJECT),
        (lambda stage: stage.token(experiment_key="other"), PreviewRefusal.WRONG_SUBJECT),
        (
            lambda stage: stage.token(now_s=stage.clock.now_ms() // 1000 - 2000),
            PreviewRefusal.EXPIRED,
        ),
    ],
)
def test_of__token_not_to_be_believed__falls_through_and_is_reported(
    stage: Stage, forge: Callable[[Stage], str], reason: PreviewRefusal
) -> None:
    token = forge(stage)
    assert stage.of(stage.link(token)) is NO_PREVIEW
    assert stage.refusal() is reason
    assert token not in str(stage.reports[0][1])
    assert stage.requests == []
    assert stage.keys_wanted == (reason is PreviewRefusal.UNKNOWN_KEY)


def test_of__token_believed_before__is_refused_once_it_expires(stage: Stage) -> None:
    link = stage.link()
    assert stage.of(link).variant_key == "bold"
    stage.clock.advance(900 + 59)
    assert stage.of(link).variant_key == "bold"
    stage.clock.advance(1)
    assert stage.of(link) is NO_PREVIEW
    assert stage.refusal() is PreviewRefusal.EXPIRED


def test_of__token_believed_before__is_refused_once_it_is_revoked(stage: Stage) -> None:
    link = stage.link()
    assert stage.of(link).variant_key == "bold"
    stage.revoked.add("prv_1")
    assert stage.of(link) is NO_PREVIEW
    assert stage.refusal() is PreviewRefusal.REVOKED


def test_of__token_believed_before__is_refused_once_its_key_is_gone(stage: Stage) -> None:
    link = stage.link()
    assert stage.of(link).variant_key == "bold"
    stage.keys = [OTHER_KEY]
    assert stage.of(link) is NO_PREVIEW
    assert stage.refusal() is PreviewRefusal.UNKNOWN_KEY


def test_of__key_that_has_arrived_meanwhile__is_believed(stage: Stage) -> None:
    link, stage.keys = stage.link(), []
    assert stage.of(link) is NO_PREVIEW
    assert stage.keys_wanted == 1
    stage.keys = [KEY]
    assert stage.of(link).variant_key == "bold"


def test_of__a_signature__is_checked_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    link = stage.link()
    assert stage.of(link).variant_key == "bold"
    monkeypatch.setattr("fairlot.manifest.jose.has_signed", lambda *_: False)
    assert stage.of(link).variant_key == "bold"
    assert stage.of(stage.link(stage.token(jti="prv_2"))) is NO_PREVIEW


def test_of__many_tokens__forgets_the_one_not_seen_for_longest(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fairlot.sdk.previews._MOST_TOKENS", 2)
    links = [stage.link(stage.token(jti=f"prv_{number}")) for number in range(3)]
    for number in (0, 1, 0, 2):
        assert stage.of(links[number]).variant_key == "bold"
    monkeypatch.setattr("fairlot.manifest.jose.has_signed", lambda *_: False)
    assert [stage.of(link).variant_key for link in links] == ["bold", None, "bold"]


def test_of__without_a_manifest__believes_whom_the_url_names(stage: Stage) -> None:
    verdict = stage.of(stage.link(), None)
    assert verdict.variant_key == "bold"
    assert verdict.draft is not None
    assert stage.of(stage.link(stage.token(org="other")), None) is NO_PREVIEW


def test_of__static_manifest__says_itself_whom_to_believe(stage: Stage) -> None:
    stage.previews = stage.with_endpoints(Endpoints.of(STATIC_URL))
    assert stage.of(stage.link()).variant_key == "bold"
    assert stage.of(stage.link(), None) is NO_PREVIEW
    ((_, error),) = stage.reports
    assert isinstance(error, ManifestUnavailable)


def test_of__draft_of_a_static_manifest__is_not_to_be_had(stage: Stage) -> None:
    stage.previews = stage.with_endpoints(Endpoints.of(STATIC_URL))
    assert stage.of(stage.link(), EMPTY) is NO_PREVIEW
    ((_, error),) = stage.reports
    assert isinstance(error, DraftUnavailable)
    assert stage.requests == []


def test_of__experiment_not_in_the_manifest__brings_its_draft(stage: Stage) -> None:
    token = stage.token()
    verdict = stage.of(stage.link(token), EMPTY)
    assert verdict.variant_key == "bold"
    assert verdict.draft is not None
    assert verdict.draft.manifest == MANIFEST
    (request,) = stage.requests
    assert (request.method, request.url) == ("GET", "https://fx.example/v1/acme/shop/preview.json")
    assert request.headers == {"authorization": f"Bearer {token}"}
    assert request.timeout_s == 0.5


def test_of__variant_not_in_the_manifest__brings_its_draft(stage: Stage) -> None:
    older = replace(MANIFEST, experiments=(replace(HERO, variants=(Variant("a"), Variant("b"))),))
    assert stage.of(stage.link(), compile_manifest(older)).draft is not None


def test_of__experiment_that_is_broken__brings_no_draft(stage: Stage) -> None:
    broken = replace(MANIFEST, experiments=(BrokenExperiment("hero", "unreadable"),))
    assert stage.of(stage.link(), compile_manifest(broken)) == PreviewVerdict("bold")
    assert stage.requests == []


def test_of__draft_fetched__is_kept_for_30_s(stage: Stage) -> None:
    link = stage.link()
    first = stage.of(link, EMPTY).draft
    stage.clock.advance(KEPT_FOR_S - 0.1)
    assert stage.of(link, EMPTY).draft is first
    stage.clock.advance(0.1)
    assert stage.of(link, EMPTY).draft is not first
    assert len(stage.requests) == 2


def test_of__draft_fetched__is_for_its_token_alone(stage: Stage) -> None:
    for jti in ("prv_1", "prv_2"):
        assert stage.of(stage.link(stage.token(jti=jti)), EMPTY).draft is not None
    assert len(stage.requests) == 2


def test_of__many_drafts__forgets_the_one_fetched_first(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fairlot.sdk.drafts._MOST_DRAFTS", 2)
    links = [stage.link(stage.token(jti=f"prv_{number}")) for number in range(3)]
    for number in (0, 1, 2, 2, 1, 0):
        assert stage.of(links[number], EMPTY).draft is not None
    assert len(stage.requests) == 4


def test_of__draft_kept__is_not_shown_after_revocation(stage: Stage) -> None:
    link = stage.link()
    assert stage.of(link, EMPTY).draft is not None
    stage.revoked.add("prv_1")
    assert stage.of(link, EMPTY) is NO_PREVIEW


@pytest.mark.parametrize("status", [401, 404, 500, 302])
def test_of__server_refuses_the_draft__falls_through_and_asks_again_after_5_s(
    stage: Stage, status: int
) -> None:
    stage.status = status
    link = stage.link()
    for _ in range(3):
        assert stage.of(link, EMPTY) is NO_PREVIEW
    assert len(stage.requests) == 1
    assert {type(error) for _, error in stage.reports} == {DraftUnavailable}
    stage.status = 200
    stage.clock.advance(TRY_AGAIN_AFTER_S)
    assert stage.of(link, EMPTY).draft is not None


@pytest.mark.parametrize("fault", [OSError("down"), ResponseTooLarge(5), ValueError("own")])
def test_of__no_answer_for_the_draft__falls_through(stage: Stage, fault: Exception) -> None:
    def fail() -> None:
        raise fault

    stage.before_answer = fail
    assert stage.of(stage.link(), EMPTY) is NO_PREVIEW
    ((_, error),) = stage.reports
    assert isinstance(error, DraftUnavailable)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{}", RefusalReason.MALFORMED),
        (a_draft(key=OTHER_KEY), RefusalReason.UNKNOWN_KEY),
        (sign_manifest(manifest_to_json(MANIFEST), KEY), RefusalReason.WRONG_TYPE),
        (a_draft(replace(MANIFEST, project="other")), RefusalReason.OTHER_PROJECT),
        (a_draft(replace(MANIFEST, org="other")), RefusalReason.OTHER_PROJECT),
    ],
)
def test_of__draft_that_is_not_ours__is_refused(
    stage: Stage, body: bytes, reason: RefusalReason
) -> None:
    stage.body = body
    assert stage.of(stage.link(), EMPTY) is NO_PREVIEW
    ((_, error),) = stage.reports
    assert isinstance(error, ManifestRefused)
    assert error.reason is reason
    assert stage.keys_wanted == (reason is RefusalReason.UNKNOWN_KEY)


def test_of__asked_by_many_at_once__fetches_the_draft_once() -> None:
    stage = Stage(timeout_s=30.0)
    link, asked, go = stage.link(), threading.Barrier(8), threading.Event()
    stage.before_answer = lambda: asked_all(go)
    verdicts: list[PreviewVerdict] = []

    def ask() -> None:
        asked.wait(30)
        verdicts.append(stage.of(link, EMPTY))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    go.set()
    for thread in threads:
        thread.join(30)
    assert len(stage.requests) == 1
    assert len(verdicts) == 8
    assert len({id(verdict.draft) for verdict in verdicts}) == 1


def asked_all(go: threading.Event) -> None:
    assert go.wait(30)


def test_of__another_fetches_for_too_long__does_not_wait_longer(stage: Stage) -> None:
    link, begun, go = stage.link(), threading.Event(), threading.Event()

    def dawdle() -> None:
        begun.set()
        asked_all(go)

    stage.before_answer = dawdle
    thread = threading.Thread(target=lambda: stage.of(link, EMPTY))
    thread.start()
    assert begun.wait(30)
    assert stage.of(link, EMPTY) is NO_PREVIEW
    ((_, error),) = stage.reports
    assert "within timeout_s, 0.5 s" in str(error)
    go.set()
    thread.join(30)
    assert stage.of(link, EMPTY).draft is not None


def test_of__after_a_fork_while_a_draft_was_fetched__fetches_its_own(stage: Stage) -> None:
    link, begun, go = stage.link(), threading.Event(), threading.Event()

    def dawdle() -> None:
        begun.set()
        asked_all(go)

    stage.before_answer = dawdle
    thread = threading.Thread(target=lambda: stage.of(link, EMPTY))
    thread.start()
    assert begun.wait(30)
    stage.previews._lock.acquire()  # as another thread may hold it at the moment of the fork
    stage.previews.start_afresh()
    stage.before_answer = lambda: None
    assert stage.of(link, EMPTY).draft is not None
    go.set()
    thread.join(30)


def test_of__without_a_link__does_not_import_joserfc() -> None:
    code = (
        "import sys\n"
        "from fairlot.sdk.previews import Previews\n"
        "from fairlot.sdk.endpoints import Endpoints\n"
        "from fairlot.sdk.clock import SystemClock\n"
        "reports = []\n"
        f"previews = Previews(Endpoints.of({URL!r}), keys=dict, revoked=tuple,\n"
        "    fetch_keys_soon=tuple, transport=None, clock=SystemClock(), timeout_s=1,\n"
        "    report=lambda kind, error: reports.append(error))\n"
        "for url in ('/', '/?a=b', '/?fxpreview=hero:bold', '/?fxpreview=hero:bold&fxtoken=x'):\n"
        "    assert previews.of('hero', url, None).variant_key is None\n"
        "assert len(reports) == 1\n"
        "assert not {'joserfc', 'cryptography', 'sqlalchemy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
