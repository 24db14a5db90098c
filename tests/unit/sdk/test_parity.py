"""What a server SDK is expected to do, promise by promise: the tests of docs/reference/sdk.md."""

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from fairlot import (
    Client,
    CookieStorage,
    HeaderStorage,
    InMemoryStorage,
    NoopStorage,
    Reason,
    RequestContext,
    ResponseHeaders,
    exclude_bots,
)
from fairlot.engine import Audience, Experiment, Manifest
from fairlot.manifest.previews import link_query, sign_preview
from fairlot.sdk.options import AdapterRequest
from fairlot.sdk.transport import HttpRequest, HttpResponse
from fairlot.testing import FrozenClock, MemorySink, experiment_of, manifest_of
from support.manifest_host import KEY, MANIFEST_URL, ManifestHost
from support.waiting import wait_for

HERO = experiment_of("hero", {"control": 1, "bold": {"size": 2}}, metadata={"slots": ["top"]})
SERVED = replace(HERO, id="exp_hero")


@pytest.fixture
def host() -> ManifestHost:
    host = ManifestHost()
    host.publish(3, experiments=(SERVED,))
    return host


class Bench:
    """Clients over one host, with a frozen clock and a sink; closed at the end."""

    def __init__(self, host: ManifestHost) -> None:
        self.host = host
        self.clock = FrozenClock()
        self.sink = MemorySink()
        self.clients: list[Client] = []

    def client(self, manifest: Manifest | None = None, **options: Any) -> Client:
        """With `manifest` instead of what the host has."""
        plain: dict[str, Any] = {
            "transport": self.host,
            "clock": self.clock,
            "record_exposure": self.sink.record_exposure,
            "record_conversion": self.sink.record_conversion,
        }
        client = Client(MANIFEST_URL, **plain | options)
        self.clients.append(client)
        if manifest is not None:
            client.set_manifest(manifest)
        return client


@pytest.fixture
def bench(host: ManifestHost) -> Iterator[Bench]:
    bench = Bench(host)
    yield bench
    for client in bench.clients:
        client.close()


def of(*experiments: Experiment) -> Manifest:
    return manifest_of(experiments)


def a_request(**headers: str) -> tuple[RequestContext, ResponseHeaders]:
    response = ResponseHeaders()
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    return RequestContext(fields, response=response), response


def lines_of(response: ResponseHeaders, name: str = "set-cookie") -> list[str]:
    return [value for each, value in response if each.lower() == name]


def wait_of(event: threading.Event) -> None:
    assert event.wait(10)


def other_than(variant_key: str | None) -> str:
    return "bold" if variant_key == "control" else "control"


# The manifest


def test_init__server_there__fetches_and_says_so(bench: Bench) -> None:
    client = bench.client()
    assert client.manifest() is None
    assert client.init()
    manifest = client.manifest()
    assert manifest is not None and manifest.version == 3


def test_init__server_down__says_so_and_raises_nothing(bench: Bench) -> None:
    bench.host.failure = OSError("down")
    assert not bench.client().init()


def test_refresh__new_version__is_decided_by(bench: Bench) -> None:
    client = bench.client()
    client.init()
    bench.host.publish(4, experiments=(replace(SERVED, divert_to="bold"),))
    assert client.refresh()
    result = client.treatment("hero", "anna")
    assert (result.reason, result.manifest_version) == (Reason.DIVERT, 4)


def test_set_manifest__never_initialised__decides_and_fetches_nothing(bench: Bench) -> None:
    client = bench.client(of(HERO))
    bench.clock.advance(3600)
    assert client.treatment("hero", "anna").variant_key is not None
    assert bench.host.requests == []


def test_treatment__beyond_the_interval__answers_from_the_old_and_refreshes_behind_it(
    bench: Bench,
) -> None:
    client = bench.client(refresh_interval_s=10)
    client.init()
    bench.host.publish(4, experiments=(SERVED,))
    bench.clock.advance(8)
    client.treatment("hero", "anna")
    assert bench.host.fetched() == 1
    may_answer = threading.Event()
    bench.host.before = lambda _request: wait_of(may_answer)
    bench.clock.advance(3)
    assert client.treatment("hero", "anna").manifest_version == 3
    may_answer.set()
    wait_for(lambda: client.treatment("hero", "anna").manifest_version == 4)


