"""The Choose face: requests, answers and refusals."""

import base64
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fairlot.engine import (
    Audience,
    BrokenExperiment,
    Device,
    Experiment,
    Holdout,
    Schedule,
    Status,
    Unit,
    VisitorStatus,
)
from fairlot.events import Assignment
from fairlot.http.asgi import JSON, NO_STORE, Reply
from support.choosing import (
    KEY,
    LAPTOP,
    PATH,
    PHONE,
    ChooseBench,
    a_choosing_snapshot,
    choose_bench,
)
from support.serving import KEY_SECRET, NOW_MS, a_desk, a_project, a_variant, an_experiment

USER_ID = {"userId": "anna"}
URL = f"{PATH}/optimization/choose-api"


def shown(key: str, payload: Any = "on", **fields: Any) -> Experiment:
    """One variant, for everybody."""
    only = a_variant("only", weight=10_000, payload=payload)
    return an_experiment(key, variants=(only, a_variant("none", weight=0)), **fields)


EXPERIMENTS = (
    an_experiment("even"),
    shown("banner", {"label": "Sale", "n": 1.0}, group="home", priority=5),
    shown("carousel", ["a"], group="home"),
    shown("footer", None, group="other"),
    shown("phones", audience=Audience(device=Device.MOBILE)),
    shown("pages", audience=Audience(url_patterns=("/shop/**",))),
    shown("pros", audience=Audience(rule={"tier": "pro"})),
    shown("newcomers", audience=Audience(visitor_status=VisitorStatus.NEW)),
    shown("paused", status=Status.PAUSED),
    shown("future", schedule=Schedule(start_ms=NOW_MS + 1)),
    shown("done", status=Status.COMPLETED),
    shown("rolled", status=Status.COMPLETED, rollout="only"),
    BrokenExperiment("broken", "salt: bad"),
)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[ChooseBench]:
    with choose_bench(tmp_path, *EXPERIMENTS) as made:
        yield made


def test_choices__by_name__exactly_three_fields(bench: ChooseBench) -> None:
    answer = bench.ask(identification=PHONE, names=["banner"])
    assert answer.status == 200
    assert answer.body == (
        b'{"choices":[{"name":"banner","group":"home","body":{"label":"Sale","n":1.0}}]}'
    )
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"] == "application/json"


def test_choices__nothing_asked_for__all_that_runs_by_priority_then_key(bench: ChooseBench) -> None:
    names = list(bench.choose())
    assert names == ["banner", "carousel", "even", "footer", "newcomers", "pages", "rolled"]


def test_choices__variant_without_payload__null(bench: ChooseBench) -> None:
    assert bench.choose(names=["footer"]) == {"footer": None}


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ({"groups": ["home"]}, ["banner", "carousel"]),
        ({"groups": ["home", "other"]}, ["banner", "carousel", "footer"]),
        ({"names": ["footer"], "groups": ["home"]}, ["banner", "carousel", "footer"]),
        ({"names": ["banner", "banner"], "groups": ["home"]}, ["banner", "carousel"]),
        ({"names": []}, []),
        ({"groups": []}, []),
        ({"names": [], "groups": ["other"]}, ["footer"]),
        ({"names": ["nothing"]}, []),
        ({"groups": ["nothing"]}, []),
        ({"names": None, "groups": ["other"]}, ["footer"]),
        ({"names": [""]}, []),
    ],
)
def test_choices__filters__their_union(
    bench: ChooseBench, filters: dict[str, Any], names: list[str]
) -> None:
    assert list(bench.choose(**filters)) == names


@pytest.mark.parametrize("name", ["pros", "paused", "future", "done", "broken", "unknown"])
def test_choices__not_served__absent(bench: ChooseBench, name: str) -> None:
    assert bench.ask(identification=PHONE, names=[name]).body == b'{"choices":[]}'


@pytest.mark.parametrize(
    ("device", "serves"),
    [
        (None, False),
        ("desktop", False),
        ("mobile", True),
        ("MOBILE", True),
        ("all", True),
        ("All", True),
    ],
)
def test_device__of_a_rule_for_phones__serves(
    bench: ChooseBench, device: str | None, serves: bool
) -> None:
    assert bench.choose(names=["phones"], device=device) == ({"phones": "on"} if serves else {})


@pytest.mark.parametrize(("url", "serves"), [("https://a.b/shop/x", True), ("/x", False)])
def test_url__given__is_checked(bench: ChooseBench, url: str, serves: bool) -> None:
    assert ("pages" in bench.choose(names=["pages"], url=url)) is serves


