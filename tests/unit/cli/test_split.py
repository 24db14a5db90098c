import pytest

from fairlot.cli.split import Share, split_of
from fairlot.cli.visitors import Answer, Question
from fairlot.engine import Audience, Experiment, Status, Variant


def experiment(*weights: int, rate_bp: int = 10_000, status: Status = Status.RUNNING) -> Experiment:
    variants = tuple(Variant(f"v{n}", weight=weight) for n, weight in enumerate(weights))
    return Experiment(
        key="e",
        salt="e",
        variants=variants or (Variant("v0"), Variant("v1")),
        status=status,
        audience=Audience(sample_rate_bp=rate_bp),
    )


def answers(*variant_keys: str | None, eligible: bool = True, key: str = "e") -> list[Answer]:
    return [
        Answer(Question(key, f"visitor-{n}", eligible), variant_key)
        for n, variant_key in enumerate(variant_keys)
    ]


@pytest.mark.parametrize(
    ("count", "total", "expected", "sigmas", "is_inside"),
    [
        # sqrt(100 * 0.5 * 0.5) = 5, so 22 away from 50 is 4.4 and 23 is 4.6 standard deviations
        (72, 100, 0.5, 4.4, True),
        (73, 100, 0.5, 4.6, False),
        (28, 100, 0.5, -4.4, True),
        (100, 100, 1.0, 0.0, True),
        (99, 100, 1.0, float("inf"), False),
        (0, 0, 0.5, 0.0, True),
    ],
)
def test_share__beside_its_binomial__is_inside_up_to_4_5_sigma(
    count: int, total: int, expected: float, sigmas: float, is_inside: bool
) -> None:
    share = Share("v", count, total, expected)
    assert share.sigmas == pytest.approx(sigmas)
    assert share.is_inside is is_inside


def test_split__weights__are_the_expected_shares() -> None:
    split = split_of(experiment(7000, 3000), answers("v0", "v0", "v1"))
    assert [(each.name, each.count, each.total) for each in split.variants] == [
        ("v0", 2, 3),
        ("v1", 1, 3),
    ]
    assert [each.expected for each in split.variants] == [0.7, 0.3]


def test_split__no_weights__expects_even_shares() -> None:
    split = split_of(experiment(), answers("v0", "v1"))
    assert [each.expected for each in split.variants] == [0.5, 0.5]


def test_split__sample_rate__is_expected_of_the_eligible_only() -> None:
    asked = answers("v0", None, None, None, None) + answers(None, None, eligible=False)
    split = split_of(experiment(5000, 5000, rate_bp=2000), asked)
    assert (split.asked, split.eligible) == (7, 5)
    assert (split.entered.count, split.entered.total, split.entered.expected) == (1, 5, 0.2)


def test_split__paused__expects_nobody() -> None:
    paused = experiment(status=Status.PAUSED)
    assert split_of(paused, answers(None, None)).is_inside
    assert not split_of(paused, answers("v0", None)).is_inside


def test_split__one_who_should_be_kept_out_got_in__is_outside() -> None:
    split = split_of(experiment(), answers("v0", "v1") + answers("v0", eligible=False))
    assert split.strayed == 1
    assert not split.is_inside


def test_split__answers_of_another_experiment__do_not_count() -> None:
    assert split_of(experiment(), answers("v0", key="other")).asked == 0
