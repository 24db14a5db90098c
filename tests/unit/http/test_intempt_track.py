"""Intempt's track: what is recorded, and what is refused."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fairlot.engine import Audience, Unit
from support.choosing import PHONE, ChooseBench, choose_bench
from support.personalization_bench import a_personalization
from support.serving import NOW_MS, a_variant, an_experiment

ONE = (a_variant("only", weight=10_000, payload=1), a_variant("none", weight=0))
EXPERIMENTS = (
    a_personalization("offer", "Product viewed"),
    an_experiment("pros", variants=ONE, audience=Audience(rule={"tier": "pro"})),
    an_experiment("team", unit=Unit.ACCOUNT),
    an_experiment("acme", variants=ONE, audience=Audience(rule={"account.plan": "gold"})),
)
TRACK = "/sources/app/track"


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[ChooseBench]:
    with choose_bench(tmp_path, *EXPERIMENTS) as made:
        yield made


def entry(name: str = "clicked", *rows: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Of p1, unless `fields` or `rows` say otherwise."""
    return {"name": name, "payload": list(rows) or [fields or {"profileId": "p1"}]}


def track(bench: ChooseBench, *entries: dict[str, Any], path: str = TRACK) -> None:
    answer = bench.call(path, {"track": list(entries)})
    assert answer.status == 201, answer.body
    assert answer.body == b""


def refused(bench: ChooseBench, *entries: dict[str, Any]) -> str:
    answer = bench.call(TRACK, {"track": list(entries)})
    assert answer.status == 400
    (error,) = answer.json["errors"]
    assert bench.conversions() == []
    message: str = error["message"]
    return message


def test_track__mixed_types__all_are_recorded(bench: ChooseBench) -> None:
    track(
        bench,
        {"name": "Identify", "type": "identify", "payload": [{"profileId": "p1", "userId": "a"}]},
        entry("clicked", profileId="p1", data={"value": 2.5, "at": "top"}, sessionId="s1"),
        {"name": "Purchased", "type": "made up", "payload": [{"userId": "a", "pageId": "x"}]},
        {"name": "Identify", "type": "group", "payload": [{"accountId": "acme", "userId": "a"}]},
    )
    found = {(each.event_name, each.subject_id, each.value) for each in bench.conversions()}
    assert found == {
        ("Identify", "p1", None),
        ("clicked", "p1", 2.5),
        ("Purchased", "p1", None),
    }
    clicked = next(each for each in bench.conversions() if each.event_name == "clicked")
    assert clicked.properties == {"value": 2.5, "at": "top"}
    assert (clicked.session_id, clicked.source) == ("s1", "track")
    grouped = [each for each in bench.conversions() if each.tenant_id == "acme"]
    assert len(grouped) == 1
    profile = bench.profile("a")
    assert profile is not None
    assert (profile.subject_id, profile.user_id, profile.account_id) == ("p1", "a", "acme")


def test_track__nothing__is_accepted(bench: ChooseBench) -> None:
    track(bench)
    track(bench, {"name": "x", "payload": []})
    assert bench.conversions() == []


def test_track__same_again__counts_once(bench: ChooseBench) -> None:
    for _ in range(2):
        track(bench, entry(profileId="p1", eventId="e1"))
    assert len(bench.conversions()) == 1


def test_track__without_event_id__counts_each_time(bench: ChooseBench) -> None:
    for _ in range(2):
        track(bench, entry())
    assert len(bench.conversions()) == 2


def test_order__lines_share_the_event_id__each_line_counts_once(bench: ChooseBench) -> None:
    lines = [
        {"eventId": "e1", "userId": "a", "data": {"productId": product, "quantity": 2}}
        for product in ("x", "y", "x")
    ]
    for _ in range(2):
        track(bench, entry("Product ordered", *lines))
    found = [each.properties["productId"] for each in bench.conversions() if each.properties]
    assert sorted(found) == ["x", "x", "y"]


def test_user_id_alone__makes_the_user(bench: ChooseBench) -> None:
    track(bench, entry(userId="anna", userAttributes={"tier": "pro"}))
    assert bench.choose("anna", names=["pros"]) == {"pros": 1}


def test_attributes__given_later__the_latest_counts(bench: ChooseBench) -> None:
    track(bench, entry(profileId="p1", userAttributes={"tier": "pro", "age": 3}))
    assert bench.choose(names=["pros"]) == {"pros": 1}
    track(bench, entry(profileId="p1", userAttributes={"tier": "free"}))
    assert bench.choose(names=["pros"]) == {"pros": 1}  # its variant is remembered
    profile = bench.profile("p1")
    assert profile is not None
    assert profile.attributes == {"tier": "free", "age": 3}