def test_client__nobody_decides__starts_no_thread(bench: Bench) -> None:
    before = set(threading.enumerate())
    client = bench.client()
    client.init()
    bench.clock.advance(3600)
    assert set(threading.enumerate()) <= before  # one of another test may have ended
    assert bench.host.fetched() == 1


def test_transport__of_ones_own__is_all_that_the_client_talks_by(bench: Bench) -> None:
    asked: list[str] = []

    def transport(request: HttpRequest) -> HttpResponse:
        asked.append(request.url)
        return bench.host(request)

    assert bench.client(transport=transport).init()
    assert asked[0] == MANIFEST_URL


def test_on_refresh_error__server_down__is_given_the_error_once_a_minute(bench: Bench) -> None:
    errors: list[Exception] = []
    client = bench.client(on_refresh_error=errors.append)
    client.init()
    bench.host.failure = OSError("down")
    for _ in range(7):
        client.refresh()
        bench.clock.advance(10)
    assert len(errors) == 2
    assert "the manifest at https://m.example" in str(errors[0])
    assert client.treatment("hero", "anna").variant_key is not None


def test_close__later_calls__decide_and_fetch_no_more(bench: Bench) -> None:
    client = bench.client()
    client.init()
    assert client.close()
    bench.clock.advance(3600)
    assert client.treatment("hero", "anna").variant_key is not None
    assert bench.host.fetched() == 1


def test_awaitable_forms__event_loop__do_what_the_plain_ones_do(bench: Bench) -> None:
    async def use() -> int | None:
        async with bench.client() as client:
            assert await client.arefresh()
            context, _ = a_request()
            result = await client.atreatment_with_preview("hero", "anna", context)
            assert await client.aflush()
        return result.manifest_version

    assert asyncio.run(use()) == 3


def test_with_block__client__initialised_and_closed(bench: Bench) -> None:
    with bench.client() as client:
        assert client.manifest() is not None
    assert not client.refresh()


# Deciding


def test_treatment__network_hangs__does_not_wait(bench: Bench) -> None:
    client = bench.client()
    client.init()
    hanging = threading.Event()
    bench.host.before = lambda _request: wait_of(hanging)
    bench.clock.advance(60)
    for number in range(1000):
        assert client.treatment("hero", f"s-{number}").variant_key is not None
    hanging.set()


def test_treatment__result__says_variant_reason_and_version(bench: Bench) -> None:
    client = bench.client(of(HERO))
    result = client.treatment("hero", "anna")
    assert result.variant_id == f"var_hero_{result.variant_key}"
    assert (result.reason, result.in_experiment) == (Reason.BUCKET, True)
    assert result.manifest_version == 1


def test_treatment__unknown_experiment__no_variant_and_why(bench: Bench) -> None:
    result = bench.client(of(HERO)).treatment("nothing", "anna")
    assert (result.variant_key, result.reason) == (None, Reason.UNKNOWN)


def test_payload__of_the_variant__a_copy(bench: Bench) -> None:
    client = bench.client(of(replace(HERO, divert_to="bold")))
    payload = client.payload("hero", "anna")
    payload["size"] = 3
    assert client.payload("hero", "anna") == {"size": 2}
    assert client.payload("nothing", "anna") is None


def test_metadata__of_the_experiment__a_copy_that_depends_on_no_variant(bench: Bench) -> None:
    client = bench.client(of(HERO, experiment_of("plain", ["a", "b"])))
    metadata = client.metadata("hero")
    assert metadata == {"slots": ["top"]}
    metadata["slots"].append("side")
    assert client.metadata("hero") == {"slots": ["top"]}
    assert client.metadata("plain") is client.metadata("nothing") is None


def test_user__set_on_the_context__is_what_rules_look_at(bench: Bench) -> None:
    rule = {"tier": "pro", "accountAgeDays": {"$gte": 30}}
    client = bench.client(of(experiment_of("pro-onboarding", ["a", "b"], rule=rule)))
    context, _ = a_request()
    assert client.treatment("pro-onboarding", "anna", context).reason is Reason.AUDIENCE
    context.user = {"tier": "pro", "country": "NL", "accountAgeDays": 31}
    assert client.treatment("pro-onboarding", "anna", context).variant_key is not None


