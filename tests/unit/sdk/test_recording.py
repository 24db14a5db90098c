"""What is recorded, and where it goes."""

import uuid
from collections.abc import Mapping
from contextlib import closing
from typing import Any

import pytest

from fairlot import Reason, RequestContext
from fairlot.engine import Audience, Device, Holdout, Status, Unit
from fairlot.events.ids import derived_event_id
from fairlot.events.sent import SentExposure
from fairlot.sdk.pending import KEPT_S, MOST_PENDING, PendingExposures
from fairlot.testing import FrozenClock
from support.event_server import EventServer, an_exposure
from support.sdk_clients import Site, a_request, a_site, all_to, an_experiment, sent_by

API_KEY = "fx_key_12345678.secretsecretsecretsecretsecretsecret"
HALF_HELD = Holdout("winter", "holdout.winter", 5000)


def test_exposure__with_a_context__every_field_that_is_known() -> None:
    with a_site(all_to("bold")) as site:
        context = a_request(
            url="https://shop.example/cart?x=1", device=Device.MOBILE, session_id="s-1"
        )
        result = site.client.exposure("hero", "anna", context, tenant_id="t-1")
        (event,) = site.sink.exposures
        assert uuid.UUID(event.event_id).version == 7
        assert event == SentExposure(
            event_id=event.event_id,
            subject_id="anna",
            unit_id="anna",
            at=site.clock.now_ms(),
            tenant_id="t-1",
            session_id="s-1",
            experiment_id="exp_hero",
            experiment_key="hero",
            variant_key="bold",
            variant_id="var_bold",
            manifest_version=3,
            hash_version=1,
            reason=Reason.BUCKET,
            device="mobile",
            url="https://shop.example/cart?x=1",
        )
        assert result.variant_key == "bold"


@pytest.mark.parametrize(
    "fields",
    [
        {"status": Status.PAUSED},
        {"audience": Audience(sample_rate_bp=0)},
        {"audience": Audience(rule={"tier": "pro"})},
        {"server_only": True},
    ],
)
def test_exposure__no_variant__nothing_recorded(fields: dict[str, Any]) -> None:
    with a_site(an_experiment(**fields)) as site:
        assert site.client.exposure("hero", "anna").variant_key is None
        assert site.client.exposure("nobody", "anna").variant_key is None
        assert (site.sink.exposures, site.faults) == ([], {})


def test_treatment__never_recorded() -> None:
    with a_site(all_to("bold")) as site:
        site.client.treatment("hero", "anna", a_request())
        assert site.sink.exposures == []


def test_callback__raises__told_and_the_server_still_gets_it() -> None:
    def broken(_event: object) -> None:
        raise ConnectionError("no warehouse")

    server = EventServer()
    options = {"record_exposure": broken, "record_conversion": broken, "transport": server}
    with a_site(all_to("bold"), api_key=API_KEY, **options) as site:
        assert site.client.exposure("hero", "anna").variant_key == "bold"
        site.client.track("order", "anna")
        assert site.faults == {"callback": 2}
        assert site.client.flush()
        assert site.client.stats().sent == 2


def test_no_sink__told_once() -> None:
    with a_site(all_to("bold"), record_exposure=None, record_conversion=None) as site:
        for _ in range(3):
            site.client.exposure("hero", "anna")
            site.clock.advance(120)
        assert site.faults == {"no_sink": 1}


def test_api_key__repeated_exposures__sent_once_but_each_to_the_callback() -> None:
    server = EventServer()
    with a_site(all_to("bold"), api_key=API_KEY, transport=server) as site:
        for _ in range(3):
            site.client.exposure("hero", "anna")
        site.client.exposure("hero", "bert")
        assert site.client.flush()
        stats = site.client.stats()
        assert (stats.sent, stats.repeated, stats.queued) == (2, 2, 0)
        assert len(site.sink.exposures) == 4


def test_manual__exposure_waits__expose_records_it_as_of_then() -> None:
    with a_site(all_to("bold", manual_exposure=True)) as site:
        context = a_request(url="https://shop.example/cart")
        assert site.client.exposure("hero", "anna", context, tenant_id="t").variant_key == "bold"
        assert site.sink.exposures == []
        site.clock.advance(60)
        assert site.client.expose("hero", "anna")
        (event,) = site.sink.exposures
        assert (event.at, event.reason) == (site.clock.now_ms(), Reason.BUCKET)
        assert (event.url, event.tenant_id) == ("https://shop.example/cart", "t")
        assert not site.client.expose("hero", "anna")
        assert site.client.stats().expose_without_decision == 1