def test_event__that_a_rule_watches__activates(bench: ChooseBench) -> None:
    assert bench.choose(names=["offer"]) == {}
    track(bench, entry("Product viewed", profileId="p1", data={"productId": "x"}))
    assert bench.choose(names=["offer"]) == {"offer": {"text": "offer"}}


def test_account__of_the_user__decides_and_gives_all_one_variant(bench: ChooseBench) -> None:
    track(
        bench,
        {
            "name": "Identify",
            "payload": [{"accountId": "acme", "accountAttributes": {"plan": "x"}}],
        },
        *(entry("Identify", accountId="acme", userId=f"u{n}") for n in range(20)),
        *(entry("Identify", accountId=f"a{n}", userId=f"other{n}") for n in range(20)),
    )
    assert bench.choose("u1", names=["acme"]) == {}
    gold = {"accountId": "acme", "accountAttributes": {"plan": "gold"}}
    track(bench, {"name": "Identify", "payload": [gold]})
    assert bench.choose("u1", names=["acme"]) == {"acme": 1}
    assert bench.choose("other1", names=["acme"]) == {}
    for n in range(20):
        bench.choose(f"u{n}", names=["team"])
        bench.choose(f"other{n}", names=["team"])
    exposures = [each for each in bench.exposures() if each.experiment_key == "team"]
    of_acme = [each for each in exposures if each.unit_id == "acme"]
    assert len(of_acme) == 20
    assert len({each.variant_key for each in of_acme}) == 1
    assert len({each.subject_id for each in of_acme}) == 20
    assert {each.variant_key for each in exposures} == {"control", "bold"}


def test_account_alone__is_recorded_without_anybody(bench: ChooseBench) -> None:
    track(bench, entry("Renewed", accountId="acme", eventId="e1"))
    (conversion,) = bench.conversions()
    assert (conversion.subject_id, conversion.tenant_id) == ("acme", "acme")
    assert bench.profile("acme") is None


def test_alias__two_users__are_one_from_now_on(bench: ChooseBench) -> None:
    track(bench, entry("clicked", userId="anna"))
    bench.pass_time(1)
    track(bench, entry("clicked", userId="ann", userAttributes={"tier": "pro"}))
    track(bench, entry("Identify", userId="anna", anotherUserId="ann"))
    for user in ("anna", "ann"):
        profile = bench.profile(user)
        assert profile is not None
        assert (profile.subject_id, profile.attributes) == ("anna", {"tier": "pro"})


def test_alias__to_oneself_and_in_a_circle__changes_nothing(bench: ChooseBench) -> None:
    track(bench, entry("Identify", userId="a", anotherUserId="a"))
    before = bench.profile("a")
    assert before is not None
    assert len(before.identifiers) == 1
    for one, other in (("a", "b"), ("b", "c"), ("c", "a"), ("b", "a")):
        track(bench, entry("Identify", userId=one, anotherUserId=other))
    found = [bench.profile(each) for each in ("a", "b", "c")]
    assert [each and each.subject_id for each in found] == ["a", "a", "a"]


def test_second_user_on_a_device__what_they_do_is_theirs(bench: ChooseBench) -> None:
    track(bench, entry("Identify", profileId="p1", userId="anna"))
    track(bench, entry("bought", profileId="p1", userId="bert"))
    track(bench, entry("left", profileId="p1"))
    found = {each.event_name: each.subject_id for each in bench.conversions()}
    assert found == {"Identify": "p1", "bought": "bert", "left": "bert"}


@pytest.mark.parametrize("at_once", [True, False])
@pytest.mark.parametrize("before", [[{"userId": "u1"}], [{"profileId": "17"}]])
def test_user__called_like_a_device_of_another__what_they_do_is_theirs(
    bench: ChooseBench, before: list[dict[str, str]], *, at_once: bool
) -> None:
    rows = [
        *(entry("before", row) for row in before),
        entry("u1", {"profileId": "17", "userId": "u1"}),
        entry("17", {"profileId": "d2", "userId": "17"}, {"profileId": "d3", "userId": "17"}),
        entry("17", {"userId": "17"}),
    ]
    for some in [rows] if at_once else [[row] for row in rows]:
        track(bench, *some)
    done = {(each.event_name, each.subject_id) for each in bench.conversions()}
    first = "u1" if before == [{"userId": "u1"}] else "17"
    assert done == {("before", first), ("u1", first), ("17", "d2")}