@pytest.mark.parametrize(
    "excluded", [True, lambda _context: True, exclude_bots(), lambda _context: 1 / 0]
)
def test_excluded__true_or_raising__no_variant_no_exposure_no_cookie(
    bench: Bench, excluded: Any
) -> None:
    client = bench.client(of(HERO), excluded=excluded)
    context, response = a_request(user_agent="Mozilla/5.0 (compatible; Googlebot/2.1)")
    result = client.exposure("hero", "anna", context)
    assert (result.variant_key, result.reason) == (None, Reason.EXCLUDED)
    client.track("purchase", "anna", context=context)
    assert (bench.sink.exposures, bench.sink.conversions, len(response)) == ([], [], 0)


def test_excluded__false_for_this_context__as_without(bench: Bench) -> None:
    client = bench.client(of(HERO), excluded=exclude_bots())
    context, _ = a_request(user_agent="Mozilla/5.0 (X11; Linux x86_64; rv:130.0) Firefox/130.0")
    assert client.exposure("hero", "anna", context).variant_key is not None


def test_decision_adapter__names_a_variant__in_the_place_of_the_draw(bench: Bench) -> None:
    calls: list[AdapterRequest] = []

    def adapter(request: AdapterRequest) -> str | None:
        calls.append(request)
        return "bold"

    client = bench.client(of(HERO), decision_adapter=adapter)
    context, response = a_request()
    result = client.treatment("hero", "anna", context)
    assert (result.variant_key, result.reason) == ("bold", Reason.ADAPTER)
    assert calls == [AdapterRequest("hero", "anna", context)]
    assert lines_of(response) == []


@pytest.mark.parametrize(
    "adapter", [lambda _request: None, lambda _request: "blod", lambda _request: 1 / 0]
)
def test_decision_adapter__none_unknown_or_raising__falls_through(
    bench: Bench, adapter: Any
) -> None:
    client = bench.client(of(HERO), decision_adapter=adapter)
    drawn = bench.client(of(HERO)).treatment("hero", "anna")
    assert client.treatment("hero", "anna") == drawn


def test_request_context__plain_dict__read_in_any_spelling_of_its_names(bench: Bench) -> None:
    client = bench.client(of(HERO))
    context = RequestContext({"Cookie": "fx.hero=bold"}, "http://shop.example/cart?a=1")
    assert client.treatment("hero", "anna", context).reason is Reason.STICKY


# Previews


def a_link(bench: Bench, variant_key: str, jti: str = "one") -> str:
    token = sign_preview(
        KEY,
        org="acme",
        project="shop",
        experiment_key="hero",
        variant_key=variant_key,
        now_s=bench.clock.now_ms() // 1000,
        ttl_s=900,
        jti=jti,
    )
    return f"https://shop.example/?{link_query('hero', variant_key, token)}"


@pytest.mark.parametrize("given", ["fetched", "inline"])
def test_treatment_with_preview__signed_link__shown_and_neither_recorded_nor_remembered(
    bench: Bench, given: str
) -> None:
    jwks = {"keys": [KEY.public_jwk()]} if given == "inline" else None
    client = bench.client(preview_jwks=jwks)
    client.init()
    for variant_key in ("control", "bold"):
        response = ResponseHeaders()
        context = RequestContext({}, a_link(bench, variant_key), response)
        result = client.treatment_with_preview("hero", "anna", context)
        assert (result.variant_key, result.reason) == (variant_key, Reason.PREVIEW)
        assert client.exposure("hero", "anna", context).variant_key == variant_key
        assert dict(response) == {
            "Cache-Control": "private, no-store",
            "Referrer-Policy": "no-referrer",
        }
    assert bench.sink.exposures == []


def test_treatment_with_preview__link_of_another_or_forged_or_old__as_without(
    bench: Bench,
) -> None:
    client = bench.client()
    client.init()
    drawn = client.treatment("hero", "anna").variant_key
    link = a_link(bench, other_than(drawn))
    bench.clock.advance(900 + 61)
    for url in (None, "https://shop.example/", link[:-4] + "AAAA", link):
        context = RequestContext({}, url)
        result = client.treatment_with_preview("hero", "anna", context)
        assert (result.variant_key, result.reason) == (drawn, Reason.BUCKET)


def test_treatment__preview_link__not_looked_at(bench: Bench) -> None:
    client = bench.client()
    client.init()
    drawn = client.treatment("hero", "anna").variant_key
    context = RequestContext({}, a_link(bench, other_than(drawn)))
    assert client.treatment("hero", "anna", context).variant_key == drawn


# Memory


