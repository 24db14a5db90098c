"""What the Choose face serves beside experiments: feeds and personalizations; and the requests and
the answer that Intempt's documentation prints."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fairlot.engine import (
    Audience,
    Device,
    EventRule,
    ExperimentType,
    HistoryCondition,
    HistorySegment,
)
from fairlot.http.faces.choose_wire import read_question
from fairlot.profiles import Happening, Profile, claim_of_source
from fairlot.profiles.consents import GENERAL, consented
from fairlot.service.choosing import Chooser
from fairlot.service.feeds import KnownFeeds, PublishedFeeds, read_product
from fairlot.service.privacy.recording import DETAILS
from fairlot.service.profiles import KnownProfiles, Profiles, Work
from support.choosing import LAPTOP, PHONE, ChooseBench, choose_bench
from support.personalization_bench import HOUR_MS, a_personalization
from support.serving import NOW_MS, a_variant, an_experiment

SOURCE_ID = "1575686747310551XXX"
PROFILE_ID = "profile_c2daf740e3e9f7aa48c6f6563f192XXX"
BY_PROFILE = {"identification": {"sourceId": SOURCE_ID, "profileId": PROFILE_ID}}
NAME = "demo-server-side-personalization-most-popular"
LABEL = "My most popular products PERSONALIZATION"
BOUND = {
    "label": LABEL,
    "products": {"$feed": "most_popular", "limit": 4, "fields": ["price", "title", "category"]},
}
PRODUCT = {
    "id": "sku-9",
    "price": "250.0",
    "title": "PMC Bronze 9mm",
    "category": "Ammunition",
    "description": "not asked for",
}


def only(payload: Any) -> tuple[Any, Any]:
    return a_variant("only", weight=10_000, payload=payload), a_variant("none", weight=0)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[ChooseBench]:
    """What the documentation's project must hold, with one product in its catalog."""
    popular = an_experiment(
        NAME, variants=only(BOUND), group="my-group", type=ExperimentType.PERSONALIZATION
    )
    demo = an_experiment(
        "demo-server-side-experience",
        variants=only({"headline": "Try our new premium plan"}),
        audience=Audience(device=Device.MOBILE),
    )
    with choose_bench(tmp_path, popular, demo) as bench:
        feeds = bench.desk.services.feeds
        assert isinstance(feeds, KnownFeeds)
        feeds.put_now("prj_default", [read_product(msgspec.json.encode(PRODUCT))])
        feeds.refresh_now("prj_default")
        yield bench


def test_documented_answer__most_popular_products__field_for_field(shop: ChooseBench) -> None:
    answer = shop.ask(**BY_PROFILE, groups=["my-group"])
    assert answer.status == 200
    assert answer.json == {
        "choices": [
            {
                "name": NAME,
                "group": "my-group",
                "body": {
                    "label": LABEL,
                    "products": [
                        {"price": "250.0", "title": "PMC Bronze 9mm", "category": "Ammunition"}
                    ],
                },
            }
        ]
    }


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (BY_PROFILE, [NAME]),
        ({**BY_PROFILE, "groups": ["my-group"]}, [NAME]),
        (
            {
                **BY_PROFILE,
                "names": ["demo-server-side-experience"],
                "device": "mobile",
                "sessionId": "my_session_XXX",
            },
            ["demo-server-side-experience"],
        ),
    ],
)
def test_documented_requests__are_answered(
    shop: ChooseBench, body: dict[str, Any], names: list[str]
) -> None:
    answer = shop.ask(**body)
    assert answer.status == 200
    assert [each["name"] for each in answer.json["choices"]] == names


def test_documented_request_by_user_id__once_the_user_exists(shop: ChooseBench) -> None:
    by_user: dict[str, Any] = {"identification": {"userId": "user_123456"}}
    assert shop.ask(**by_user).status == 404
    identified = {"sourceId": SOURCE_ID, "profileId": PROFILE_ID, "userId": "user_123456"}
    shop.ask(identification=identified, names=[])
    assert [each["name"] for each in shop.ask(**by_user).json["choices"]] == [NAME]


def test_feed__unknown_or_without_products__an_empty_list(tmp_path: Path) -> None:
    payload = {"a": {"$feed": "nothing"}, "b": [{"$feed": "newest"}], "c": 1}
    with choose_bench(tmp_path, an_experiment("shelf", variants=only(payload))) as bench:
        assert bench.choose() == {"shelf": {"a": [], "b": [[]], "c": 1}}


def happened(bench: ChooseBench, name: str = "view") -> None:
    bench.desk.client.run(
        bench.desk.services.profiles.apply(
            Work(
                "prj_default",
                claim_of_source(PHONE["sourceId"], PHONE["profileId"]),
                bench.desk.clock.now_ms,
                happenings=[Happening(event_id=f"{name}-1", name=name, at_ms=NOW_MS)],
            )
        )
    )