def test_user_id_alone__of_a_device__is_unknown_to_choose(bench: ChooseBench) -> None:
    track(bench, entry("a", {"userId": "u1"}), entry("b", {"profileId": "17", "userId": "u1"}))
    track(bench, entry("c", {"profileId": "18"}))
    for user_id in ("17", "18"):
        assert bench.ask(identification={"userId": user_id}).status == 404
    track(bench, entry("d", {"profileId": "d2", "userId": "18"}))
    assert bench.ask(identification={"userId": "18"}).status == 200


def test_without_a_source__profile_id_is_a_subject(bench: ChooseBench) -> None:
    track(bench, entry("clicked", profileId="v1"), path="/track")
    profile = bench.profile("v1")
    assert profile is not None
    assert bench.choose("v1", names=["pros"]) == {}


@pytest.mark.parametrize(
    ("timestamp", "at_ms"),
    [
        (NOW_MS - 1000, NOW_MS - 1000),
        (float(NOW_MS - 1000), NOW_MS - 1000),
        ("2023-11-14T22:00:00Z", 1_699_999_200_000),
        (1_262_304_000_000, 1_262_304_000_000),
        (NOW_MS + 300_000, NOW_MS + 300_000),
        (None, NOW_MS),
    ],
)
def test_timestamp__possible__is_taken(bench: ChooseBench, timestamp: Any, at_ms: int) -> None:
    track(bench, entry(profileId="p1", timestamp=timestamp))
    (conversion,) = bench.conversions()
    assert conversion.occurred_at_ms == at_ms
    assert conversion.received_at_ms == NOW_MS
    assert conversion.properties is None


@pytest.mark.parametrize(
    ("timestamp", "flag"),
    [
        (NOW_MS + 300_001, NOW_MS + 300_001),
        (2_210_457_600_001, 2_210_457_600_001),
        (1e300, (1 << 53) - 1),
    ],
)
def test_timestamp__ahead__is_now_and_flagged(
    bench: ChooseBench, timestamp: float, flag: int
) -> None:
    track(bench, entry(profileId="p1", timestamp=timestamp))
    (conversion,) = bench.conversions()
    assert conversion.occurred_at_ms == NOW_MS
    assert conversion.properties == {"fairlot.sent_at_ms": flag}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (
            {"profileId": "p1", "timestamp": 1_262_303_999_999},
            (
                "track[0].payload[0].timestamp: 1262303999999 is before 1262304000000 (2010-01-01);"
                " send milliseconds since 1970"
            ),
        ),
        (
            {"profileId": "p1", "timestamp": "yesterday"},
            "track[0].payload[0].timestamp: 'yesterday' is no ISO 8601 instant",
        ),
        (
            {"data": {"a": 1}},
            (
                "track[0].payload[0]: send at least one of profileId, userId and accountId, or"
                " productId, beside data or in it"
            ),
        ),
        (
            {"profileId": " ", "userId": ""},
            (
                "track[0].payload[0]: send at least one of profileId, userId and accountId, or"
                " productId, beside data or in it"
            ),
        ),
        (
            {"profileId": "p1", "data": [1]},
            "track[0].payload[0].data: [1]: write an object",
        ),
        (
            {"profileId": "p1", "data": {"fairlot.x": 1}},
            (
                "track[0].payload[0].data: 'fairlot.x': names that begin with fairlot. are the"
                " server's; rename it"
            ),
        ),
        (
            {"profileId": "p1", "userAttributes": {"a": "x" * 8192}},
            "track[0].payload[0].userAttributes: over 8192 bytes as JSON; send fewer of them",
        ),
        (
            {"accountId": "a", "accountAttributes": {"a": "x" * 8192}},
            "track[0].payload[0].accountAttributes: over 8192 bytes as JSON; send fewer of them",
        ),
        (
            {"profileId": "p" * 401},
            "track[0].payload[0].profileId: over 400 characters; send a shorter one",
        ),
        (
            {"data": {"productId": "x", "id": "y"}},
            "track[0].payload[0].data: id: 'y' is not 'x', which the path names",
        ),
        (
            {"productId": "x", "data": {"productId": "y"}},
            (
                "track[0].payload[0].productId: 'x' is not what data.productId says; send one of"
                " the two"
            ),
        ),
        (
            {"productId": ""},
            (
                "track[0].payload[0]: send at least one of profileId, userId and accountId, or"
                " productId, beside data or in it"
            ),
        ),
        (
            {"profileId": 7},
            "track[0].payload[0].profileId: 7: write a text",
        ),
    ],
)
def test_row__wrong__400_and_nothing_is_recorded(
    bench: ChooseBench, row: dict[str, Any], message: str
) -> None:
    assert refused(bench, entry("x", row), entry("y")) == message


