"""What a client decides; the engine's own tests say why."""

from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from itertools import product
from typing import Any

import pytest

from fairlot import Client, CookieStorage, NoopStorage, Reason, RequestContext
from fairlot.engine import (
    BrokenExperiment,
    Context,
    LayerRange,
    Schedule,
    Status,
    Unit,
    compile_manifest,
    decide,
)
from fairlot.sdk.errors import InvalidOption
from fairlot.sdk.options import AdapterRequest
from support.sdk_clients import (
    Site,
    a_manifest,
    a_request,
    a_site,
    all_to,
    an_experiment,
    cookies_of,
    only_for,
)


class Role(StrEnum):
    ADMIN = "admin"


@pytest.fixture
def site() -> Iterator[Site]:
    with a_site(an_experiment()) as made:
        yield made


def test_treatment__no_manifest__unknown_without_a_version() -> None:
    with a_site() as site:
        result = site.client.treatment("hero", "anna")
        assert (result.variant_key, result.reason, result.in_experiment) == (
            None,
            Reason.UNKNOWN,
            False,
        )
        assert (result.variant_id, result.manifest_version, result.payload) == (None, None, None)
        assert site.client.manifest() is None


def test_treatment__any_subject__as_the_engine_decides(site: Site) -> None:
    compiled = compile_manifest(a_manifest(an_experiment()))
    for number in range(1000):
        subject = f"user-{number}"
        decision = decide(compiled, "hero", subject, Context())
        result = site.client.treatment("hero", subject)
        assert decision.variant is not None
        assert (result.variant_key, result.variant_id) == (
            decision.variant.key,
            decision.variant.id,
        )
        assert (result.reason, result.manifest_version) == (Reason.BUCKET, 3)
        assert site.client.treatment("hero", subject, RequestContext()) is result


def test_treatment__same_decision__the_same_object(site: Site) -> None:
    results = {id(site.client.treatment("hero", f"user-{number}")) for number in range(100)}
    assert len(results) == 2


def test_treatment__key_that_is_not_there__unknown_of_this_version(site: Site) -> None:
    for context in (None, a_request()):
        result = site.client.treatment("nobody", "anna", context)
        assert (result.reason, result.experiment_key) == (Reason.UNKNOWN, "nobody")
        assert result.manifest_version == 3