def test_manual__expose_with_a_tenant__that_one() -> None:
    with a_site(all_to("bold", manual_exposure=True)) as site:
        site.client.exposure("hero", "anna", tenant_id="first")
        assert site.client.expose("hero", "anna", tenant_id="second")
        assert [event.tenant_id for event in site.sink.exposures] == ["second"]


def test_expose__nothing_pending__counted_and_never_decided_again() -> None:
    with a_site(all_to("bold")) as site:
        assert not site.client.expose("hero", "anna")
        assert site.client.stats().expose_without_decision == 1
        assert site.sink.exposures == []


def test_expose__after_an_hour__no_more_pending() -> None:
    with a_site(all_to("bold", manual_exposure=True)) as site:
        site.client.exposure("hero", "anna")
        site.clock.advance(KEPT_S)
        assert not site.client.expose("hero", "anna")


def test_expose__context_with_the_cookie__what_it_says() -> None:
    with a_site(all_to("control", manual_exposure=True)) as site:
        assert site.client.expose("hero", "anna", context=a_request("fx.hero=bold"))
        (event,) = site.sink.exposures
        assert (event.variant_key, event.reason) == ("bold", Reason.STICKY)


def test_expose__context_without_the_cookie__counted_and_nobody_drawn() -> None:
    with a_site(all_to("bold")) as site:
        request = a_request("fx.other=bold")
        assert not site.client.expose("hero", "anna", context=request)
        assert site.client.stats().expose_without_decision == 1
        assert site.sink.exposures == []
        assert sent_by(request) == []


def test_expose__context_of_the_request_that_decided__as_it_was_drawn() -> None:
    with a_site(all_to("bold")) as site:
        request = a_request()
        site.client.treatment("hero", "anna", request)
        assert site.client.expose("hero", "anna", context=request)
        assert [event.reason for event in site.sink.exposures] == [Reason.BUCKET]


def test_forced__client_with_a_server__callbacks_only() -> None:
    server = EventServer()
    with a_site(all_to("bold"), api_key=API_KEY, transport=server) as site:
        with site.client.forced("hero", "control"):
            site.client.exposure("hero", "anna")
            site.client.track("order", "anna")
        assert site.client.stats().queued == 0
        site.client.track("order", "bert")
        assert site.client.stats().queued == 1
        assert [event.subject_id for event in site.sink.conversions] == ["anna", "bert"]


def test_expose__decision_that_was_kept__recorded() -> None:
    with a_site(all_to("bold"), an_experiment("other", status=Status.PAUSED)) as site:
        decision = site.client.treatment("hero", "anna")
        assert site.client.expose("hero", "anna", decision=decision, tenant_id="t")
        assert not site.client.expose("other", "anna", decision=decision)
        nothing = site.client.treatment("other", "anna")
        assert not site.client.expose("other", "anna", decision=nothing)
        assert [event.variant_key for event in site.sink.exposures] == ["bold"]
        assert site.client.stats().expose_without_decision == 2


@pytest.mark.parametrize("subject", ["", None, "x" * 401])
def test_expose__no_subject_id__told(subject: Any) -> None:
    with a_site(all_to("bold")) as site:
        decision = site.client.treatment("hero", "anna")
        assert not site.client.expose("hero", subject, decision=decision)
        site.client.track("order", subject)
        site.client.identify(subject, "user-1")
        site.client.identify("anon", subject)
        assert site.faults == {"subject_id": 4}
        assert (site.sink.conversions, site.sink.identities) == ([], [])


def test_pending__more_than_ten_thousand__the_oldest_go() -> None:
    pending = PendingExposures(FrozenClock())
    for number in range(MOST_PENDING + 5):
        pending.keep(an_exposure(f"s{number}"))
    assert len(pending) == MOST_PENDING
    assert pending.take("hero", "s4") is None
    assert pending.take("hero", "s5") is not None