def test_fields__nobody_knows__ignored(bench: ChooseBench) -> None:
    for fields in (
        {"optimizationType": "experiment"},
        {"optimizationType": 7},
        {"timestamp": "yesterday"},
        {"whatever": [1]},
        {"sessionId": None, "device": None, "url": None, "productId": None},
    ):
        assert bench.choose(names=["carousel"], **fields) == {"carousel": ["a"]}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, "Identification is required"),
        ({"identification": None}, "Identification is required"),
        (
            {"identification": {}},
            "identification: send sourceId together with profileId, or the userId of a known user",
        ),
        (
            {"identification": {"profileId": "p1"}},
            "identification: send sourceId together with profileId, or the userId of a known user",
        ),
        (
            {"identification": {"sourceId": "app", "profileId": " "}},
            "identification: send sourceId together with profileId, or the userId of a known user",
        ),
        (
            {"identification": {"userId": ""}},
            "identification: send sourceId together with profileId, or the userId of a known user",
        ),
        (
            {"identification": {"userId": "x" * 401}},
            "identification.userId: over 400 characters; send a shorter one",
        ),
        (
            {"identification": PHONE, "sessionId": "x" * 401},
            "sessionId: over 400 characters; send a shorter one",
        ),
        (
            {"sessionId": 7},
            "sessionId: 7: write a text",
        ),
        (
            {"identification": PHONE, "names": ["a b"]},
            "names: 'a b' may hold a to z, A to Z, 0 to 9, _ and - only",
        ),
        (
            {"identification": PHONE, "names": ["a\n"]},
            "names: 'a\\n' may hold a to z, A to Z, 0 to 9, _ and - only",
        ),
        (
            {"identification": PHONE, "groups": ["ä"]},
            "groups: 'ä' may hold a to z, A to Z, 0 to 9, _ and - only",
        ),
        (
            {"identification": PHONE, "names": "banner"},
            'names: "banner": write a list',
        ),
        (
            {"identification": PHONE, "device": "tablet"},
            "device: 'tablet' must be all, desktop or mobile",
        ),
        (
            {"identification": PHONE, "trackExposure": "no"},
            'trackExposure: "no": write true or false',
        ),
        (
            {"identification": {"userId": "a\0b"}},
            "the body holds U+0000; leave it out of every text",
        ),
    ],
)
def test_request__wrong__400_in_intempts_shape(
    bench: ChooseBench, fields: dict[str, Any], message: str
) -> None:
    answer = bench.ask(**fields)
    assert answer.status == 400
    assert answer.json == {"errors": [{"message": message}]}


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"null", b"\x1f\x8b\x08", b'{"a":"\\ud800"}'])
def test_request__no_json_object__400(bench: ChooseBench, body: bytes) -> None:
    answer = bench.call("/optimization/choose-api", body)
    assert answer.status == 400
    assert list(answer.json) == ["errors"]
    assert len(answer.json["errors"]) == 1


def test_source_id__a_number_of_19_digits__is_the_same_as_its_text(bench: ChooseBench) -> None:
    number = 1_575_686_747_310_551_999
    bench.choose({"sourceId": number, "profileId": "p1"})
    bench.choose({"sourceId": str(number), "profileId": "p1"})
    (subject,) = {each.subject_id for each in bench.exposures()}
    assert subject == "p1"


def test_user_id__nobody_knows__404(bench: ChooseBench) -> None:
    answer = bench.ask(identification=USER_ID)
    assert answer.status == 404
    assert answer.json == {
        "errors": [
            {
                "message": "user 'anna' is not known; identify the user first, or send sourceId"
                " and profileId too"
            }
        ]
    }
    assert bench.profile("anna") is None


def test_user_id__beside_half_a_source__is_what_counts(bench: ChooseBench) -> None:
    bench.choose({**PHONE, **USER_ID})
    assert bench.choose({"profileId": "x", **USER_ID}, names=["even"])
    assert {each.subject_id for each in bench.exposures()} == {"p1"}


@pytest.mark.parametrize("key", [None, "fx_key_deciders.wrong", "nonsense", "fx_key_nobody00.x"])
def test_key__missing_or_wrong__401(bench: ChooseBench, key: str | None) -> None:
    answer = bench.call("/optimization/choose-api", {"identification": PHONE}, key)
    assert answer.status == 401
    assert answer.json["errors"][0]["message"].startswith("the API key is missing, wrong")


