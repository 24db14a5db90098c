"""The trace of what Choose serves."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fairlot.engine import BrokenExperiment, Context, Explanation, TraceStep, Unit
from fairlot.service.choosing import explain_choice
from support.choosing import PHONE, ChooseBench, choose_bench
from support.serving import a_variant, an_experiment

ONLY = (a_variant("only", weight=10_000, payload=1), a_variant("none", weight=0))
EXPERIMENTS = (
    an_experiment("keep"),
    an_experiment("switch", on_login="switch"),
    an_experiment("exclude", on_login="exclude"),
    an_experiment("once", variants=ONLY, display="once"),
    an_experiment("visit", variants=ONLY, display="once_per_visit"),
    an_experiment("team", unit=Unit.ACCOUNT),
    BrokenExperiment("broken", "salt: bad"),
)
LOGGED_IN = {**PHONE, "userId": "anna"}


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[ChooseBench]:
    with choose_bench(tmp_path, *EXPERIMENTS) as made:
        yield made


def explained(
    bench: ChooseBench, key: str, subject: str = "p1", session: str | None = None, **fields: Any
) -> Explanation:
    bench.profile(subject)
    services = bench.desk.services
    found: Explanation = bench.desk.client.run(
        explain_choice(
            services.profiles,
            services.decisions.snapshot.projects["default", "default"],
            key,
            subject,
            Context(now_ms=bench.desk.clock.now_ms, **fields),
            session,
            services.log.stored_assignments,
        )
    )
    return found


def step(explanation: Explanation, name: str) -> TraceStep:
    return next(each for each in explanation.steps if each.name == name)


def login(bench: ChooseBench, key: str) -> str:
    return step(explained(bench, key), "login").note


def display(bench: ChooseBench, key: str, session: str | None = None) -> tuple[str, str]:
    found = explained(bench, key, session=session).steps[-1]
    assert found.name == "display"
    return found.verdict, found.note


def test_trace__begins_with_login_and_ends_with_display(bench: ChooseBench) -> None:
    bench.choose()
    names = [each.name for each in explained(bench, "keep").steps]
    assert names[0] == "login"
    assert names[-1] == "display"
    assert "state" in names


def test_login__nobody_known__says_so(bench: ChooseBench) -> None:
    assert login(bench, "keep") == "no profile is known; the draw is for the id itself"
    assert bench.profile("p1") is None


def test_login__nobody_logged_in__says_so(bench: ChooseBench) -> None:
    bench.choose()
    for key in ("keep", "switch", "exclude"):
        assert login(bench, key) == "nobody has logged in"


def test_login__keep__says_that_nothing_changes(bench: ChooseBench) -> None:
    bench.choose()
    before = explained(bench, "keep").decision.variant
    bench.choose(LOGGED_IN)
    assert login(bench, "keep") == "keep: the login as anna changes nothing"
    assert explained(bench, "keep").decision.variant is before


def test_login__switch__says_by_whom_it_is_drawn_and_what_counts_no_more(
    bench: ChooseBench,
) -> None:
    bench.choose()
    profile = bench.profile("p1")
    assert profile is not None
    variant = profile.assignments["exp_switch"].variant_key
    bench.choose(LOGGED_IN, names=[])
    assert login(bench, "switch") == (
        f"switch: drawn by the user id anna; {variant}, given before the login, does not count any"
        " more"
    )
    details = step(explained(bench, "switch"), "login").details
    assert details == {
        "onLogin": "switch",
        "subjectId": "p1",
        "userId": "anna",
        "drawnFor": "anna",
        "remembered": variant,
    }
    bench.choose(LOGGED_IN)
    assert login(bench, "switch").startswith("switch: drawn by the user id anna")
    served = {each.experiment_key: each.variant_key for each in bench.exposures()}
    found = explained(bench, "switch").decision.variant
    assert found is not None
    assert found.key == served["switch"]


def test_login__exclude__says_whether_it_leaves_the_analysis(bench: ChooseBench) -> None:
    bench.choose({"sourceId": "web", "profileId": "w1", "userId": "bert"})
    assert step(explained(bench, "exclude", "w1"), "login").note == (
        "exclude: no variant was given before the login as bert"
    )
    bench.choose()
    bench.profile("p1")
    bench.choose(LOGGED_IN)
    assert login(bench, "exclude") == (
        "exclude: the login as anna came after the variant, which stays; the analysis leaves it"
        " out as excluded"
    )


def test_login__second_device_was_merged_in__says_that_it_had_another_variant(
    bench: ChooseBench,
) -> None:
    names = [f"d{number}" for number in range(30)]
    variants: dict[str, str] = {}
    for name in names:
        bench.choose({"sourceId": "web", "profileId": name}, names=["keep"])
        profile = bench.profile(name)
        assert profile is not None
        variants[name] = profile.assignments["exp_keep"].variant_key
        bench.pass_time(1)
    first = names[0]
    other = next(each for each in names if variants[each] != variants[first])
    for name in (first, other):
        bench.choose({"sourceId": "web", "profileId": name, "userId": "anna"}, names=[])
    assert step(explained(bench, "keep", "anna"), "login").note == (
        f"keep: the login as anna changes nothing; {other}, merged into it, had {variants[other]}"
        " before, so the analysis leaves it out as switched"
    )


def test_display__modes__say_whether_it_may_be_shown(bench: ChooseBench) -> None:
    assert display(bench, "keep") == ("passed", "always shown")
    assert display(bench, "once") == ("passed", "once: not shown so far")
    bench.choose(sessionId="s1")
    assert display(bench, "once", "s2") == ("answered", "once: shown, so not served")
    assert display(bench, "visit", "s1") == ("answered", "once_per_visit: shown, so not served")
    assert display(bench, "visit", "s2") == ("passed", "once_per_visit: shown in another session")


def test_account__remembered_in_the_log__is_what_is_explained(bench: ChooseBench) -> None:
    found = explained(bench, "team", account_id="acme").decision.variant
    assert found is not None
    assert explained(bench, "team").decision.reason == "no_unit"


def test_broken_experiment__has_no_login(bench: ChooseBench) -> None:
    found = explained(bench, "broken")
    assert found.decision.reason == "invalid"
    assert [each.name for each in found.steps] == ["manifest"]
