"""Whether the arms have the sizes that were drawn for: the sample ratio."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import exp, fsum, inf, lgamma, log
from typing import Final

from scipy.special import chdtrc

PRIOR_STRENGTH: Final = 100.0
BLOCKS_BELOW: Final = 0.001
WARNS_BELOW: Final = 0.01


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Counts beside their shares.

    `log_bayes_factor` is of other shares against the ones that were planned. `p` is valid at every
    look: that it ever falls under x, of a right experiment, has a probability of at most x.
    `chi_square` is Pearson's, and its p valid at one look only.
    """

    log_bayes_factor: float
    chi_square: float
    degrees_of_freedom: int

    @property
    def p(self) -> float:
        return 1.0 if self.log_bayes_factor <= 0 else exp(-self.log_bayes_factor)

    @property
    def chi_square_p(self) -> float:
        if self.degrees_of_freedom == 0:
            return 1.0
        return float(chdtrc(self.degrees_of_freedom, self.chi_square))

    @property
    def blocks(self) -> bool:
        return self.p < BLOCKS_BELOW

    @property
    def warns(self) -> bool:
        """Or the chi-square does: it is the sharper one at a single look, and wrong more often at
        many of them."""
        return self.p < WARNS_BELOW or self.chi_square_p < WARNS_BELOW


def srm(counts: Sequence[int], shares: Sequence[float]) -> SampleRatio:
    """Compare counts of subjects with their shares, given in any unit.

    Estimand: the shares of the arms among those who were exposed. Assumes that subjects are drawn
    independently. Dirichlet-multinomial Bayes factor, prior Dirichlet(100 times the shares): Lindon
    and Malek, arXiv 2011.03567, equation (8). Without subjects p is 1. A subject in an arm without
    a share is impossible: p is 0, and the chi-square infinite.
    """
    planned = [(count, share) for count, share in zip(counts, shares, strict=True) if share > 0]
    total, whole = sum(counts), fsum(share for _, share in planned)
    freedom = max(len(planned) - 1, 0)
    if sum(count for count, _ in planned) < total:
        return SampleRatio(inf, inf, max(freedom, 1))
    if total == 0 or freedom == 0:
        return SampleRatio(0.0, 0.0, 0)
    parts = [(count, share / whole) for count, share in planned]
    chi_square = fsum((count - total * share) ** 2 / (total * share) for count, share in parts)
    return SampleRatio(_log_bayes_factor(parts, total), chi_square, freedom)


def combined(parts: Iterable[SampleRatio]) -> SampleRatio:
    """Of phases with subjects of their own: the Bayes factors are multiplied, the chi-squares
    added. Of none: p is 1."""
    found = tuple(parts)
    return SampleRatio(
        fsum(part.log_bayes_factor for part in found),
        fsum(part.chi_square for part in found),
        sum(part.degrees_of_freedom for part in found),
    )


def homogeneity(kept: Sequence[int], left_out: Sequence[int]) -> tuple[float, float]:
    """Pearson's chi-square, and its p, of whether the arms lose the same share of their subjects.

    Both by arm. Arms without subjects do not count. Where all or none are left out, or one arm is
    left, there is nothing to compare: (0, 1).
    """
    arms = [(stay, lost) for stay, lost in zip(kept, left_out, strict=True) if stay + lost]
    total = sum(stay + lost for stay, lost in arms)
    lost_in_all = sum(lost for _, lost in arms)
    if len(arms) < 2 or lost_in_all in {0, total}:
        return 0.0, 1.0
    rate = lost_in_all / total
    chi_square = fsum(
        (lost - (stay + lost) * rate) ** 2 / ((stay + lost) * rate * (1 - rate))
        for stay, lost in arms
    )
    return chi_square, float(chdtrc(len(arms) - 1, chi_square))


def _log_bayes_factor(parts: Sequence[tuple[int, float]], total: int) -> float:
    return fsum(
        (
            lgamma(PRIOR_STRENGTH) - lgamma(PRIOR_STRENGTH + total),
            *(
                lgamma(PRIOR_STRENGTH * share + count)
                - lgamma(PRIOR_STRENGTH * share)
                - count * log(share)
                for count, share in parts
            ),
        )
    )
