"""The provider behind OpenFeature's own client: values, reasons, errors and tracking."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from openfeature import api
from openfeature.client import OpenFeatureClient
from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode, ProviderNotReadyError
from openfeature.flag_evaluation import FlagEvaluationDetails, Reason
from openfeature.hook import Hook, HookContext, HookHints
from openfeature.track import TrackingEventDetails
from openfeature.transaction_context import ContextVarsTransactionContextPropagator

import fairlot
from fairlot import Client, NoopStorage, RequestContext, ResponseHeaders
from fairlot.engine import (
    BrokenExperiment,
    Experiment,
    Holdout,
    Layer,
    LayerRange,
    Manifest,
    Schedule,
    Status,
    Unit,
)
from fairlot.integrations.openfeature import REQUEST, FairlotProvider, evaluation_context
from fairlot.testing import FrozenClock, MemorySink, experiment_of, force, manifest_of

URL = "https://m.example/v1/acme/shop/manifest.json"
ANNA = EvaluationContext("anna")


def no_network(_request: object) -> Any:
    raise OSError("this test has no network")


class Bench:
    """A client with a memory sink behind OpenFeature's default provider."""

    def __init__(self, *, record_exposures: bool = True, **options: Any) -> None:
        self.sink = MemorySink()
        plain: dict[str, Any] = {
            "transport": no_network,
            "clock": FrozenClock(),
            "record_exposure": self.sink.record_exposure,
            "record_conversion": self.sink.record_conversion,
        }
        self.client = Client(URL, **plain | options)
        self.provider = FairlotProvider(self.client, record_exposures=record_exposures)

    def serve(self, manifest: Manifest) -> OpenFeatureClient:
        self.client.set_manifest(manifest)
        api.set_provider_and_wait(self.provider)
        return api.get_client()


@pytest.fixture(autouse=True)
def clean_api() -> Iterator[None]:
    yield
    api.shutdown()


@pytest.fixture
def bench() -> Bench:
    return Bench()


def one_payload(payload: Any) -> Manifest:
    """Whoever is drawn gets `payload`."""
    return manifest_of({"flag": {"a": payload, "b": payload}})


def every_details(flags: OpenFeatureClient, key: str, context: EvaluationContext) -> list[Any]:
    return [
        flags.get_boolean_details(key, True, context),
        flags.get_string_details(key, "default", context),
        flags.get_integer_details(key, -1, context),
        flags.get_float_details(key, -1.5, context),
        flags.get_object_details(key, {"default": 1}, context),
    ]


async def every_details_async(
    flags: OpenFeatureClient, key: str, context: EvaluationContext
) -> list[Any]:
    return [
        await flags.get_boolean_details_async(key, True, context),
        await flags.get_string_details_async(key, "default", context),
        await flags.get_integer_details_async(key, -1, context),
        await flags.get_float_details_async(key, -1.5, context),
        await flags.get_object_details_async(key, {"default": 1}, context),
    ]


DEFAULTS = [True, "default", -1, -1.5, {"default": 1}]
MISMATCH = object()


@pytest.mark.parametrize(
    ("payload", "values"),
    [
        (False, [False, MISMATCH, MISMATCH, MISMATCH, MISMATCH]),
        ("red", [MISMATCH, "red", MISMATCH, MISMATCH, MISMATCH]),
        ("", [MISMATCH, "", MISMATCH, MISMATCH, MISMATCH]),
        (0, [MISMATCH, MISMATCH, 0, 0.0, MISMATCH]),
        (7, [MISMATCH, MISMATCH, 7, 7.0, MISMATCH]),
        (1.0, [MISMATCH, MISMATCH, MISMATCH, 1.0, MISMATCH]),
        (10**400, [MISMATCH, MISMATCH, 10**400, MISMATCH, MISMATCH]),
        ({"color": "red"}, [MISMATCH, MISMATCH, MISMATCH, MISMATCH, {"color": "red"}]),
        ([1, 2], [MISMATCH, MISMATCH, MISMATCH, MISMATCH, [1, 2]]),
        ({}, [MISMATCH, MISMATCH, MISMATCH, MISMATCH, {}]),
    ],
)
def test_resolve__payload_of_each_type__only_the_resolver_of_that_type_gives_it(
    bench: Bench, payload: Any, values: list[Any]
) -> None:
    flags = bench.serve(one_payload(payload))
    now = every_details(flags, "flag", ANNA)
    later = asyncio.run(every_details_async(flags, "flag", ANNA))
    for found in (now, later):
        for details, value, default in zip(found, values, DEFAULTS, strict=True):
            if value is MISMATCH:
                assert (details.error_code, details.value) == (ErrorCode.TYPE_MISMATCH, default)
                assert f"a payload of type {type(payload).__name__}" in details.error_message
            else:
                assert (details.value, type(details.value)) == (value, type(value))
                assert (details.error_code, details.reason) == (None, Reason.SPLIT)


