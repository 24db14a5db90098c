"""Manifest JSON: its shape, what is left out, what breaks alone and what breaks everything."""

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fairlot.engine import (
    ActivationRule,
    Audience,
    BrokenExperiment,
    Device,
    EventRule,
    Experiment,
    ExperimentType,
    Feed,
    FeedAlgorithm,
    HistoryCondition,
    HistorySegment,
    Holdout,
    Hours,
    Layer,
    LayerRange,
    ListSegment,
    Manifest,
    PropertyRule,
    QueryOperator,
    QueryParam,
    RuleSegment,
    Schedule,
    ServerSegment,
    Status,
    Take,
    Unit,
    Variant,
    VisitorStatus,
)
from fairlot.manifest import (
    InvalidManifest,
    UnreadableExperiment,
    UnsupportedSchema,
    experiment_from_json,
    experiment_to_json,
    manifest_from_json,
    manifest_to_json,
)

VARIANTS = (Variant("control", is_control=True), Variant("b"))
SMALL = Experiment("e", "e", VARIANTS)
EMPTY = Manifest("default", "default", 1, "2026-11-23T06:00:00.000Z", ())
FULL = Experiment(
    key="full",
    salt="other",
    variants=(
        Variant(
            "a", "var_1", "A", True, 4000, 5000, {"x": [1, None]}, None, "j", "c", ({"op": 1},)
        ),
        Variant("b", weight=6000, redirect="/b"),
    ),
    id="exp_1",
    name="Full",
    type=ExperimentType.PERSONALIZATION,
    status=Status.PAUSED,
    hash_version=7,
    unit=Unit.ACCOUNT,
    audience=Audience(
        rule={"tier": {"$in": ["pro"]}},
        segments=("pros",),
        url_patterns=("/a",),
        query_params=(
            QueryParam("q", QueryOperator.EQUALS, "1"),
            QueryParam("r", QueryOperator.EXISTS),
        ),
        device=Device.MOBILE,
        visitor_status=VisitorStatus.NEW,
        sample_rate_bp=2500,
    ),
    layer=LayerRange("checkout", 0, 5000),
    schedule=Schedule(0, 1_000, Hours(540, 1020, frozenset({1, 7}))),
    divert_to="a",
    rollout="b",
    recheck_audience=True,
    adapter_is_randomised=True,
    server_only=True,
    manual_exposure=True,
    metadata={"k": 1.0},
    group="g",
    priority=-3,
    display="once",
    on_login="switch",
    trigger={"kind": "auto"},
    shared_js="s",
    shared_css="t",
)


def document_of(*experiments: Any, **fields: Any) -> bytes:
    whole = {
        "schema": "fairlot.manifest/1",
        "org": "o",
        "project": "p",
        "version": 1,
        "publishedAt": "",
        "experiments": experiments,
        **fields,
    }
    return msgspec.json.encode(whole)


def test_experiment__all_at_defaults__is_written_without_them() -> None:
    assert experiment_to_json(SMALL) == (
        b'{"key":"e","hashVersion":1,"variants":[{"key":"control","isControl":true},{"key":"b"}]}'
    )


def test_experiment__rates_computed_at_run_time__are_still_left_out_at_their_default() -> None:
    rate = int("10000")
    variants = (Variant("a", recipe_sample_rate_bp=rate), Variant("b"))
    experiment = replace(
        SMALL,
        variants=variants,
        audience=Audience(rule={"a": 1}, sample_rate_bp=rate),
        display="".join(["al", "ways"]),
    )
    assert experiment_to_json(experiment) == (
        b'{"key":"e","hashVersion":1,"audience":{"rule":{"a":1}},'
        b'"variants":[{"key":"a"},{"key":"b"}]}'
    )