def test_pending__kept_again__is_the_newest() -> None:
    pending = PendingExposures(FrozenClock())
    for number in range(MOST_PENDING):
        pending.keep(an_exposure(f"s{number}"))
    pending.keep(an_exposure("s0"))
    pending.keep(an_exposure("new"))
    assert pending.take("hero", "s0") is not None
    assert pending.take("hero", "s1") is None


def test_track__every_field__as_given() -> None:
    with a_site() as site:
        site.client.track(
            "order",
            "anna",
            value=20,
            tenant_id="t",
            context=RequestContext(session_id="s"),
            properties={"items": [1, {"sku": "a"}]},
        )
        (event,) = site.sink.conversions
        assert uuid.UUID(event.event_id).version == 7
        assert (event.subject_id, event.event_name, event.value) == ("anna", "order", 20.0)
        assert (event.tenant_id, event.session_id) == ("t", "s")
        assert event.properties == {"items": [1, {"sku": "a"}]}
        assert event.at == site.clock.now_ms()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "20", True, 10**400, [1], object()])
def test_track__value_that_is_no_number__told_and_not_recorded(value: Any) -> None:
    with a_site() as site:
        site.client.track("order", "anna", value=value)
        assert (site.sink.conversions, site.faults) == ([], {"value": 1})


@pytest.mark.parametrize("name", ["", "x" * 201, None, 5])
def test_track__event_name_that_is_none__told_and_not_recorded(name: Any) -> None:
    with a_site() as site:
        site.client.track(name, "anna")
        assert (site.sink.conversions, site.faults) == ([], {"event_name": 1})


@pytest.mark.parametrize(
    "properties", [{"x": object()}, {"x": "y" * 9000}, [1], {"x": "\ud800"}, {1: {2: 3}.items()}]
)
def test_track__properties_that_are_no_json__recorded_without(properties: Any) -> None:
    with a_site() as site:
        site.client.track("order", "anna", properties=properties)
        (event,) = site.sink.conversions
        assert (event.properties, site.faults) == (None, {"properties": 1})


def test_track__properties_changed_later__as_they_were() -> None:
    with a_site() as site:
        properties: dict[str, Any] = {"items": [1]}
        site.client.track("order", "anna", properties=properties)
        properties["items"].append(2)
        assert site.sink.conversions[0].properties == {"items": [1]}


@pytest.mark.parametrize("text", ["", "x" * 401, 5])
def test_track__tenant_or_session_of_no_use__recorded_without(text: Any) -> None:
    with a_site() as site:
        site.client.track("order", "anna", tenant_id=text, context=RequestContext(session_id=text))
        (event,) = site.sink.conversions
        assert (event.tenant_id, event.session_id) == (None, None)
        assert site.faults == {"tenant_id": 1, "session_id": 1}


def test_track__lone_surrogates__replaced() -> None:
    with a_site() as site:
        site.client.track("or\ud800der", "an\udc00na")
        (event,) = site.sink.conversions
        replaced = "\N{REPLACEMENT CHARACTER}"
        assert (event.event_name, event.subject_id) == (f"or{replaced}der", f"an{replaced}na")


def test_identify__recorded_with_conversions() -> None:
    with a_site(all_to("bold")) as site:
        site.client.identify("anon", "user-1", RequestContext(session_id="s"))
        site.client.identify("user-1", "user-1")
        (event,) = site.sink.identities
        assert (event.subject_id, event.user_id, event.session_id) == ("anon", "user-1", "s")


@pytest.mark.parametrize(
    ("url", "recorded"),
    [
        ("https://a.example/x?q=1", "https://a.example/x?q=1"),
        ("https://a.example/x?fxpreview=a:b&fxtoken=secret", "https://a.example/x"),
        ("https://a.example/x?fxpreview=a:b&fxt%6Fken=secret", "https://a.example/x"),
        ("https://a.example/in?next=%2F%3Ffxtoken%3Dsecret", "https://a.example/in"),
        ("https://a.example/in?next=%252F%253Ffxtoken%253Dsecret", "https://a.example/in"),
        ("https://a.example/x#fxtoken=secret", "https://a.example/x"),
        ("https://a.example/x?q=50%25", "https://a.example/x?q=50%25"),
        ("https://a.example/" + "x" * 9000, None),
        ("https://a.example/\ud800", "https://a.example/\N{REPLACEMENT CHARACTER}"),
        (None, None),
    ],
)
def test_exposure__url__bounded_and_without_a_preview_token(
    url: str | None, recorded: str | None
) -> None:
    with a_site(all_to("bold")) as site:
        site.client.exposure("hero", "anna", RequestContext(url=url))
        assert site.sink.exposures[0].url == recorded