@pytest.mark.parametrize("key", ["others00", "rivals00"])
def test_key__of_others__404(bench: ChooseBench, key: str) -> None:
    theirs = f"fx_key_{key}.{KEY_SECRET}"
    answer = bench.call("/optimization/choose-api", {"identification": PHONE}, theirs)
    assert answer.status == 404
    nowhere = bench.desk.client.request(
        "POST",
        "/v1/nobody/projects/default/optimization/choose-api",
        msgspec.json.encode({"identification": PHONE}),
        headers={"Authorization": f"Bearer {KEY}"},
    )
    assert (nowhere.status, nowhere.body) == (404, answer.body)


def test_key__without_the_scope__403(bench: ChooseBench) -> None:
    answer = bench.call(
        "/optimization/choose-api", {"identification": PHONE}, f"fx_key_readers0.{KEY_SECRET}"
    )
    assert answer.status == 403
    assert "lacks the scope decide" in answer.json["errors"][0]["message"]


def test_key__basic_or_in_the_query__is_taken(bench: ChooseBench) -> None:
    body = msgspec.json.encode({"identification": PHONE, "names": ["carousel"]})
    basic = base64.b64encode(KEY.replace(".", ":", 1).encode()).decode()
    for target, headers in (
        (URL, {"Authorization": f"Basic {basic}"}),
        (f"{URL}?apiKey={KEY}", {}),
    ):
        answer = bench.desk.client.request("POST", target, body, headers=headers)
        assert answer.status == 200
        assert len(answer.json["choices"]) == 1


def test_body__over_64_kib__413(bench: ChooseBench) -> None:
    answer = bench.ask(identification=PHONE, url="/" * 65_536)
    assert answer.status == 413
    assert answer.json == {
        "errors": [{"message": "the body is over 65536 bytes; send a smaller one"}]
    }


def test_method__get__405_in_intempts_shape(bench: ChooseBench) -> None:
    answer = bench.desk.client.get(URL)
    assert answer.status == 405
    assert answer.json == {"errors": [{"message": "use POST here"}]}


def test_tier__used_up__429(tmp_path: Path) -> None:
    snapshot = a_choosing_snapshot(a_project(*EXPERIMENTS))
    tenants = {key: replace(each, tier="free") for key, each in snapshot.tenants.items()}
    with a_desk(tmp_path, replace(snapshot, tenants=tenants)) as desk:
        bench = ChooseBench(desk)
        for _ in range(100):
            assert bench.ask(identification=PHONE, names=[]).status == 200
        answer = bench.ask(identification=PHONE, names=[])
        assert answer.status == 429
        assert answer.headers["retry-after"] == "1"
        assert answer.json == {
            "errors": [{"message": "over 20 requests a second; try again in 1 s"}]
        }


def test_project__nothing_published__nothing_served(tmp_path: Path) -> None:
    snapshot = a_choosing_snapshot(a_project(*EXPERIMENTS))
    with a_desk(tmp_path, replace(snapshot, projects={})) as desk:
        assert ChooseBench(desk).choose() == {}


def test_log__closed__503_and_no_display_used_up(tmp_path: Path) -> None:
    with choose_bench(tmp_path, shown("once", display="once"), shown("always")) as bench:
        desk = bench.desk
        bench.choose(names=[])
        desk.log.close(5)
        for name in ("once", "always"):
            answer = bench.ask(identification=PHONE, names=[name])
            assert answer.status == 503
            assert answer.headers["retry-after"] == "1"
            assert answer.json == {
                "errors": [{"message": "the event log cannot take the exposures; try again"}]
            }
        profile = desk.client.run(
            desk.services.profiles.find("prj_default", bench.identifiers("p1"))
        )
        assert "exp_once" not in profile.displays


class Killed(BaseException):
    """What nobody handles."""


def test_log__full__503_and_served_when_there_is_room(tmp_path: Path) -> None:
    with choose_bench(tmp_path, shown("once", display="once")) as bench:
        desk = bench.desk
        bench.choose(names=[])
        bench.profile("p1")
        with closing(sqlite3.connect(desk.log.path, isolation_level=None)) as busy:
            busy.execute("BEGIN IMMEDIATE")
            desk.log.record_all([], [Assignment("exp_1", "a", "u", "v", 1, NOW_MS)] * 100_000)
            assert bench.ask(identification=PHONE, names=["once"]).status == 503
            busy.execute("ROLLBACK")
        assert bench.exposures() == []
        assert bench.choose(names=["once"]) == {"once": "on"}
        assert bench.choose(names=["once"]) == {}


def test_once__the_worker_dies_before_it_records__is_served_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with choose_bench(tmp_path, shown("once", display="once")) as bench:
        bench.choose(names=[])

        def die(*_: object) -> None:
            raise Killed

        with monkeypatch.context() as dying:
            dying.setattr(bench.desk.log, "record_all", die)
            with pytest.raises(Killed):
                bench.ask(identification=PHONE, names=["once"])
        assert bench.choose(names=["once"]) == {"once": "on"}