def test_resolve__no_payload__the_key_of_the_variant(bench: Bench) -> None:
    flags = bench.serve(manifest_of({"flag": ["control", "bold"]}))
    details = flags.get_string_details("flag", "default", ANNA)
    assert details.value == details.variant == bench.client.treatment("flag", "anna").variant_key
    wrong = flags.get_integer_details("flag", 3, ANNA)
    assert (wrong.value, wrong.error_code) == (3, ErrorCode.TYPE_MISMATCH)
    assert "has no payload; get a string: its key" in (wrong.error_message or "")


def test_resolve__value_changed_by_the_caller__the_next_is_as_published(bench: Bench) -> None:
    flags = bench.serve(one_payload({"colors": ["red"]}))
    value: Any = flags.get_object_value("flag", {}, ANNA)
    value["colors"].append("blue")
    assert flags.get_object_value("flag", {}, ANNA) == {"colors": ["red"]}


def test_resolve__variant__named_with_our_reason_and_the_version(bench: Bench) -> None:
    flags = bench.serve(manifest_of({"flag": ["control", "bold"]}, version=7))
    details = flags.get_string_details("flag", "default", ANNA)
    assert details.variant in ("control", "bold")
    assert details.flag_metadata == {"fairlotReason": "bucket", "version": "7"}


FLAG = experiment_of("flag", ["control", "bold"])
NEVER = replace(FLAG.audience, sample_rate_bp=0)


def served(experiment: Experiment | BrokenExperiment, **fields: Any) -> Manifest:
    manifest = manifest_of({"other": ["control", "bold"]})
    return replace(manifest, experiments=(experiment,), **fields)