@pytest.mark.parametrize("subject", ["", None, 5, b"anna", ["anna"], "x" * 401, "x" * 10_240])
@pytest.mark.parametrize("context", [None, RequestContext()])
def test_treatment__no_subject_id__invalid_and_told_once_a_minute(
    site: Site, subject: Any, context: RequestContext | None, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(3):
        result = site.client.exposure("hero", subject, context)
        assert (result.variant_key, result.reason) == (None, Reason.INVALID)
    assert site.faults == {"subject_id": 3}
    assert [record.message for record in caplog.records] == [
        "subject_id: give a text of 1 to 400 characters; nothing was decided or recorded"
    ]
    assert site.sink.exposures == []


@pytest.mark.parametrize(
    "subject", ["x" * 400, "\N{GRINNING FACE}" * 400, "\N{COMBINING ACUTE ACCENT}" * 400]
)
def test_treatment__400_characters__decided(site: Site, subject: str) -> None:
    assert site.client.treatment("hero", subject).reason is Reason.BUCKET
    assert site.faults == {}


def test_treatment__lone_surrogate__decided_and_recorded_as_it_is_hashed(site: Site) -> None:
    assert site.client.exposure("hero", "a\ud800b") == site.client.treatment(
        "hero", "a\N{REPLACEMENT CHARACTER}b"
    )
    (exposure,) = site.sink.exposures
    assert exposure.subject_id == exposure.unit_id == "a\N{REPLACEMENT CHARACTER}b"


def test_treatment__text_of_a_class_of_its_own__as_its_text(site: Site) -> None:
    plain = site.client.treatment("hero", "admin")
    assert site.client.treatment("hero", Role.ADMIN) is plain
    site.client.exposure("hero", Role.ADMIN)
    assert [type(exposure.subject_id) for exposure in site.sink.exposures] == [str]


@pytest.mark.parametrize("key", [["hero"], None, {}, 5])
def test_treatment__key_that_is_no_text__no_variant_and_no_error(site: Site, key: Any) -> None:
    for context in (None, a_request()):
        result = site.client.exposure(key, "anna", context)
        assert result.variant_key is None
    assert site.client.payload(key, "anna") is None
    assert site.client.metadata(key) is None
    assert site.sink.exposures == []


@pytest.mark.parametrize("context", ["request", {"cookie": "a"}, 5])
def test_treatment__context_that_is_none__no_variant_and_no_error(site: Site, context: Any) -> None:
    result = site.client.exposure("hero", "anna", context)
    assert (result.variant_key, result.reason) == (None, Reason.INVALID)
    assert site.client.explain("hero", "anna", context).decision.reason is Reason.INVALID
    assert not site.client.expose("hero", "anna", context=context)
    site.client.track("order", "anna", context=context)
    site.client.identify("anna", "user-1", context)
    assert site.faults["context"] >= 1


def test_treatment__attributes_too_deep__no_variant_and_no_error() -> None:
    deep: dict[str, Any] = {}
    deep["a"] = deep
    with a_site(an_experiment(audience=only_for(a={"b": 1}))) as site:
        result = site.client.treatment("hero", "anna", RequestContext(user=deep))
        assert result.variant_key is None


def test_treatment__attributes__meet_the_audience() -> None:
    with a_site(an_experiment(audience=only_for(tier="pro"))) as site:
        inside = site.client.treatment("hero", "anna", RequestContext(user={"tier": "pro"}))
        outside = site.client.treatment("hero", "anna", RequestContext(user={"tier": "free"}))
        unknown = site.client.treatment("hero", "anna")
    assert [each.reason for each in (inside, outside, unknown)] == [
        "bucket",
        "audience",
        "audience",
    ]


def test_treatment__schedule__follows_the_clock() -> None:
    with a_site(an_experiment(schedule=Schedule(start_ms=1_767_225_610_000))) as site:
        contexts = (None, RequestContext())
        before = {site.client.treatment("hero", "anna", each).reason for each in contexts}
        site.clock.advance(10)
        after = {site.client.treatment("hero", "anna", each).reason for each in contexts}
    assert (before, after) == ({Reason.SCHEDULED}, {Reason.BUCKET})


def test_treatment__by_account__the_account_is_hashed_and_not_kept_in_a_browser() -> None:
    with a_site(an_experiment(unit=Unit.ACCOUNT)) as site:
        assert site.client.treatment("hero", "anna").reason is Reason.NO_UNIT
        request = a_request("fx.hero=bold", account_id="acc-1")
        mine = site.client.exposure("hero", "anna", request)
        colleague = a_request("fx.hero=control", account_id="acc-1")
        assert site.client.treatment("hero", "bert", colleague) is mine
        assert mine.reason is Reason.BUCKET
        assert cookies_of(request) == []
        assert site.sink.exposures[0].unit_id == "acc-1"


@pytest.mark.parametrize("account_id", ["", "x" * 401, 17])
def test_treatment__account_id_that_is_none__no_unit(account_id: Any) -> None:
    with a_site(an_experiment(unit=Unit.ACCOUNT)) as site:
        result = site.client.treatment("hero", "anna", a_request(account_id=account_id))
        assert result.reason is Reason.NO_UNIT


def test_treatment__broken_experiment__invalid_and_told() -> None:
    with a_site(BrokenExperiment("old", "weights"), an_experiment()) as site:
        for _ in range(2):
            assert site.client.treatment("old", "anna").reason is Reason.INVALID
            assert site.client.treatment("hero", "anna").reason is Reason.BUCKET
        assert site.faults == {"broken_experiment": 1}


def test_payload__of_the_variant__a_copy_each_time() -> None:
    variants = (
        all_to("bold").variants[0],
        type(all_to("bold").variants[1])("bold", weight=10_000, payload={"list": [1]}),
    )
    with a_site(an_experiment(variants=variants)) as site:
        first = site.client.payload("hero", "anna")
        first["list"].append(2)
        assert site.client.payload("hero", "anna") == {"list": [1]}
        assert site.client.treatment("hero", "anna").payload == {"list": [1]}
        assert site.client.payload("nobody", "anna") is None


def test_metadata__of_an_experiment__a_copy_or_none() -> None:
    with a_site(an_experiment(metadata={"owner": {"team": "web"}}), an_experiment("bare")) as site:
        first = site.client.metadata("hero")
        assert first is not None
        first["owner"]["team"] = "other"
        assert site.client.metadata("hero") == {"owner": {"team": "web"}}
        assert (site.client.metadata("bare"), site.client.metadata("nobody")) == (None, None)


def test_explain__any_context__the_same_decision_and_nothing_done() -> None:
    with a_site(an_experiment(), an_experiment("paused", status=Status.PAUSED)) as site:
        request = a_request("fx.gone=bold")
        explanation = site.client.explain("hero", "anna", request)
        assert explanation.decision.variant is not None
        assert [step.name for step in explanation.steps][-1] == "bucket"
        assert cookies_of(request) == []
        assert explanation.decision.reason is site.client.treatment("hero", "anna").reason
        remembered = site.client.explain("hero", "anna", a_request("fx.hero=bold"))
        assert remembered.decision.reason is Reason.STICKY
        assert site.client.explain("paused", "anna").decision.reason is Reason.PAUSED
        for key, subject in (("nobody", "anna"), ("hero", "")):
            assert site.client.explain(key, subject).steps == ()


def test_explain__excluded_or_adapter__as_treatment() -> None:
    with a_site(an_experiment(), excluded=True) as site:
        assert site.client.explain("hero", "anna").decision.reason is Reason.EXCLUDED
    with a_site(an_experiment(), decision_adapter=lambda _request: "bold") as site:
        assert site.client.explain("hero", "anna").decision.reason is Reason.ADAPTER


@pytest.mark.parametrize("excluded", [True, lambda _context: True, lambda _context: 1 / 0])
@pytest.mark.parametrize("has_context", [True, False])
def test_excluded__true_or_raising__no_variant_no_cookie_no_record(
    excluded: Any, has_context: bool
) -> None:
    with a_site(an_experiment(), excluded=excluded) as site:
        context = a_request("fx.gone=bold") if has_context else None
        assert site.client.exposure("hero", "anna", context).reason is Reason.EXCLUDED
        site.client.track("order", "anna", context=context)
        site.client.identify("anna", "user-1", context)
        assert not site.client.expose("hero", "anna", context=context)
        assert (site.sink.exposures, site.sink.conversions, site.sink.identities) == ([], [], [])
        assert context is None or cookies_of(context) == []
        assert set(site.faults) <= {"excluded"}


def test_excluded__function__sees_the_context() -> None:
    def is_qa(context: RequestContext | None) -> bool:
        return context is not None and context.header("x-role") == "qa"

    with a_site(an_experiment(), excluded=is_qa) as site:
        qa = RequestContext({"X-Role": "qa"})
        assert site.client.treatment("hero", "anna", qa).reason is Reason.EXCLUDED
        assert site.client.treatment("hero", "anna", RequestContext()).reason is Reason.BUCKET
        assert site.client.treatment("hero", "anna").reason is Reason.BUCKET


@pytest.mark.parametrize("answer", [None, "nobody", 5, ["bold"], ""])
def test_adapter__no_variant_of_the_experiment__the_draw_decides(answer: Any) -> None:
    with a_site(an_experiment(), decision_adapter=lambda _request: answer) as site:
        for context in (None, RequestContext()):
            assert site.client.treatment("hero", "anna", context).reason is Reason.BUCKET
        assert site.faults == {}


def test_adapter__raises__the_draw_decides_and_it_is_told() -> None:
    def broken(_request: AdapterRequest) -> str | None:
        raise LookupError("no such row")

    with a_site(an_experiment(), decision_adapter=broken) as site:
        assert site.client.treatment("hero", "anna").reason is Reason.BUCKET
        assert site.faults == {"decision_adapter": 1}


def test_adapter__variant__given_but_not_stored() -> None:
    asked: list[AdapterRequest] = []

    def choose(request: AdapterRequest) -> str | None:
        asked.append(request)
        return "bold"

    with a_site(all_to("control"), decision_adapter=choose) as site:
        request = a_request()
        result = site.client.treatment("hero", "anna", request)
        assert (result.variant_key, result.reason) == ("bold", Reason.ADAPTER)
        assert asked == [AdapterRequest("hero", "anna", request)]
        assert cookies_of(request) == []


def test_adapter__randomised__drawn_once_a_request_and_stored() -> None:
    draws = iter(["bold", "control", "bold"])
    experiment = an_experiment(adapter_is_randomised=True)
    with a_site(experiment, decision_adapter=lambda _request: next(draws)) as site:
        request = a_request()
        results = {id(site.client.treatment("hero", "anna", request)) for _ in range(3)}
        assert len(results) == 1
        assert cookies_of(request) == ["fx.hero=bold"]


def test_precedence__steps_of_the_decision__the_earlier_wins() -> None:
    """Divert, memory, sample rate, adapter, bucket, recipe: steps 8 to 14 of the table."""
    diverted = all_to("control", "diverted", divert_to="bold")
    nobody = all_to("control", "nobody", audience=only_for()).audience
    out = type(nobody)(sample_rate_bp=0)
    experiments = (
        diverted,
        all_to("control", "remembered", audience=out),
        all_to("control", "outside", audience=out),
        all_to("control", "drawn"),
        all_to("control", "layered", layer=None),
    )
    with a_site(*experiments, decision_adapter=lambda request: "bold") as site:
        cookie = "; ".join(f"fx.{each}=control" for each in ("diverted", "remembered"))
        request = a_request(cookie)

        def decided(key: str) -> tuple[str | None, Reason]:
            result = site.client.treatment(key, "anna", request)
            return result.variant_key, result.reason

        assert decided("diverted") == ("bold", Reason.DIVERT)
        assert decided("remembered") == ("control", Reason.STICKY)
        assert decided("outside") == (None, Reason.SAMPLE)
        assert decided("drawn") == ("bold", Reason.ADAPTER)


def test_set_manifest__no_manifest__refused(site: Site) -> None:
    wrong: Any = {"experiments": []}
    with pytest.raises(InvalidOption, match=r"manifest: .*: give a fairlot.engine.Manifest"):
        site.client.set_manifest(wrong)
    assert site.client.manifest() is not None


def test_set_manifest__swaps_at_once_and_fetches_nothing() -> None:
    with a_site(all_to("control")) as site:
        assert site.client.treatment("hero", "anna").variant_key == "control"
        site.client.set_manifest(a_manifest(all_to("bold"), version=4))
        result = site.client.treatment("hero", "anna")
        assert (result.variant_key, result.manifest_version) == ("bold", 4)
        site.clock.advance(3600)
        site.client.treatment("hero", "anna")
        assert site.requests == []


def test_forced__in_the_block__kept_over_swaps_and_without_a_manifest() -> None:
    with a_site() as site:
        with site.client.forced("hero", "bold", {"x": 1}):
            for context in (None, a_request()):
                result = site.client.treatment("hero", "anna", context)
                assert (result.variant_key, result.reason) == ("bold", Reason.DIVERT)
                assert result.payload == {"x": 1}
            site.client.set_manifest(a_manifest(all_to("control")))
            result = site.client.exposure("hero", "anna")
            assert (result.variant_key, result.variant_id) == ("bold", "var_bold")
            assert site.client.treatment_with_preview("hero", "anna", a_request()) is result
            assert site.client.explain("hero", "anna").decision is result.decision
        assert site.client.treatment("hero", "anna").variant_key == "control"
        assert [exposure.reason for exposure in site.sink.exposures] == [Reason.DIVERT]


def test_client__closed__decides_on() -> None:
    with a_site(an_experiment(), api_key="fx_key_12345678.secret") as site:
        assert site.client.close()
        assert site.client.treatment("hero", "anna").reason is Reason.BUCKET
        site.client.track("order", "anna")
        assert site.client.stats().dropped == 1
        assert site.client.close()


def test_client__without_storage__draws_each_time() -> None:
    with a_site(all_to("control"), storage=NoopStorage()) as site:
        request = a_request("fx.hero=bold")
        result = site.client.treatment("hero", "anna", request)
        assert (result.variant_key, result.reason) == ("control", Reason.BUCKET)
        assert cookies_of(request) == []


def test_client__layers_and_paused__as_the_engine_says() -> None:
    experiment = an_experiment(layer=LayerRange("main", 0, 5000))
    with a_site(experiment) as site:
        assert site.client.treatment("hero", "anna").reason is Reason.INVALID


def test_client__default_options__made_from_a_url_alone() -> None:
    client = Client("https://m.example/v1/acme/manifest.json")
    assert client.subject_cookie.name == "fx_sid"
    assert client.close()


class OtherCookies(CookieStorage):
    """The same, but the client does not know it for its own."""


ATTRIBUTES: dict[str, Any] = {
    "user": [None, {"tier": "pro"}, {"tier": "free"}],
    "account_id": [None, "acc-1"],
    "url": [None, "https://shop.example/cart"],
    "cookie": [
        None,
        "",
        "a=b",
        "fx.hero=bold",
        "fx.hero=control; fx.page=bold; fx.team=bold",
        "fx.hero=nobody; fx.page=control",
        "fx.hero=%; fx.recheck=bold",
        "fx.later=bold; fx.recipe=bold; fx.paused=bold; fx.diverted=control",
    ],
}


@pytest.mark.parametrize(
    "fields", [dict(zip(ATTRIBUTES, each, strict=True)) for each in product(*ATTRIBUTES.values())]
)
def test_treatment__visitor_that_the_client_recognises__as_by_the_long_way(
    fields: dict[str, Any],
) -> None:
    """The short way is taken with cookie storage and nothing else around the engine."""
    pro = only_for(tier="pro")
    bare = an_experiment().variants
    experiments = (
        an_experiment(),
        an_experiment("recheck", audience=pro, recheck_audience=True),
        an_experiment("page", audience=replace(pro, url_patterns=("/cart",))),
        an_experiment("team", unit=Unit.ACCOUNT),
        an_experiment("later", schedule=Schedule(start_ms=2_000_000_000_000)),
        an_experiment("paused", status=Status.PAUSED),
        an_experiment("diverted", divert_to="bold"),
        an_experiment("recipe", variants=(bare[0], replace(bare[1], recipe_sample_rate_bp=0))),
    )
    with a_site(*experiments) as short, a_site(*experiments, storage=OtherCookies()) as long:
        requests = [a_request(**fields) for _ in range(2)]
        for experiment in (*experiments, *experiments):
            answers = [
                site.client.treatment(experiment.key, "anna", request)
                for site, request in zip((short, long), requests, strict=True)
            ]
            assert answers[0] == answers[1]
        assert cookies_of(requests[0]) == cookies_of(requests[1])
        assert short.faults == long.faults == {}