def test_once__the_worker_dies_before_it_claims__is_served_later_and_exposed_once(
    tmp_path: Path,
) -> None:
    with choose_bench(tmp_path, shown("once", display="once")) as bench:
        bench.choose(names=[])
        bench.desk.services.profiles.close(5)
        assert bench.ask(identification=PHONE, names=["once"]).status == 503
    with choose_bench(tmp_path, shown("once", display="once")) as bench:
        assert bench.choose(names=["once"]) == {"once": "on"}
        assert len(bench.exposures()) == 1


def test_once__asked_for_many_times_at_once__has_one_exposure(tmp_path: Path) -> None:
    with choose_bench(tmp_path, shown("once", display="once")) as bench:
        bench.choose(names=[])
        served = bench.together(8, names=["once"])
        assert sorted(served) == [[]] * 7 + [["once"]]
        assert len(bench.exposures()) == 1


def test_once_per_visit__visits_take_turns__each_display_has_an_exposure(tmp_path: Path) -> None:
    with choose_bench(tmp_path, shown("visit", display="once_per_visit")) as bench:
        for session_id in ("s1", "s2", "s1"):
            assert bench.choose(names=["visit"], sessionId=session_id) == {"visit": "on"}
        assert [each.session_id for each in bench.exposures()] == ["s1", "s2", "s1"]


def test_profiles__closed__503_for_who_is_new(bench: ChooseBench) -> None:
    bench.choose(names=[])
    bench.desk.services.profiles.close(5)
    assert bench.choose(names=[]) == {}
    answer = bench.ask(identification=LAPTOP, names=["carousel"])
    assert answer.status == 503
    assert answer.json["errors"][0]["message"] == (
        "the profiles cannot be used: they are closed; try again"
    )


def test_exposures__of_an_answer__one_for_each_choice(bench: ChooseBench) -> None:
    bench.choose(groups=["home"], sessionId="s1", device="mobile", url="https://a.b/c")
    bench.choose(groups=["home"])
    exposures = bench.exposures()
    assert sorted(each.experiment_key for each in exposures) == ["banner"] * 2 + ["carousel"] * 2
    first = next(each for each in exposures if each.session_id == "s1")
    assert first.subject_id == first.unit_id == "p1"
    assert (first.variant_key, first.variant_id) == ("only", "var_only")
    assert (first.reason, first.manifest_version, first.hash_version) == ("bucket", 3, 1)
    assert (first.device, first.url, first.source) == ("mobile", "https://a.b/c", "choose")
    assert first.occurred_at_ms == first.received_at_ms == NOW_MS
    assert first.properties is None
    assert {each.session_id for each in exposures} == {"s1", "default"}


def test_exposures__not_to_be_tracked__only_the_variant_is_remembered(bench: ChooseBench) -> None:
    assert bench.choose(names=["carousel"], trackExposure=False) == {"carousel": ["a"]}
    assert bench.exposures() == []
    profile = bench.profile("p1")
    assert profile is not None
    assert not profile.displays
    assert profile.assignments["exp_carousel"].variant_key == "only"


def test_variant__asked_again__the_profile_remembers_it(bench: ChooseBench) -> None:
    bench.choose(names=["even"])
    bench.profile("p1")
    bench.choose(names=["even"])
    assert [each.reason for each in bench.exposures()] == ["bucket", "sticky"]


def test_variant__other_weights_later__the_profile_remembers_it(tmp_path: Path) -> None:
    with choose_bench(tmp_path, an_experiment("even")) as bench:
        desk = bench.desk
        before = [variant_of(bench, f"p{n}") for n in range(20)]
        assert set(before) == {"control", "bold"}
        for n in range(20):
            bench.profile(f"p{n}")
        other = an_experiment(
            "even", variants=(a_variant("control", weight=0), a_variant("bold", weight=10_000))
        )
        later = a_project(other, version=4, always_look_up=frozenset({"even"}))
        desk.publish(replace(a_choosing_snapshot(later), generation=2))
        assert [variant_of(bench, f"p{n}") for n in range(20)] == before


def variant_of(bench: ChooseBench, profile_id: str) -> str:
    bench.choose({"sourceId": "app", "profileId": profile_id}, names=["even"])
    found = [each for each in bench.exposures() if each.subject_id == profile_id]
    return found[-1].variant_key


