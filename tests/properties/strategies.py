"""Random manifests and contexts that reach every row of the decision table."""

from hypothesis import strategies as st

from fairlot.engine import (
    AdapterCall,
    Audience,
    BrokenExperiment,
    Context,
    Device,
    Experiment,
    Holdout,
    Hours,
    Layer,
    LayerRange,
    ListSegment,
    Manifest,
    Overrides,
    QueryOperator,
    QueryParam,
    Schedule,
    Status,
    Unit,
    Variant,
    VisitorStatus,
)

VARIANT_KEYS = ("control", "a", "b")
RATES = st.sampled_from([0, 1, 2500, 5000, 9999, 10_000])
RULES = st.sampled_from(
    [
        {},
        {"tier": "pro"},
        {"tier": {"$in": ["pro", 1, None]}, "age": {"$gte": 30}},
        {"$or": [{"tier": "pro"}, {"$not": {"age": {"$exists": True}}}]},
        {"account.plan": {"$ne": "free"}},
        {"tier": {"$inGroup": "list"}},
    ]
)
SUBJECT_IDS = st.text(min_size=1, max_size=20)


@st.composite
def variants(draw: st.DrawFn) -> tuple[Variant, ...]:
    count = draw(st.integers(2, 3))
    cuts = sorted(draw(st.lists(st.integers(0, 10_000), min_size=count - 1, max_size=count - 1)))
    ends = [*cuts, 10_000]
    weighted = draw(st.booleans())
    weights = [end - start for start, end in zip([0, *cuts], ends, strict=True)]
    return tuple(
        Variant(
            VARIANT_KEYS[index],
            weight=weights[index] if weighted else None,
            recipe_sample_rate_bp=draw(RATES),
        )
        for index in range(count)
    )


AUDIENCES = st.builds(
    Audience,
    rule=RULES,
    segments=st.sampled_from([(), ("list",)]),
    url_patterns=st.sampled_from([(), ("/pricing", "shop.example/**")]),
    query_params=st.sampled_from([(), (QueryParam("q", QueryOperator.CONTAINS, "x"),)]),
    device=st.sampled_from(Device),
    visitor_status=st.sampled_from(VisitorStatus),
    sample_rate_bp=RATES,
)
SCHEDULES = st.builds(
    Schedule,
    start_ms=st.sampled_from([None, 500]),
    end_ms=st.sampled_from([None, 10**12]),
    hours=st.sampled_from([None, Hours(0, 720), Hours(1200, 60, frozenset({1, 4}))]),
)


@st.composite
def experiments(draw: st.DrawFn) -> Experiment:
    arms = draw(variants())
    keys = [None, *(variant.key for variant in arms)]
    return Experiment(
        "e",
        draw(st.sampled_from(["e", "other.salt"])),
        arms,
        status=draw(st.sampled_from(Status)),
        unit=draw(st.sampled_from(Unit)),
        audience=draw(AUDIENCES),
        layer=draw(st.sampled_from([None, LayerRange("l", 2500, 7500)])),
        schedule=draw(st.none() | SCHEDULES),
        divert_to=draw(st.sampled_from(keys)),
        rollout=draw(st.sampled_from(keys)),
        recheck_audience=draw(st.booleans()),
        adapter_is_randomised=draw(st.booleans()),
        server_only=draw(st.sampled_from([False, False, False, True])),
        hash_version=draw(st.sampled_from([1, 1, 1, 2])),
    )


HOLDOUTS = st.builds(Holdout, st.just("h"), st.just("holdout.p"), RATES)


def manifest_of(*every: Experiment | BrokenExperiment, holdout: Holdout | None) -> Manifest:
    return Manifest(
        "o",
        "p",
        1,
        "",
        every,
        holdout=holdout,
        layers=(Layer("l", "layer.l"),),
        segments=(ListSegment("list", ("pro", "someone"), None),),
    )


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    return manifest_of(draw(experiments()), holdout=draw(st.none() | HOLDOUTS))


def answering(answer: str | None) -> Overrides:
    def adapter(_call: AdapterCall) -> str | None:
        if answer == "raise":
            raise ValueError("an adapter that fails")
        return answer

    return Overrides(adapter=adapter)


OVERRIDES = st.one_of(
    st.none(),
    st.sampled_from(["control", "gone", None, "raise"]).map(answering),
    st.just(Overrides(excluded=True)),
    st.sampled_from(["a", "gone"]).map(lambda key: Overrides(preview={"e": key})),
)
CONTEXTS = st.builds(
    Context,
    attributes=st.sampled_from([{}, {"tier": "pro"}, {"tier": 1, "age": 31}, {"age": "x"}]),
    account_id=st.sampled_from([None, "", "acme"]),
    account=st.sampled_from([{}, {"plan": "free"}]),
    url=st.sampled_from(
        [None, "/pricing", "https://shop.example/a?q=xy", "https://other.example/", "::"]
    ),
    search=st.sampled_from([None, "", "?q=X"]),
    device=st.none() | st.sampled_from(Device),
    visitor_status=st.none() | st.sampled_from(VisitorStatus),
    now_ms=st.sampled_from([0, 1000, 90_000_000, 10**12]),
    sticky=st.sampled_from([None, {}, {"e": "a"}, {"e": "gone"}]),
    overrides=OVERRIDES,
)