def test_experiment__every_field_set__is_written_as_documented() -> None:
    assert msgspec.json.decode(experiment_to_json(FULL)) == {
        "key": "full",
        "id": "exp_1",
        "name": "Full",
        "type": "personalization",
        "status": "paused",
        "hashVersion": 7,
        "salt": "other",
        "unit": "account",
        "audience": {
            "rule": {"tier": {"$in": ["pro"]}},
            "segments": ["pros"],
            "urlPatterns": ["/a"],
            "queryParams": [
                {"key": "q", "operator": "equals", "value": "1"},
                {"key": "r", "operator": "exists"},
            ],
            "device": "mobile",
            "visitorStatus": "new",
            "sampleRateBp": 2500,
        },
        "layer": {"key": "checkout", "start": 0, "end": 5000},
        "schedule": {
            "start": "1970-01-01T00:00:00.000Z",
            "end": "1970-01-01T00:00:01.000Z",
            "hours": {"days": ["mon", "sun"], "from": "09:00", "to": "17:00"},
        },
        "variants": [
            {
                "key": "a",
                "id": "var_1",
                "name": "A",
                "isControl": True,
                "weight": 4000,
                "recipeSampleRateBp": 5000,
                "payload": {"x": [1, None]},
                "js": "j",
                "css": "c",
                "domOps": [{"op": 1}],
            },
            {"key": "b", "weight": 6000, "redirect": "/b"},
        ],
        "divertTo": "a",
        "rollout": "b",
        "recheckAudience": True,
        "adapterIsRandomised": True,
        "serverOnly": True,
        "manualExposure": True,
        "metadata": {"k": 1.0},
        "group": "g",
        "priority": -3,
        "display": "once",
        "onLogin": "switch",
        "trigger": {"kind": "auto"},
        "sharedJs": "s",
        "sharedCss": "t",
    }


@pytest.mark.parametrize("experiment", [SMALL, FULL])
def test_experiment__written__reads_back_equal(experiment: Experiment) -> None:
    assert experiment_from_json(experiment_to_json(experiment)) == experiment


def test_experiment__mappings_that_are_no_dicts__are_written_as_such() -> None:
    view = MappingProxyType({"b": 1, "a": MappingProxyType({"c": 2})})
    experiment = replace(SMALL, audience=Audience(rule=view), metadata=view)
    plain = {"b": 1, "a": {"c": 2}}
    expected = replace(SMALL, audience=Audience(rule=plain), metadata=plain)
    assert experiment_to_json(experiment) == experiment_to_json(expected)


def test_experiment__keys_in_another_order__is_written_the_same() -> None:
    one = replace(SMALL, metadata={"a": 1, "b": 2})
    other = replace(SMALL, metadata={"b": 2, "a": 1})
    assert experiment_to_json(one) == experiment_to_json(other)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"key": "e", "variants": []}, "Object missing required field `hashVersion`"),
        (
            {"key": "e", "hashVersion": 1, "variants": [{"key": "a", "weight": "1"}]},
            "variants[0].weight: Expected `int | null`, got `str`",
        ),
        (
            {"key": "e", "hashVersion": 1, "variants": [{"key": "a", "weight": 33.3}]},
            "variants[0].weight: Expected `int | null`, got `float`",
        ),
        (
            {"key": "e", "hashVersion": 1, "variants": [], "unit": "cookie"},
            "unit: Invalid enum value 'cookie'",
        ),
        (
            {"key": "e", "hashVersion": 1, "variants": [], "schedule": {"end": "tomorrow"}},
            "schedule.end: write an RFC 3339 instant with its offset, as in 2026-11-23T06:00:00Z",
        ),
        (
            {
                "key": "e",
                "hashVersion": 1,
                "variants": [],
                "schedule": {"hours": {"from": "9", "to": "10:00"}},
            },
            "schedule.hours: write a time of day, UTC, as in 09:00",
        ),
        (
            {
                "key": "e",
                "hashVersion": 1,
                "variants": [],
                "schedule": {"hours": {"days": ["mo"], "from": "09:00", "to": "10:00"}},
            },
            "schedule.hours.days: days are mon, tue, wed, thu, fri, sat, sun",
        ),
    ],
)
def test_experiment__unreadable__is_broken_alone_under_its_key(
    document: dict[str, Any], message: str
) -> None:
    with pytest.raises(UnreadableExperiment) as caught:
        experiment_from_json(msgspec.json.encode(document))
    assert str(caught.value) == message
    sound = msgspec.json.decode(experiment_to_json(SMALL))
    manifest = manifest_from_json(document_of(sound, document))
    assert manifest.experiments == (SMALL, BrokenExperiment("e", message))