def test_personalization__activated__is_served_until_it_ends(tmp_path: Path) -> None:
    offer = a_personalization("offer", for_ms=HOUR_MS, group="home", priority=3)
    with choose_bench(tmp_path, offer, an_experiment("even", group="home")) as bench:
        assert "offer" not in bench.choose(names=["offer"])
        happened(bench)
        assert bench.choose(names=["offer"]) == {"offer": {"text": "offer"}}
        assert list(bench.choose(groups=["home"])) == ["offer", "even"]
        assert "offer" not in bench.choose(LAPTOP)
        bench.pass_time(HOUR_MS)
        assert list(bench.choose(groups=["home"])) == ["even"]
        offered = [each for each in bench.exposures() if each.experiment_key == "offer"]
        assert [each.source for each in offered] == ["personalization"]
        profile = bench.profile("p1")
        assert profile is not None
        assert profile.displays["exp_offer"].count == 1
        assert "exp_offer" not in profile.assignments


def test_personalization__activated_as_control__is_never_served(tmp_path: Path) -> None:
    with choose_bench(tmp_path, a_personalization("offer", control_share_bp=10_000)) as bench:
        bench.choose()
        happened(bench)
        assert bench.choose() == {}
        (exposure,) = bench.exposures()
        assert exposure.variant_key == "control"


def test_personalization__shown_once__is_served_once(tmp_path: Path) -> None:
    with choose_bench(tmp_path, a_personalization("offer", display="once")) as bench:
        bench.choose()
        happened(bench)
        assert bench.choose() == {"offer": {"text": "offer"}}
        assert bench.choose() == {}


def test_segment__over_what_was_done__is_decided_for_the_profile(tmp_path: Path) -> None:
    viewers = HistorySegment("viewers", (HistoryCondition(EventRule("view")),))
    shelf = an_experiment("shelf", variants=only(1), audience=Audience(segments=("viewers",)))
    with choose_bench(tmp_path, shelf, segments=(viewers,)) as bench:
        assert bench.choose() == {}
        happened(bench)
        assert bench.choose() == {"shelf": 1}
        assert bench.choose(LAPTOP) == {}
        assert bench.choose(names=["shelf"]) == {"shelf": 1}


def test_gpc__sent__recorded_without_url_and_said_so(tmp_path: Path) -> None:
    with choose_bench(tmp_path, an_experiment("even"), honours_gpc=True) as bench:
        for headers in ({"Sec_GPC": "1"}, {}):
            about = {"url": "https://a.b/c", "sessionId": "s1", "device": "mobile"}
            bench.ask(headers, identification=PHONE, **about)
        private, plain = bench.exposures()
        assert {getattr(private, name, None) for name in DETAILS} == {None}
        assert private.properties == {"gpc": True}
        assert (plain.url, plain.session_id, plain.properties) == ("https://a.b/c", "s1", None)


class WithdrawnMeanwhile(KnownFeeds):
    """While a body is filled, its subject rejects."""

    profiles: Profiles

    async def resolve(
        self, project_id: str, payload: Any, profile: Profile | None, product_id: str | None = None
    ) -> Any:
        reject = partial(consented, category=GENERAL, accepted=False, at_ms=NOW_MS)
        claim = claim_of_source(PHONE["sourceId"], PHONE["profileId"])
        await self.profiles.apply(Work(project_id, claim, NOW_MS, consents=[reject]))
        return await super().resolve(project_id, payload, profile, product_id)


def test_subject__rejects_between_decision_and_exposure__nothing_is_recorded(
    tmp_path: Path,
) -> None:
    filled = an_experiment("filled", variants=only({"products": {"$feed": "newest"}}))
    with choose_bench(tmp_path, filled) as bench:
        services = bench.desk.services
        assert isinstance(services.profiles, KnownProfiles)
        feeds = WithdrawnMeanwhile(
            services.profiles.store,
            PublishedFeeds(lambda: services.decisions.snapshot),
            lambda: NOW_MS,
        )
        feeds.profiles = services.profiles
        chooser = Chooser(
            services.decisions, services.profiles, feeds, services.privacy, services.log
        )
        project = services.decisions.snapshot.projects["default", "default"]
        question = read_question(msgspec.json.encode({"identification": PHONE}), NOW_MS)

        (chosen,) = bench.desk.client.run(chooser.choose(project, question))

        assert chosen.body == {"products": []}
        assert bench.exposures() == []


def test_subject__rejects__is_decided_and_nothing_is_recorded(tmp_path: Path) -> None:
    limited = an_experiment("once", variants=only(1), display="once")
    with choose_bench(tmp_path, limited, an_experiment("even", variants=only(2))) as bench:
        bench.reject(PHONE)
        for _ in range(2):
            assert bench.choose() == {"even": 2, "once": 1}
        assert bench.choose({**PHONE, "userId": "anna"}) == {"even": 2, "once": 1}
        assert bench.exposures() == []
        assert bench.identities() == []
        profile = bench.profile("p1")
        assert profile is not None
        assert not profile.displays
        assert not profile.assignments
        assert bench.desk.log.stored_assignments("exp_even", "p1") == []


def test_subject__accepts_again__is_recorded(tmp_path: Path) -> None:
    with choose_bench(tmp_path, an_experiment("even", variants=only(2))) as bench:
        bench.reject(PHONE)
        bench.choose()
        bench.reject(PHONE, accepted=True)
        bench.choose()
        assert len(bench.exposures()) == 1
