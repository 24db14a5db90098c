"""The client's short cuts answer what its long way does, over random manifests and requests."""

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fairlot import CookieStorage, RequestContext, ResponseHeaders, TreatmentResult
from fairlot.engine import (
    Audience,
    BrokenExperiment,
    Context,
    Device,
    Experiment,
    Status,
    Unit,
    compile_manifest,
    decide,
)
from fairlot.sdk.deciding import Deciding
from fairlot.sdk.faults import Faults
from fairlot.sdk.options import Options
from fairlot.sdk.serving import NOTHING_KNOWN, Forced, Serving
from fairlot.testing import FrozenClock
from support.sdk_clients import URL

from .strategies import (
    AUDIENCES,
    HOLDOUTS,
    RULES,
    SUBJECT_IDS,
    VARIANT_KEYS,
    experiments,
    manifest_of,
)

pytestmark = pytest.mark.slow

KEYS = ("e", "e", "f", "f", "broken", "nobody")
SUBJECTS = st.one_of(SUBJECT_IDS, SUBJECT_IDS, st.sampled_from(["", "x" * 400, "x" * 401]))
CALLS = st.lists(st.tuples(st.sampled_from(KEYS), SUBJECTS), min_size=1, max_size=6)

# Names and values of use, of none, and of experiments that are gone; written by browsers or not.
ANY_COOKIES = st.tuples(
    st.sampled_from(["; ", "; ", ";", " ;\t"]),
    st.lists(
        st.tuples(
            st.sampled_from(["fx.e", "fx.f", "fx.broken", "fx.gone", "fx.a b", "fx.", "sid"]),
            st.sampled_from(["=", "=", " = ", ""]),
            st.sampled_from([*VARIANT_KEYS, "gone", "", "no variant", "fx.e=b"]),
        ).map("".join),
        max_size=5,
    ),
).map(lambda parts: parts[0].join(parts[1]))
USUAL_COOKIES = st.lists(
    st.builds(
        "fx.{}={}".format,
        st.sampled_from(["e", "e", "f", "f", "gone"]),
        st.sampled_from([*VARIANT_KEYS, "gone", "no variant"]),
    ),
    min_size=1,
    max_size=3,
).map("; ".join)
COOKIE_HEADERS = st.one_of(st.none(), ANY_COOKIES, USUAL_COOKIES, USUAL_COOKIES)
REQUESTS = st.fixed_dictionaries(
    {
        "headers": COOKIE_HEADERS.map(lambda each: None if each is None else {"cookie": each}),
        "url": st.sampled_from([None, "/pricing", "https://shop.example/a?q=xy", "::"]),
        "user": st.sampled_from([None, {}, {"tier": "pro"}, {"tier": 1, "age": 31}]),
        "account_id": st.sampled_from([None, "", "acme", "x" * 401]),
        "account": st.sampled_from([None, {"plan": "free"}]),
        "device": st.none() | st.sampled_from(Device),
    }
)


@st.composite
def shown_experiments(draw: st.DrawFn) -> Experiment:
    """As `experiments`, but three of four get as far as the memory when their audience holds."""
    experiment = draw(experiments())
    if draw(st.integers(0, 3)) == 0:
        return experiment
    variants = tuple(
        replace(each, recipe_sample_rate_bp=draw(st.sampled_from([10_000, 10_000, 5_000])))
        for each in experiment.variants
    )
    return replace(
        experiment,
        variants=variants,
        status=Status.RUNNING,
        unit=Unit.SUBJECT,
        audience=draw(st.just(Audience()) | st.builds(Audience, rule=RULES) | AUDIENCES),
        layer=None,
        schedule=None,
        divert_to=draw(st.sampled_from([None, None, None, "control"])),
        server_only=False,
        hash_version=1,
    )


@st.composite
def servings(draw: st.DrawFn) -> Serving:
    """Of two experiments and a broken one, now and then with one forced."""
    first, second = draw(shown_experiments()), replace(draw(shown_experiments()), key="f")
    repeated = (first,) if draw(st.integers(0, 9)) == 0 else ()
    every = (first, second, BrokenExperiment("broken", "weights"), *repeated)
    holdout = draw(st.none() | st.none() | HOLDOUTS)
    compiled = compile_manifest(manifest_of(*every, holdout=holdout))
    forced: Mapping[str, Forced] = draw(
        st.sampled_from([{}, {}, {}, {"e": Forced("b", None)}, {"nobody": Forced("x", 1)}])
    )
    return Serving.of(compiled, forced)


class OwnCookies(CookieStorage):
    """Not quite CookieStorage, so none of its short cuts is taken."""


class Visit:
    """A request as one client sees it."""

    def __init__(self, storage: CookieStorage, request: Mapping[str, object], responds: bool):
        clock = FrozenClock()
        self.faults = Faults(clock)
        plain = dict.fromkeys(Options.__dataclass_fields__)
        valid = {"manifest_url": URL, "refresh_interval_s": 30.0, "subject_cookie": "fx_sid"}
        valid |= {"timeout_s": 5.0, "queue_bound": 1, "clock": clock, "storage": storage}
        self.deciding = Deciding(Options(**plain | valid), self.faults)  # type: ignore[arg-type]
        response = ResponseHeaders() if responds else None
        self.context = RequestContext(**request, response=response)  # type: ignore[arg-type]

    def treat(self, serving: Serving, key: str, subject: str) -> TreatmentResult:
        return self.deciding.treat(serving, key, subject, self.context)

    def treat_in_short(self, serving: Serving, key: str, subject: str) -> TreatmentResult:
        """As `Client.treatment` does it."""
        assert self.deciding.only_cookies
        known = self.deciding.recognise(serving, key, subject, self.context)
        return self.treat(serving, key, subject) if known is None else known

    @property
    def sent(self) -> list[tuple[str, str]]:
        response = self.context.response
        assert response is None or isinstance(response, ResponseHeaders)
        return list(response or ())


@settings(max_examples=1000)
@given(servings(), REQUESTS, CALLS, st.booleans())
def test_recognise__any_request__as_treat_answers_and_writes(
    serving: Serving,
    request: Mapping[str, object],
    calls: list[tuple[str, str]],
    responds: bool,
) -> None:
    short = Visit(CookieStorage(), request, responds)
    long = Visit(CookieStorage(), request, responds)
    own = Visit(OwnCookies(), request, responds)
    for key, subject in calls:
        answers = [
            short.treat_in_short(serving, key, subject),
            long.treat(serving, key, subject),
            own.treat(serving, key, subject),
        ]
        assert answers[0] == answers[1] == answers[2]
        assert answers[0].decision == answers[1].decision == answers[2].decision
    assert short.sent == long.sent == own.sent
    only_reads = {"account_id"}  # an id that is not looked at may go unreported
    assert {k: v for k, v in short.faults.counts.items() if k not in only_reads} == {
        k: v for k, v in long.faults.counts.items() if k not in only_reads
    }


@settings(max_examples=300)
@given(servings(), st.sampled_from(KEYS), SUBJECT_IDS)
def test_plain__any_experiment_in_it__as_the_engine_decides_of_nothing_known(
    serving: Serving, key: str, subject: str
) -> None:
    experiment = serving.plain.get(key)
    if experiment is None:
        return
    at_any_time = (Context(now_ms=now_ms) for now_ms in (0, 1_000, 10**12))
    decision = experiment.answer_plain(subject, subject, NOTHING_KNOWN)
    for context in at_any_time:
        assert decide(serving.compiled, key, subject, context) is decision
