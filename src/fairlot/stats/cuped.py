"""CUPED: the part of a difference that was there before the exposure is taken out."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from fairlot.stats.ratios import Response

MOST_WITHOUT_HISTORY: Final = 0.9
_SUBJECTS_A_COVARIATE: Final = 10
_NEARLY_SINGULAR: Final = 1e-8
_NOTHING_LEFT: Final = 1e-12


class NoCuped(StrEnum):
    """Why a difference is not adjusted."""

    SWITCHED_OFF = "switched_off"
    NO_COVARIATES = "no_covariates"
    LITTLE_HISTORY = "little_history"
    TOO_FEW_SUBJECTS = "too_few_subjects"
    SINGULAR = "singular"


@dataclass(frozen=True, slots=True)
class Adjustment:
    """`theta` by column; a column that is constant, or that the ones before it already say, is
    left out. `control` and `treatment`: the sums of squares of what remains of z in each arm."""

    theta: dict[int, float]
    control: float
    treatment: float

    def shift(self, control: Response, treatment: Response) -> float:
        """By how much the covariates alone set the arms apart, treatment minus control."""
        return sum(
            slope * (treatment.moments.means[column] - control.moments.means[column])
            for column, slope in self.theta.items()
        )

    def variance_of_covariates(self, response: Response) -> float:
        """Of the weighted covariates in one arm, with n - 1."""
        explained = sum(
            left * right * response.moments.product(row, column)
            for row, left in self.theta.items()
            for column, right in self.theta.items()
        )
        return max(explained, 0.0) / (response.moments.n - 1)


def adjustment_of(control: Response, treatment: Response) -> Adjustment | NoCuped:
    """The regression of z on all covariates, of both arms together, each about its own means.

    Deng, Xu, Kohavi and Walker (2013, WSDM), with theta a vector: theta = Sxx^-1 Sxz from the
    covariance within the arms, so that an effect does not enter it. The adjusted difference is
    the coefficient of the arm in the analysis of covariance with a common slope. The last column
    says who has no history: where that is over 90 % there is nothing to adjust by.
    """
    width = len(control.moments.means)
    columns = range(len(control.weights), width)
    if not columns:
        return NoCuped.NO_COVARIATES
    arms = (control, treatment)
    n = control.moments.n + treatment.moments.n
    if sum(arm.moments.n * arm.moments.means[width - 1] for arm in arms) > MOST_WITHOUT_HISTORY * n:
        return NoCuped.LITTLE_HISTORY
    if n < _SUBJECTS_A_COVARIATE * (len(columns) + 2):
        return NoCuped.TOO_FEW_SUBJECTS
    kept = _independent(arms, columns)
    if not kept:
        return NoCuped.SINGULAR
    theta = dict(zip(kept, _slopes(arms, kept), strict=True))
    left = [_remainder(arm, theta) for arm in arms]
    if sum(left) <= _NOTHING_LEFT * sum(arm.variance * (arm.moments.n - 1) for arm in arms):
        return NoCuped.SINGULAR
    return Adjustment(theta, *left)


def _pooled(arms: Sequence[Response], row: int, column: int) -> float:
    return sum(arm.moments.product(row, column) for arm in arms)


def _independent(arms: Sequence[Response], columns: Sequence[int]) -> list[int]:
    """The columns that vary, and that are not nearly a combination of those before them."""
    kept: list[int] = []
    for column in columns:
        total = _pooled(arms, column, column)
        size = sum(arm.moments.n * arm.moments.means[column] ** 2 for arm in arms)
        if total <= 1e-24 * size or total == 0:
            continue
        if _factor(arms, [*kept, column])[-1][-1] ** 2 > _NEARLY_SINGULAR * total:
            kept.append(column)
    return kept


def _factor(arms: Sequence[Response], columns: Sequence[int]) -> list[list[float]]:
    """Cholesky's lower triangle of the covariates' pooled products; 0 where nothing is left."""
    rows: list[list[float]] = []
    for i, row in enumerate(columns):
        rows.append([])
        for j, column in enumerate(columns[: i + 1]):
            rest = _pooled(arms, row, column) - sum(rows[i][k] * rows[j][k] for k in range(j))
            rows[i].append(max(rest, 0.0) ** 0.5 if i == j else rest / rows[j][j])
    return rows


def _slopes(arms: Sequence[Response], columns: Sequence[int]) -> list[float]:
    factor = _factor(arms, columns)
    half: list[float] = []
    for i, column in enumerate(columns):
        right = sum(arm.product_with(column) for arm in arms)
        half.append((right - sum(factor[i][k] * half[k] for k in range(i))) / factor[i][i])
    slopes = [0.0] * len(columns)
    for i in reversed(range(len(columns))):
        above = sum(factor[k][i] * slopes[k] for k in range(i + 1, len(columns)))
        slopes[i] = (half[i] - above) / factor[i][i]
    return slopes


def _remainder(arm: Response, theta: dict[int, float]) -> float:
    explained = sum(
        left * right * arm.moments.product(row, column)
        for row, left in theta.items()
        for column, right in theta.items()
    )
    crossed = sum(slope * arm.product_with(column) for column, slope in theta.items())
    return max(arm.variance * (arm.moments.n - 1) - 2 * crossed + explained, 0.0)
