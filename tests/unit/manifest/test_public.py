"""What clients may read of a manifest."""

import msgspec

from fairlot.engine import (
    ActivationRule,
    Audience,
    BrokenExperiment,
    Context,
    EventRule,
    Experiment,
    ExperimentType,
    Feed,
    FeedAlgorithm,
    HistoryCondition,
    HistorySegment,
    Layer,
    LayerRange,
    ListSegment,
    Manifest,
    PropertyRule,
    Reason,
    RuleSegment,
    Status,
    Variant,
    compile_manifest,
    decide,
)
from fairlot.manifest import manifest_from_json, manifest_to_json
from fairlot.manifest.public import public_of

BUYERS = HistorySegment(
    "buyers",
    (HistoryCondition(EventRule("order", {"value": {"$gte": 50}}, 2, 1000)),),
    {"mail": {"$inGroup": "staff"}},
)
SECRET = Experiment(
    "secret",
    "own-salt",
    (Variant("a", "var_a", "A", True, 9000, payload={"price": 1}), Variant("b", weight=1000)),
    id="exp_secret",
    name="Secret",
    type=ExperimentType.PERSONALIZATION,
    status=Status.PAUSED,
    audience=Audience({"tier": "pro"}, ("buyers", "held")),
    layer=LayerRange("hidden", 0, 100),
    metadata={"k": 1},
)
OPEN = Experiment(
    "open",
    "open",
    (Variant("a"), Variant("b")),
    audience=Audience({"mail": {"$inGroup": "direct"}}, ("pros",)),
    layer=LayerRange("shared", 0, 100),
)
WHOLE = Manifest(
    "o",
    "p",
    3,
    "",
    (OPEN, SECRET, BrokenExperiment("broken", "cannot be read")),
    layers=(Layer("hidden", "layer.hidden"), Layer("shared", "layer.shared")),
    segments=(
        BUYERS,
        ListSegment("direct", salt="s"),
        RuleSegment("held", {"b": 1}),
        RuleSegment("pros", {"mail": {"$inGroup": "listed"}}),
        ListSegment("listed", salt="s"),
        ListSegment("staff", salt="s"),
    ),
    properties=(PropertyRule("last_price", EventRule("order"), "value"),),
    feeds=(Feed("popular", FeedAlgorithm.MOST_POPULAR),),
)


def test_public__experiment_of_the_server__keeps_its_names_only() -> None:
    document = msgspec.json.decode(manifest_to_json(public_of(WHOLE)))
    assert document["experiments"][1] == {
        "key": "secret",
        "id": "exp_secret",
        "name": "Secret",
        "type": "personalization",
        "status": "paused",
        "hashVersion": 1,
        "variants": [{"key": "a", "id": "var_a", "name": "A"}, {"key": "b"}],
        "serverOnly": True,
    }


def test_public__what_nothing_open_uses__is_gone() -> None:
    public = public_of(WHOLE)
    assert [each.key for each in public.experiments] == ["open", "secret", "broken"]
    assert public.experiments[0] is OPEN
    assert [each.key for each in public.layers] == ["shared"]
    assert [each.key for each in public.segments] == ["direct", "pros", "listed"]
    assert (public.properties, public.feeds) == ((), ())


def test_public__is_public_of_itself() -> None:
    assert public_of(public_of(WHOLE)) == public_of(WHOLE)


def test_public__decided_by_a_client__says_server_only() -> None:
    compiled = compile_manifest(manifest_from_json(manifest_to_json(public_of(WHOLE))))
    assert decide(compiled, "secret", "anna", Context()).reason is Reason.SERVER_ONLY
    assert list(compiled.broken) == ["broken"]


def test_public__manifest_for_clients__stays_as_it_is() -> None:
    plain = Manifest("o", "p", 3, "", (OPEN,), segments=WHOLE.segments[3:5])
    assert public_of(plain) == plain


def test_public__trigger__is_not_told() -> None:
    activation = ActivationRule(EventRule("viewed_pricing"))
    triggered = Experiment("t", "t", (Variant("a"),), activation=activation)
    text = manifest_to_json(public_of(Manifest("o", "p", 1, "", (triggered,))))
    assert b"viewed_pricing" not in text
    assert b'"serverOnly":true' in text