@pytest.mark.parametrize("document", [5, {}, {"key": 5}, None, "e"])
def test_experiment__without_a_readable_key__is_broken_under_its_place(document: Any) -> None:
    (broken,) = manifest_from_json(document_of(document)).experiments
    assert isinstance(broken, BrokenExperiment)
    assert broken.key == "experiments[0]"


def test_experiment__not_utf8__is_broken_alone() -> None:
    document = document_of({"key": "e", "name": "@"}).replace(b"@", b"\xff")
    (broken,) = manifest_from_json(document).experiments
    assert broken == BrokenExperiment("e", "not UTF-8")


def test_experiment__nested_too_deeply__is_unreadable() -> None:
    document = b'{"key":"e","hashVersion":1,"variants":[],"metadata":{"a":'
    document += b"[" * 100_000 + b"]" * 100_000 + b"}}"
    with pytest.raises(UnreadableExperiment, match="nested too deeply"):
        experiment_from_json(document)


def test_broken_experiment__written__stays_broken_under_its_key() -> None:
    payload = manifest_to_json(replace(EMPTY, experiments=(BrokenExperiment("e", "x"), SMALL)))
    broken, sound = manifest_from_json(payload).experiments
    assert isinstance(broken, BrokenExperiment)
    assert (broken.key, sound) == ("e", SMALL)


def test_manifest__empty__is_written_without_what_it_has_not() -> None:
    assert manifest_to_json(EMPTY) == (
        b'{"schema":"fairlot.manifest/1","org":"default","project":"default","version":1,'
        b'"publishedAt":"2026-11-23T06:00:00.000Z","experiments":[]}'
    )


def test_manifest__salts_at_their_defaults__are_left_out_and_restored() -> None:
    manifest = replace(
        EMPTY,
        holdout=Holdout("default", "holdout.default", 500),
        layers=(Layer("checkout", "layer.checkout"), Layer("other", "salted")),
    )
    payload = manifest_to_json(manifest)
    whole = msgspec.json.decode(payload)
    assert whole["holdout"] == {"key": "default", "rateBp": 500}
    assert whole["layers"] == [{"key": "checkout"}, {"key": "other", "salt": "salted"}]
    assert manifest_from_json(payload) == manifest