def test_holdout__every_evaluation__recorded_with_one_id_a_unit_which_is_the_server_s() -> None:
    with a_site(an_experiment(), an_experiment("other"), holdout=HALF_HELD) as site:
        for number in range(50):
            for key in ("hero", "other", "hero"):
                site.client.exposure(key, f"user-{number}")
        holdouts = [
            event for event in site.sink.exposures if event.experiment_key.startswith("holdout")
        ]
        assert len({event.event_id for event in holdouts}) == 50
        assert {event.experiment_key for event in holdouts} == {"holdout.winter"}
        held = {event.subject_id for event in holdouts if event.variant_key == "held"}
        shown = {event.subject_id for event in site.sink.exposures} - held
        assert 10 < len(held) < 40
        assert {event.variant_key for event in holdouts} == {"held", "open"}
        assert all(
            (event.subject_id in held)
            == (site.client.treatment("hero", event.subject_id).reason == "holdout")
            for event in holdouts
        )
        assert len(shown) == 50 - len(held)
        # The server makes UUIDv5(project, text) of a text that is no UUID, as it does for its own.
        first = holdouts[0]
        assert first.event_id == f"holdout.winter:{first.subject_id}"
        assert derived_event_id("prj_1", first.event_id) == derived_event_id(
            "prj_1", f"holdout.winter:{first.unit_id}"
        )


def test_holdout__given_up_while_too_many_waited__recorded_again() -> None:
    server = EventServer()
    subjects = [f"user-{number}" for number in range(40)]
    site = Site(
        an_experiment(), holdout=HALF_HELD, api_key=API_KEY, transport=server, queue_bound=10
    )
    with closing(site.client):
        for subject in subjects:
            site.client.exposure("hero", subject)
        assert site.client.stats().dropped > 0
        for subject in subjects:
            site.client.flush()
            site.client.exposure("hero", subject)
        site.client.flush()
        assert site.client.stats().repeated > 0
    holdouts = {each for each in server.arrived if each.startswith("holdout.")}
    assert holdouts == {f"holdout.winter:{subject}" for subject in subjects}


def test_holdout__long_unit_id__an_id_that_fits() -> None:
    with a_site(an_experiment(), holdout=HALF_HELD) as site:
        site.client.exposure("hero", "x" * 400)
        assert uuid.UUID(site.sink.exposures[0].event_id).version == 5


@pytest.mark.parametrize(
    "experiment",
    [
        an_experiment(status=Status.PAUSED),
        an_experiment(server_only=True),
        an_experiment(unit=Unit.ACCOUNT),
    ],
)
def test_holdout__not_evaluated__not_recorded(experiment: Any) -> None:
    with a_site(experiment, holdout=HALF_HELD) as site:
        site.client.exposure("hero", "anna")
        site.client.exposure("nobody", "anna")
        site.client.treatment("hero", "anna")
        assert site.sink.exposures == []


def test_recording__callback_that_changes_its_mind__never_reaches_the_request() -> None:
    def exits(_event: object) -> None:
        raise RecursionError

    with a_site(all_to("bold"), record_exposure=exits) as site:
        assert site.client.exposure("hero", "anna").variant_key == "bold"
        assert site.faults == {"callback": 1}


def test_user_attributes__broken_mapping__no_variant_and_no_error() -> None:
    class Broken(Mapping[str, Any]):
        def __getitem__(self, key: str) -> Any:
            raise LookupError

        def get(self, key: str, default: Any = None) -> Any:
            raise RuntimeError("lazy loading failed")

        def __iter__(self) -> Any:
            raise RuntimeError

        def __len__(self) -> int:
            return 1

    with a_site(an_experiment(audience=Audience(rule={"tier": "pro"}))) as site:
        result = site.client.exposure("hero", "anna", RequestContext(user=Broken()))
        assert (result.variant_key, result.reason) == (None, Reason.INVALID)
        assert site.faults == {"decision": 1}
