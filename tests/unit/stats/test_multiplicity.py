import pytest
from statsmodels.stats.multitest import multipletests

from fairlot.stats.multiplicity import benjamini_hochberg, bonferroni, holm

# Benjamini and Hochberg (1995), section 3.2.
PUBLISHED = (
    *(0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344),
    *(0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0),
)
METHODS = [(bonferroni, "bonferroni", 3), (holm, "holm", 3), (benjamini_hochberg, "fdr_bh", 4)]


@pytest.mark.parametrize(("correct", "name", "rejected"), METHODS)
def test_correction__published_p_values__published_rejections(
    correct: object, name: str, rejected: int
) -> None:
    assert callable(correct)
    found = correct(PUBLISHED)
    assert sum(p <= 0.05 for p in found) == rejected
    assert found == pytest.approx(multipletests(PUBLISHED, method=name)[1], rel=1e-9)


@pytest.mark.parametrize(("correct", "name", "rejected"), METHODS)
def test_correction__any_order__by_place(correct: object, name: str, rejected: int) -> None:
    assert callable(correct)
    mixed = PUBLISHED[7:] + PUBLISHED[:7]
    assert correct(mixed) == correct(PUBLISHED)[7:] + correct(PUBLISHED)[:7]
    assert correct(()) == ()
    assert correct((0.03,)) == (0.03,)