def test_manifest__keys__are_written_in_their_order_and_read_back() -> None:
    manifest = replace(EMPTY, keys=("kid-2", "kid-1"))
    payload = manifest_to_json(manifest)
    assert msgspec.json.decode(payload)["keys"] == ["kid-2", "kid-1"]
    assert manifest_from_json(payload) == manifest


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("kid", "$.keys: Expected `array`, got `str`"),
        (["kid", 5], "$.keys[1]: Expected `str`, got `int`"),
        (None, "$.keys: Expected `array`, got `null`"),
    ],
)
def test_manifest__keys_that_are_no_texts__is_invalid(keys: Any, message: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        manifest_from_json(document_of(keys=keys))
    assert str(caught.value) == message


def test_manifest__segments_of_all_kinds__read_back_equal() -> None:
    segments = (
        RuleSegment("pros", {"tier": "pro"}),
        RuleSegment("all", {}),
        ListSegment("vips", ("a@x", 1), "email"),
        ListSegment("big", (), "email", "segment.big", frozenset({"ff" * 16, "00" * 16})),
        ListSegment("none"),
        ServerSegment("hist"),
    )
    payload = manifest_to_json(replace(EMPTY, segments=segments))
    assert msgspec.json.decode(payload)["segments"] == [
        {"key": "pros", "rule": {"tier": "pro"}},
        {"key": "all", "rule": {}},
        {"key": "vips", "attribute": "email", "values": ["a@x", 1]},
        {
            "key": "big",
            "attribute": "email",
            "salt": "segment.big",
            "hashes": ["00" * 16, "ff" * 16],
        },
        {"key": "none"},
        {"key": "hist", "serverOnly": True},
    ]
    assert manifest_from_json(payload).segments == segments


def test_manifest__segment_of_two_kinds__is_invalid() -> None:
    document = document_of(segments=[{"key": "s", "rule": {}, "values": [1]}])
    with pytest.raises(InvalidManifest, match="one of the three") as caught:
        manifest_from_json(document)
    assert caught.value.path == "$.segments.s"


def test_manifest__unknown_fields__are_ignored() -> None:
    assert manifest_from_json(document_of(later=1)).version == 1


def test_manifest__another_schema__is_refused() -> None:
    with pytest.raises(UnsupportedSchema) as caught:
        manifest_from_json(document_of(schema="fairlot.manifest/2", experiments="later"))
    assert str(caught.value) == (
        "$.schema: schema is 'fairlot.manifest/2'; this version reads fairlot.manifest/1"
    )


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"", "the JSON ends early, or a string holds half of a surrogate pair"),
        (b"{]", "JSON is malformed: object keys must be strings (byte 1)"),
        (b"[]", "Expected `object`, got `array`"),
        (b"\xff", "JSON is malformed: invalid character (byte 0)"),
        (document_of(version="1"), "$.version: Expected `int`, got `str`"),
        (document_of(version=-1), "$.version: a version is not negative"),
        (document_of(holdout={"key": "h"}), "$.holdout: Object missing required field `rateBp`"),
        (
            document_of(org="@").replace(b"@", rb"\ud800"),
            "JSON is malformed: unexpected end of hex escape (byte 44)",
        ),
        (document_of(org="@").replace(b"@", b"\xff"), "not UTF-8"),
        (b'{"a":' + b"[" * 100_000, "nested too deeply"),
    ],
)
def test_manifest__unreadable__says_what_is_wrong_and_where(payload: bytes, message: str) -> None:
    with pytest.raises(InvalidManifest) as caught:
        manifest_from_json(payload)
    assert str(caught.value) == message


texts = st.text(st.characters(codec="utf-8"), max_size=6)
rates = st.integers(0, 10_000)
numbers = st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(texts, json_values, max_size=3)
maybe_text = st.none() | texts