def test_body__wrong__400(bench: ChooseBench) -> None:
    for body, message in (
        ({}, "track: missing; write a list"),
        (
            {"track": [{"payload": []}]},
            "track[0].name: missing; write a text",
        ),
        (
            {"track": [{"name": "x"}]},
            "track[0].payload: missing; write a list",
        ),
        (
            {"track": [{"name": " ", "payload": []}]},
            "track[0].name: must be a text of 1 to 200 characters",
        ),
    ):
        answer = bench.call(TRACK, body)
        assert (answer.status, answer.json) == (400, {"errors": [{"message": message}]})
    gzipped = bench.call(TRACK, b"\x1f\x8b\x08\x00")
    assert gzipped.status == 400


@pytest.mark.slow
def test_rows__ten_thousand__are_recorded_and_one_more_is_too_many(bench: ChooseBench) -> None:
    rows = [{"profileId": f"p{n % 500}", "eventId": f"e{n}"} for n in range(10_000)]
    track(bench, {"name": "clicked", "payload": rows})
    assert len(bench.conversions()) == 10_000
    answer = bench.call(TRACK, {"track": [{"name": "x", "payload": [*rows, rows[0]]}]})
    assert answer.status == 413
    assert answer.json == {
        "errors": [{"message": "track: 10,001 rows; send at most 10,000 at once"}]
    }


def test_attribute__of_ten_megabytes__413(bench: ChooseBench) -> None:
    answer = bench.call(
        TRACK, {"track": [entry(profileId="p1", userAttributes={"a": "x" * 10_000_000})]}
    )
    assert answer.status == 413


def test_product__without_anybody__is_in_the_catalog_and_nobody_is_made(
    bench: ChooseBench,
) -> None:
    product = {"productId": "x", "title": "Shoe", "price": "250.0"}
    assert refused(bench, entry("Product", data={"productId": [1]})).endswith("or in it")
    track(
        bench,
        {"name": "Product", "type": "product", "payload": [{"eventId": "e", "data": product}]},
    )
    bench.refresh_feeds()
    answer = bench.call("/feeds/newest/data", {**PHONE, "fields": ["productId", "price"]})
    assert answer.json == {"products": [{"productId": "x", "price": "250.0"}]}
    assert bench.conversions() == []
    assert bench.profile("x") is None


@pytest.mark.parametrize(
    "row",
    [
        {"productId": "7", "data": {"title": "Shoe"}},
        {"productId": 7, "data": {"title": "Shoe", "productId": None}},
        {"productId": "7", "data": {"title": "Shoe", "productId": 7}},
    ],
)
def test_product__named_beside_its_data__is_one_of_the_catalog(
    bench: ChooseBench, row: dict[str, Any]
) -> None:
    track(bench, entry("Product", row))
    bench.refresh_feeds()
    answer = bench.call("/feeds/newest/data", {**PHONE, "fields": ["id", "title"]})
    assert answer.json == {"products": [{"id": "7", "title": "Shoe"}]}


def test_product__without_data__is_one_of_the_catalog(bench: ChooseBench) -> None:
    track(bench, entry("Product", {"productId": "7"}))
    bench.refresh_feeds()
    assert bench.call("/feeds/newest/data", {**PHONE, "fields": ["id"]}).json["products"]


def test_event__with_a_product_beside_its_data__is_about_it(bench: ChooseBench) -> None:
    track(bench, entry("Product viewed", {"profileId": "p1", "productId": "7"}))
    (conversion,) = bench.conversions()
    assert conversion.properties == {"productId": "7"}


def test_subject__rejects__nothing_is_recorded(bench: ChooseBench) -> None:
    bench.reject(PHONE)
    track(bench, entry("clicked", profileId="p1", userAttributes={"tier": "pro"}))
    assert bench.conversions() == []
    profile = bench.profile("p1")
    assert profile is not None
    assert profile.attributes == {}


def test_gpc__sent__only_that_it_happened(tmp_path: Path) -> None:
    with choose_bench(tmp_path, *EXPERIMENTS, honours_gpc=True) as bench:
        body = {
            "track": [
                entry(
                    "clicked",
                    profileId="p1",
                    data={"value": 2, "secret": 1},
                    userAttributes={"tier": "pro"},
                    accountId="acme",
                    accountAttributes={"plan": "gold"},
                )
            ]
        }
        assert bench.call(TRACK, body, headers={"Sec_GPC": "1"}).status == 201
        (conversion,) = bench.conversions()
        assert (conversion.properties, conversion.value) == ({"gpc": True}, None)
        profile = bench.profile("p1")
        assert profile is not None
        assert profile.attributes == {}
        assert bench.choose(names=["acme"]) == {}