def test_variant__assigned_by_the_other_face_before_weights_changed__is_the_same(
    tmp_path: Path,
) -> None:
    with choose_bench(tmp_path, an_experiment("even")) as bench:
        desk = bench.desk
        before = [desk.assign("even", f"p{n}").json["variant_key"] for n in range(10)]
        other = an_experiment(
            "even", variants=(a_variant("control", weight=0), a_variant("bold", weight=10_000))
        )
        later = a_project(other, version=4, always_look_up=frozenset({"even"}))
        desk.publish(replace(a_choosing_snapshot(later), generation=2))
        assert [variant_of(bench, f"p{n}") for n in range(10)] == before


def test_variant__given_by_choose_before_weights_changed__assignments_say_the_same(
    tmp_path: Path,
) -> None:
    with choose_bench(tmp_path, an_experiment("even")) as bench:
        desk = bench.desk
        before = [variant_of(bench, f"p{n}") for n in range(10)]
        other = an_experiment(
            "even", variants=(a_variant("control", weight=0), a_variant("bold", weight=10_000))
        )
        later = a_project(other, version=4, always_look_up=frozenset({"even"}))
        desk.publish(replace(a_choosing_snapshot(later), generation=2))
        after = [desk.assign("even", f"p{n}").json["variant_key"] for n in range(10)]
        assert after == before


def test_visitor_status__first_request_of_the_second_visit__is_returning(tmp_path: Path) -> None:
    back = shown("back", audience=Audience(visitor_status=VisitorStatus.RETURNING))
    with choose_bench(tmp_path, back) as bench:
        assert bench.choose(sessionId="s1") == {}
        bench.profile("p1")
        assert bench.choose(sessionId="s1") == {}
        assert bench.choose(sessionId="s2") == {"back": "on"}
        bench.pass_time(31 * 60_000)
        assert bench.choose(LAPTOP) == {}
        bench.profile("w1")
        bench.pass_time(31 * 60_000)
        assert bench.choose(LAPTOP) == {"back": "on"}


def test_holdout__first_evaluation__is_an_exposure_of_its_own(tmp_path: Path) -> None:
    everybody = Holdout("all", "holdout.all", 10_000)
    with choose_bench(tmp_path, shown("a"), shown("b"), holdout=everybody) as bench:
        assert bench.choose() == {}
        assert bench.choose() == {}
        (exposure,) = bench.exposures()
        assert (exposure.experiment_key, exposure.variant_key) == ("holdout.all", "held")
        assert (exposure.unit_id, exposure.source) == ("p1", "choose")


def test_holdout__with_the_privacy_signal__says_so(tmp_path: Path) -> None:
    holdout = Holdout("all", "holdout.all", 0)
    with choose_bench(tmp_path, shown("a"), holdout=holdout, honours_gpc=True) as bench:
        bench.ask({"Sec_GPC": "1"}, identification=PHONE)
        assert [each.properties for each in bench.exposures()] == [{"gpc": True}] * 2


def test_holdout__not_tracked__nothing_is_recorded(tmp_path: Path) -> None:
    nobody = Holdout("all", "holdout.all", 0)
    with choose_bench(tmp_path, shown("a"), holdout=nobody) as bench:
        assert bench.choose(trackExposure=False) == {"a": "on"}
        assert bench.exposures() == []
        bench.choose()
        keys = {each.experiment_key: each.variant_key for each in bench.exposures()}
        assert keys == {"a": "only", "holdout.all": "open"}


def test_account__none_known__not_served(tmp_path: Path) -> None:
    with choose_bench(tmp_path, shown("team", unit=Unit.ACCOUNT)) as bench:
        assert bench.choose() == {}


def test_counts__of_an_answer__by_type_and_reason(bench: ChooseBench) -> None:
    counted = bench.desk.services.counts.decisions
    bench.choose(names=["banner", "carousel", "footer"])
    assert counted == {("ab", "bucket"): 3}
    bench.profile("p1")
    bench.choose(names=["banner", "even", "rolled"])
    assert counted == {("ab", "bucket"): 4, ("ab", "sticky"): 1, ("ab", "divert"): 1}


def test_answer__head__is_what_any_reply_has(bench: ChooseBench) -> None:
    plain = Reply(200, b"{}", (JSON, NO_STORE))
    made = Reply.of_json(b"{}")
    assert (made.start, made.body, made.status) == (plain.start, plain.body, plain.status)


def test_choose__longest_source_and_profile_id__is_answered(bench: ChooseBench) -> None:
    answer = bench.ask(identification={"sourceId": '"' * 400, "profileId": '"' * 400})
    assert answer.status == 200
    who = {"sourceId": "\\" * 400, "profileId": "\t" + "\\" * 399}
    assert bench.call("/consents/data", {"action": "accept", **who}).status == 200