def test_cookie_storage__first_and_second_request__written_then_read(bench: Bench) -> None:
    client = bench.client(of(HERO))
    context, response = a_request()
    variant_key = client.treatment("hero", "anna", context).variant_key
    assert lines_of(response) == [
        f"fx.hero={variant_key}; Path=/; Max-Age=31536000; SameSite=Lax; Secure"
    ]
    again, response = a_request(cookie=f"theme=dark; fx.hero={other_than(variant_key)}")
    result = client.treatment("hero", "anna", again)
    assert (result.variant_key, result.reason) == (other_than(variant_key), Reason.STICKY)
    assert lines_of(response) == []


def test_cookie_storage__options__are_in_the_cookie(bench: Bench) -> None:
    storage = CookieStorage(
        "acme.fx.", same_site="none", secure=True, http_only=True, domain=".acme.com"
    )
    client = bench.client(of(HERO), storage=storage)
    context, response = a_request()
    client.treatment("hero", "anna", context)
    (line,) = lines_of(response)
    name, *attributes = line.split("; ")
    assert name.startswith("acme.fx.hero=")
    assert {"SameSite=None", "Secure", "HttpOnly"} <= set(attributes)
    assert "Domain=.acme.com" in attributes


def test_header_storage__named_header__read_and_written_as_a_list(bench: Bench) -> None:
    menu = experiment_of("menu", ["a", "b"])
    client = bench.client(of(replace(HERO, salt="x"), menu), storage=HeaderStorage("x-fx-sticky"))
    context, response = a_request(x_fx_sticky="menu=b")
    assert client.treatment("menu", "anna", context).reason is Reason.STICKY
    variant_key = client.treatment("hero", "anna", context).variant_key
    assert lines_of(response, "x-fx-sticky") == [f"menu=b,hero={variant_key}"]


def test_in_memory_storage__subject_of_the_user_attributes__is_its_key(bench: Bench) -> None:
    client = bench.client(of(HERO), storage=InMemoryStorage())
    user = {"__subjectId__": "account-1"}
    first = client.treatment("hero", "device-1", RequestContext(user=user))
    for number in range(20):
        again = client.treatment("hero", f"device-{number}", RequestContext(user=user))
        assert again.variant_key == first.variant_key
    assert client.treatment("hero", "device-9", RequestContext(user=user)).reason is Reason.STICKY


def test_noop_storage__every_time__drawn_anew(bench: Bench) -> None:
    client = bench.client(of(HERO), storage=NoopStorage())
    context, response = a_request(cookie="fx.hero=bold")
    assert client.treatment("hero", "anna", context).reason is Reason.BUCKET
    assert len(response) == 0