def tuples_of(items: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(items, max_size=3).map(tuple)


variants = st.builds(
    Variant,
    key=texts,
    id=texts,
    name=texts,
    weight=st.none() | rates,
    recipe_sample_rate_bp=rates,
    payload=json_values,
    redirect=maybe_text,
    js=maybe_text,
    css=maybe_text,
    dom_ops=tuples_of(json_values),
)
audiences = st.builds(
    Audience,
    rule=objects,
    segments=tuples_of(texts),
    url_patterns=tuples_of(texts),
    query_params=tuples_of(st.builds(QueryParam, texts, st.sampled_from(QueryOperator), texts)),
    sample_rate_bp=rates,
)
instants = st.none() | st.integers(-62_135_596_800_000, 253_402_300_799_999)
hours = st.builds(
    Hours, st.integers(0, 1439), st.integers(0, 1439), st.frozensets(st.integers(1, 7))
)
experiments = st.builds(
    Experiment,
    key=texts,
    salt=texts,
    variants=tuples_of(variants),
    id=texts,
    name=texts,
    hash_version=st.integers(),
    audience=audiences,
    layer=st.none() | st.builds(LayerRange, texts, st.integers(), st.integers()),
    schedule=st.none() | st.builds(Schedule, instants, instants, st.none() | hours),
    divert_to=maybe_text,
    rollout=maybe_text,
    metadata=st.none() | objects,
    group=maybe_text,
    priority=st.integers(),
    display=texts,
    on_login=texts,
    trigger=st.none() | objects,
    shared_js=maybe_text,
    shared_css=maybe_text,
)
manifests = st.builds(
    Manifest,
    org=texts,
    project=texts,
    version=st.integers(min_value=0),
    published_at=texts,
    experiments=tuples_of(experiments),
    holdout=st.none() | st.builds(Holdout, texts, texts, rates),
    layers=tuples_of(st.builds(Layer, texts, texts)),
    segments=tuples_of(
        st.builds(RuleSegment, texts, objects)
        | st.builds(ServerSegment, texts)
        | st.builds(
            ListSegment, texts, tuples_of(json_values), maybe_text, texts, st.frozensets(texts)
        )
    ),
)


@pytest.mark.slow
@given(manifests)
def test_manifest__any__survives_json_and_gives_the_same_bytes(manifest: Manifest) -> None:
    payload = manifest_to_json(manifest)
    assert manifest_from_json(payload) == manifest
    assert manifest_to_json(manifest_from_json(payload)) == payload


ORDERED = EventRule("order", {"value": {"$gte": 50}}, 2, 60_000)
OF_THE_SERVER = replace(
    EMPTY,
    experiments=(
        replace(SMALL, activation=ActivationRule(ORDERED, 3_600_000, 3, 500)),
        replace(SMALL, key="f", salt="f", activation=ActivationRule(EventRule("view"))),
    ),
    segments=(
        HistorySegment("buyers", (HistoryCondition(ORDERED),), {"tier": "pro"}),
        HistorySegment("idle", (HistoryCondition(EventRule("view"), performed=False),)),
    ),
    properties=(
        PropertyRule("last", ORDERED, "value", Take.SUM),
        PropertyRule("views", EventRule("view"), take=Take.COUNT),
    ),
    feeds=(
        Feed("popular", FeedAlgorithm.MOST_POPULAR),
        Feed(
            "ours",
            FeedAlgorithm.NEWEST,
            0.5,
            2.5,
            9.5,
            1000,
            ("popular",),
            {"brand": "x"},
            {"stock": 0},
            ("p1",),
            ("id", "title"),
            4,
        ),
    ),
)


def test_manifest__of_the_server__is_read_as_it_was_written() -> None:
    assert manifest_from_json(manifest_to_json(OF_THE_SERVER)) == OF_THE_SERVER


def test_manifest__of_the_server__is_written_as_documented() -> None:
    document = msgspec.json.decode(manifest_to_json(OF_THE_SERVER))
    assert [each["activation"] for each in document["experiments"]] == [
        {
            "when": {
                "event": "order",
                "where": {"value": {"$gte": 50}},
                "count": 2,
                "withinMs": 60_000,
            },
            "forMs": 3_600_000,
            "limit": 3,
            "controlShareBp": 500,
        },
        {"when": {"event": "view"}, "controlShareBp": 1000},
    ]
    assert document["segments"][1] == {
        "key": "idle",
        "history": [{"event": "view", "performed": False}],
    }
    assert document["properties"][1] == {
        "key": "views",
        "when": {"event": "view"},
        "take": "count",
    }
    assert document["feeds"][0] == {"key": "popular", "algorithm": "most_popular"}


def test_segment__list_with_a_history__breaks_the_manifest() -> None:
    both = {"key": "s", "values": ["a"], "history": [{"event": "view"}]}
    with pytest.raises(InvalidManifest, match="one of the three"):
        manifest_from_json(document_of(segments=[both]))