def test_log__closed__503_and_may_be_sent_again(bench: ChooseBench) -> None:
    bench.desk.log.close(5)
    answer = bench.call(TRACK, {"track": [entry()]})
    assert answer.status == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.json["errors"][0]["message"] == (
        "the event log cannot take it; send it again as it is; events with an eventId are recorded"
        " once"
    )


def test_profiles__closed__503_and_may_be_sent_again(bench: ChooseBench) -> None:
    bench.desk.services.profiles.close(5)
    answer = bench.call(TRACK, {"track": [entry(profileId="p1", eventId="e1")]})
    assert answer.status == 503
    assert answer.json["errors"][0]["message"].startswith("the profiles cannot be used")


@pytest.mark.parametrize("path", ["/track", TRACK, "/consents/data"])
def test_key__without_the_scope_or_wrong__is_refused(bench: ChooseBench, path: str) -> None:
    assert bench.call(path, {"track": []}, None).status == 401
    assert bench.call(path, {"track": []}, bench.key_of("readers0")).status == 403
    assert bench.call(path, {"track": []}, bench.key_of("rivals00")).status == 404


def test_track__attributes_that_find_no_room__are_left_out_and_all_is_recorded(
    bench: ChooseBench,
) -> None:
    for each in range(10):
        big = {f"k{each}": "x" * 8000}
        track(
            bench,
            entry(
                profileId="p1",
                userId="a",
                accountId="acme",
                userAttributes={"tier": "pro", **big},
                accountAttributes={"plan": "gold", **big},
            ),
        )
    assert len(bench.conversions()) == 10
    profile = bench.profile("a")
    assert profile is not None
    kept = {"k0", "k7"}
    for found in (
        profile.attributes,
        bench.desk.client.run(bench.desk.services.profiles.account("prj_default", "acme")),
    ):
        assert kept <= found.keys()
        assert "k9" not in found


def test_track__longest_source_and_profile_id__are_kept(bench: ChooseBench) -> None:
    path = "/sources/" + "%22" * 400 + "/track"
    track(bench, entry(profileId='"' * 400), path=path)
    assert len(bench.conversions()) == 1


def test_sources__same_visitor_id__are_two_subjects(bench: ChooseBench) -> None:
    for _ in range(2):
        track(bench, entry(profileId="p"), path="/sources/A/track")
        track(bench, entry(profileId="p"), path="/sources/B/track")
    assert sorted(each.subject_id for each in bench.conversions()) == ["B.p", "B.p", "p", "p"]


def test_visitor__who_rejects_at_one_source__is_heard_as_another_at_the_next(
    bench: ChooseBench,
) -> None:
    track(bench, entry(profileId="p"), path="/sources/A/track")
    reject = {"action": "reject", "source": "web", "sourceId": "A", "profileId": "p"}
    assert bench.call("/consents/data", reject).status == 200
    for source in ("A", "B", "B"):
        track(bench, entry(profileId="p"), path=f"/sources/{source}/track")
    assert [each.subject_id for each in bench.conversions()] == ["p", "B.p", "B.p"]


def test_new_device__two_users_in_one_request__are_two_subjects(bench: ChooseBench) -> None:
    rows = [{"profileId": "d", "userId": user} for user in ("u1", "u2")]
    track(bench, entry("clicked", *rows))
    assert sorted(each.subject_id for each in bench.conversions()) == ["d", "u2"]


@pytest.mark.parametrize(
    "data",
    [
        b'{"value": 1e400}',
        b'{"value": 1' + b"0" * 400 + b"}",
        b'{"x": "\xff"}',
        b'{"productId": 1e400}',
    ],
)
@pytest.mark.parametrize("who", [b'"profileId": "p1", ', b'"productId": "x", ', b""])
def test_data__cannot_be_read__400(bench: ChooseBench, data: bytes, who: bytes) -> None:
    body = b'{"track": [{"name": "x", "payload": [{' + who + b'"data": ' + data + b"}]}]}"
    assert bench.call(TRACK, body).status == 400
    assert bench.conversions() == []


def test_gpc__session_account_and_other_ids__are_not_kept(tmp_path: Path) -> None:
    with choose_bench(tmp_path, *EXPERIMENTS, honours_gpc=True) as bench:
        row = entry(profileId="p1", sessionId="s", accountId="acme", anotherUserId="b")
        assert bench.call(TRACK, {"track": [row]}, headers={"Sec_GPC": "1"}).status == 201
        (found,) = bench.conversions()
        assert (found.subject_id, found.session_id, found.tenant_id) == ("p1", None, None)
        assert bench.profile("b") is None