class Database:
    """A storage of the user's own."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], str] = {}

    def read(self, context: RequestContext | None, subject_id: str) -> Mapping[str, str]:
        return {key: variant for (who, key), variant in self.rows.items() if who == subject_id}

    def write(
        self,
        context: RequestContext | None,
        subject_id: str,
        experiment_key: str,
        variant_key: str,
    ) -> None:
        self.rows[subject_id, experiment_key] = variant_key

    def forget(self, context: RequestContext | None, subject_id: str, experiment_key: str) -> None:
        self.rows.pop((subject_id, experiment_key), None)


def test_storage__of_ones_own__written_and_read(bench: Bench) -> None:
    database = Database()
    client = bench.client(of(HERO), storage=database)
    variant_key = client.treatment("hero", "anna").variant_key
    assert database.rows == {("anna", "hero"): variant_key}
    database.rows["anna", "hero"] = other_than(variant_key)
    result = client.treatment("hero", "anna")
    assert (result.variant_key, result.reason) == (other_than(variant_key), Reason.STICKY)


# Recording


def test_exposure__record_exposure__gets_the_record(bench: Bench) -> None:
    client = bench.client(of(HERO))
    result = client.exposure("hero", "anna", tenant_id="acme")
    (exposure,) = bench.sink.exposures
    assert (exposure.experiment_key, exposure.subject_id) == ("hero", "anna")
    assert (exposure.variant_key, exposure.reason) == (result.variant_key, Reason.BUCKET)
    assert (exposure.tenant_id, exposure.manifest_version) == ("acme", 1)
    assert exposure.at == bench.clock.now_ms()


def test_treatment__alone__records_nothing(bench: Bench) -> None:
    bench.client(of(HERO)).treatment("hero", "anna")
    assert bench.sink.exposures == []


def test_exposure__no_variant__records_nothing(bench: Bench) -> None:
    nobody = replace(HERO, audience=Audience(sample_rate_bp=0))
    result = bench.client(of(nobody)).exposure("hero", "anna")
    assert (result.variant_key, bench.sink.exposures) == (None, [])


def test_record_exposure__raises__the_result_comes_all_the_same(bench: Bench) -> None:
    client = bench.client(of(HERO), record_exposure=lambda _event: 1 / 0)
    assert client.exposure("hero", "anna").variant_key is not None
    assert client.stats().faults == {"callback": 1}


def test_expose__manual_exposure__records_what_was_decided_when_it_is_seen(bench: Bench) -> None:
    client = bench.client(of(experiment_of("checkout-flow", ["a", "b"], manual_exposure=True)))
    result = client.exposure("checkout-flow", "anna")
    assert bench.sink.exposures == []
    bench.clock.advance(60)
    assert client.expose("checkout-flow", "anna", tenant_id="acme")
    (exposure,) = bench.sink.exposures
    assert (exposure.variant_key, exposure.tenant_id) == (result.variant_key, "acme")
    assert exposure.at == bench.clock.now_ms()


def test_expose__nothing_pending__records_nothing_and_counts(bench: Bench) -> None:
    client = bench.client(of(HERO))
    assert not client.expose("hero", "anna")
    assert bench.sink.exposures == []
    assert client.stats().expose_without_decision == 1


def test_expose__in_another_process__takes_the_result_or_the_context(bench: Bench) -> None:
    client, other = bench.client(of(HERO)), bench.client(of(HERO))
    result = client.treatment("hero", "anna")
    assert other.expose("hero", "anna", decision=result)
    context, _ = a_request(cookie=f"fx.hero={other_than(result.variant_key)}")
    assert other.expose("hero", "anna", context=context)
    first, second = bench.sink.exposures
    assert (first.variant_key, second.variant_key) == (
        result.variant_key,
        other_than(result.variant_key),
    )


def test_track__value_and_tenant__record_conversion_gets_them(bench: Bench) -> None:
    client = bench.client(of(HERO))
    client.track("purchase", "anna", value=12.5, tenant_id="acme", properties={"currency": "EUR"})
    (conversion,) = bench.sink.conversions
    assert (conversion.event_name, conversion.subject_id) == ("purchase", "anna")
    assert (conversion.value, conversion.tenant_id) == (12.5, "acme")
    assert conversion.properties == {"currency": "EUR"}


def test_identify__login__the_variant_follows_and_it_is_recorded(bench: Bench) -> None:
    database = Database()
    client = bench.client(of(HERO), storage=database)
    anonymous = client.treatment("hero", "visitor-1")
    client.identify("visitor-1", "user-1")
    assert client.treatment("hero", "user-1").variant_key == anonymous.variant_key
    (identity,) = bench.sink.identities
    assert (identity.subject_id, identity.user_id) == ("visitor-1", "user-1")


def test_explain__a_subject__the_decision_and_its_steps(bench: Bench) -> None:
    client = bench.client(of(HERO))
    explanation = client.explain("hero", "anna")
    assert explanation.decision == client.treatment("hero", "anna").decision
    assert explanation.steps[-1].verdict == "answered"


def test_api_key__events__go_to_the_server_in_a_batch(bench: Bench) -> None:
    bodies: list[dict[str, Any]] = []

    def transport(request: HttpRequest) -> HttpResponse:
        if request.method == "GET":
            return bench.host(request)
        assert request.url == "https://m.example/api/v1/orgs/acme/projects/shop/events"
        assert request.headers["authorization"] == "Bearer fx_key_1.secret"
        body = json.loads(request.body or b"")
        bodies.append(body)
        answer = json.dumps({"accepted": len(body["events"]), "rejected": []})
        return HttpResponse(200, {}, answer.encode())

    client = bench.client(
        transport=transport, api_key="fx_key_1.secret", record_exposure=None, record_conversion=None
    )
    client.init()
    for _ in range(3):
        client.exposure("hero", "anna")
    client.track("purchase", "anna", value=1)
    assert client.flush(5)
    (body,) = bodies
    assert [event["kind"] for event in body["events"]] == ["exposure", "conversion"]
    stats = client.stats()
    assert (stats.sent, stats.repeated, stats.queued, stats.dropped) == (2, 2, 0, 0)