@pytest.mark.parametrize(
    ("manifest", "own", "standard"),
    [
        (served(FLAG), "bucket", Reason.SPLIT),
        (served(replace(FLAG, divert_to="bold")), "divert", Reason.STATIC),
        (served(replace(FLAG, schedule=Schedule(start_ms=2**42))), "scheduled", Reason.DISABLED),
        (served(replace(FLAG, status=Status.PAUSED)), "paused", Reason.DISABLED),
        (served(replace(FLAG, schedule=Schedule(end_ms=1))), "ended", Reason.DISABLED),
        (served(experiment_of("flag", ["a", "b"], rule={"vip": True})), "audience", Reason.DEFAULT),
        (served(replace(FLAG, audience=NEVER)), "sample", Reason.DEFAULT),
        (served(FLAG, holdout=Holdout("all", "h", 10_000)), "holdout", Reason.DEFAULT),
        (served(replace(FLAG, unit=Unit.ACCOUNT)), "no_unit", Reason.DEFAULT),
        (served(replace(FLAG, server_only=True)), "server_only", Reason.DEFAULT),
        (
            served(replace(FLAG, layer=LayerRange("page", 0, 1)), layers=(Layer("page", "l"),)),
            "layer",
            Reason.DEFAULT,
        ),
        (
            served(
                replace(
                    FLAG,
                    variants=tuple(replace(v, recipe_sample_rate_bp=0) for v in FLAG.variants),
                )
            ),
            "recipe",
            Reason.DEFAULT,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_resolve__each_reason__its_standard_name_and_no_error(
    bench: Bench, manifest: Manifest, own: str, standard: Reason
) -> None:
    details = bench.serve(manifest).get_string_details("flag", "default", ANNA)
    assert (details.flag_metadata["fairlotReason"], details.reason) == (own, standard)
    assert details.error_code is None
    assert (details.variant is None) == (details.value == "default")


def test_resolve__adapter_and_exclusion__split_and_default() -> None:
    chosen = Bench(decision_adapter=lambda _request: "bold", storage=NoopStorage())
    details = chosen.serve(served(FLAG)).get_string_details("flag", "default", ANNA)
    assert (details.value, details.reason) == ("bold", Reason.SPLIT)
    assert details.flag_metadata["fairlotReason"] == "adapter"

    excluded = Bench(excluded=True)
    details = excluded.serve(served(FLAG)).get_string_details("flag", "default", ANNA)
    assert (details.value, details.reason) == ("default", Reason.DEFAULT)
    assert excluded.sink.exposures == []


def test_resolve__experiment_nobody_runs__flag_not_found(bench: Bench) -> None:
    details = bench.serve(served(FLAG)).get_string_details("flga", "default", ANNA)
    assert (details.value, details.reason) == ("default", Reason.ERROR)
    assert details.error_code is ErrorCode.FLAG_NOT_FOUND
    assert "flga: no such experiment runs" in (details.error_message or "")


def test_resolve__experiment_that_cannot_be_read__parse_error(bench: Bench) -> None:
    flags = bench.serve(served(BrokenExperiment("flag", "hashVersion 9")))
    details = flags.get_string_details("flag", "default", ANNA)
    assert (details.value, details.error_code) == ("default", ErrorCode.PARSE_ERROR)


@pytest.mark.parametrize("context", [None, EvaluationContext(), EvaluationContext("")])
def test_resolve__no_targeting_key__an_error_and_nothing_recorded(
    bench: Bench, context: EvaluationContext | None
) -> None:
    details = bench.serve(served(FLAG)).get_string_details("flag", "default", context)
    assert (details.value, details.error_code) == ("default", ErrorCode.TARGETING_KEY_MISSING)
    assert bench.sink.exposures == []


def not_text() -> Any:
    return 17


@pytest.mark.parametrize(
    ("context", "message"),
    [
        (EvaluationContext("x" * 401), "targeting_key: 401 characters: give a text of 1 to 400"),
        (EvaluationContext(not_text()), "targeting_key: int: give a text"),
        (EvaluationContext("anna", {REQUEST: "GET /"}), "fairlot.request: str: give a fairlot"),
        (EvaluationContext("anna", {"until": datetime.max.replace(tzinfo=UTC)}), "out of range"),
    ],
)
def test_resolve__context_that_cannot_be_used__invalid_context(
    bench: Bench, context: EvaluationContext, message: str
) -> None:
    details = bench.serve(served(FLAG)).get_string_details("flag", "default", context)
    assert (details.value, details.error_code) == ("default", ErrorCode.INVALID_CONTEXT)
    assert message in (details.error_message or "")


def test_resolve__no_manifest__provider_not_ready(bench: Bench) -> None:
    with pytest.raises(ProviderNotReadyError):
        api.set_provider_and_wait(bench.provider)
    details = api.get_client().get_string_details("flag", "default", ANNA)
    assert (details.value, details.error_code) == ("default", ErrorCode.PROVIDER_NOT_READY)
    assert "no manifest" in (details.error_message or "")


def test_resolve__forced_without_a_manifest__the_forced_variant(bench: Bench) -> None:
    with pytest.raises(ProviderNotReadyError):
        api.set_provider_and_wait(bench.provider)
    with force("flag", "bold", payload=12, client=bench.client):
        details = api.get_client().get_integer_details("flag", 0, ANNA)
    assert (details.value, details.variant, details.reason) == (12, "bold", Reason.STATIC)


def test_resolve__attributes__reach_the_audience(bench: Bench) -> None:
    flags = bench.serve(
        manifest_of([experiment_of("flag", ["a", "b"], rule={"since": {"$gte": "2026-01-01"}})])
    )
    since = datetime(2026, 5, 1, tzinfo=UTC)
    for context, reason in (
        (EvaluationContext("anna", {"since": since}), Reason.SPLIT),
        (EvaluationContext("anna", {"since": "2025-12-31"}), Reason.DEFAULT),
        (ANNA, Reason.DEFAULT),
    ):
        assert flags.get_string_details("flag", "default", context).reason is reason


def test_resolve__request_context__its_cookies_are_read_and_written(bench: Bench) -> None:
    flags = bench.serve(served(FLAG))
    response = ResponseHeaders()
    first = RequestContext(headers={}, response=response)
    details = flags.get_string_details("flag", "", evaluation_context("anna", first))
    ((_, line),) = response
    assert line.startswith(f"fx.flag={details.value};")

    other = "bold" if details.value == "control" else "control"
    again = RequestContext(headers={"cookie": f"fx.flag={other}"}, response=ResponseHeaders())
    kept = flags.get_string_details("flag", "", evaluation_context("anna", again))
    assert (kept.value, kept.reason) == (other, Reason.SPLIT)
    assert kept.flag_metadata["fairlotReason"] == "sticky"


def test_resolve__request_context_and_attributes__both_count_and_the_request_stays(
    bench: Bench,
) -> None:
    rule = {"tier": "pro", "country": "NL"}
    mine = experiment_of("mine", ["a", "b"], rule=rule)
    ours = replace(experiment_of("ours", ["a", "b"], rule=rule), unit=Unit.ACCOUNT)
    flags = bench.serve(manifest_of([mine, ours]))
    response = ResponseHeaders()
    request = RequestContext({}, response=response, user={"tier": "pro"}, account_id="acme")
    context = evaluation_context("anna", request, {"country": "NL"})
    reasons = {flags.get_string_details(key, "", context).reason for key in ("mine", "ours")}
    assert reasons == {Reason.SPLIT}
    assert flags.get_string_value("mine", "", context) != ""
    assert [name for name, _ in response] == ["Set-Cookie"]
    assert request.user == {"tier": "pro"}


def test_resolve__transaction_context__the_request_is_found_in_it(bench: Bench) -> None:
    flags = bench.serve(served(FLAG))
    request = RequestContext(headers={"cookie": "fx.flag=bold"})
    api.set_transaction_context_propagator(ContextVarsTransactionContextPropagator())
    api.set_transaction_context(evaluation_context("anna", request))
    try:
        assert flags.get_string_value("flag", "default") == "bold"
    finally:
        api.set_transaction_context(EvaluationContext())


def test_resolve__each_evaluation__an_exposure(bench: Bench) -> None:
    flags = bench.serve(manifest_of({"flag": {"control": 1, "bold": 2}}))
    flags.get_integer_value("flag", 0, ANNA)
    (exposure,) = bench.sink.exposures
    assert (exposure.experiment_key, exposure.subject_id) == ("flag", "anna")


def test_resolve__value_of_another_type__the_exposure_is_recorded_all_the_same(
    bench: Bench,
) -> None:
    # Whichever variant has the wrong payload: leaving out its subjects only would spoil the split.
    flags = bench.serve(manifest_of({"flag": {"control": None, "bold": 2}}))
    for number in range(20):
        flags.get_integer_value("flag", 0, EvaluationContext(f"s-{number}"))
    assert {exposure.variant_key for exposure in bench.sink.exposures} == {"control", "bold"}
    assert len(bench.sink.exposures) == 20


def test_resolve__record_exposures_off__nothing_recorded() -> None:
    bench = Bench(record_exposures=False)
    assert bench.serve(served(FLAG)).get_string_value("flag", "", ANNA) != ""
    assert bench.sink.exposures == []


def test_track__details__a_conversion_with_value_and_properties(bench: Bench) -> None:
    flags = bench.serve(served(FLAG))
    request = RequestContext(session_id="visit-1")
    details = TrackingEventDetails(12.5, {"currency": "EUR"})
    flags.track("purchase", evaluation_context("anna", request), details)
    flags.track("signup", ANNA)
    purchase, signup = bench.sink.conversions
    assert (purchase.subject_id, purchase.event_name) == ("anna", "purchase")
    assert (purchase.value, purchase.properties) == (12.5, {"currency": "EUR"})
    assert purchase.session_id == "visit-1"
    assert (signup.value, signup.properties) == (None, None)


def test_track__no_targeting_key__nothing_recorded_and_nothing_raised(bench: Bench) -> None:
    bench.serve(served(FLAG)).track("purchase")
    bench.provider.track("purchase")
    assert bench.sink.conversions == []


class Recorded(Hook):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def after(
        self, hook_context: HookContext, details: FlagEvaluationDetails[Any], hints: HookHints
    ) -> None:
        self.seen.append(f"after {hook_context.provider_metadata} {details.variant}")

    def error(self, hook_context: HookContext, exception: Exception, hints: HookHints) -> None:
        self.seen.append(f"error {type(exception).__name__}")


def test_hooks__of_openfeature__see_variants_and_errors(bench: Bench) -> None:
    hook = Recorded()
    flags = bench.serve(served(replace(FLAG, divert_to="bold")))
    flags.add_hooks([hook])
    flags.get_string_value("flag", "", ANNA)
    flags.get_string_value("nothing", "", ANNA)
    assert hook.seen == ["after Metadata(name='Fairlot') bold", "error FlagNotFoundError"]


def test_domains__a_provider_each__decide_by_their_own_manifest(bench: Bench) -> None:
    other = Bench()
    other.client.set_manifest(one_payload("other"))
    bench.serve(one_payload("mine"))
    api.set_provider_and_wait(other.provider, "other")
    assert api.get_client().get_string_value("flag", "", ANNA) == "mine"
    assert api.get_client("other").get_string_value("flag", "", ANNA) == "other"


def test_domains__one_provider_for_two__works_in_both(bench: Bench) -> None:
    bench.serve(one_payload("mine"))
    api.set_provider_and_wait(bench.provider, "other")
    assert api.get_client("other").get_string_value("flag", "", ANNA) == "mine"


def test_reasons__every_one_of_ours__tested_above() -> None:
    assert set(fairlot.Reason) == {
        *("unknown", "invalid", "server_only", "preview", "excluded", "scheduled", "paused"),
        *("ended", "no_unit", "audience", "holdout", "layer", "divert", "sticky", "sample"),
        *("adapter", "bucket", "recipe"),
    }
