"""Recorded subjects with drawn labels: experiments on one's own data, whose truth is known."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fairlot.stats.populations import with_lift
from fairlot.stats.simulation import Rules, Watched, watch

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Recorded:
    """`columns` are those of `Moments`, the subjects in the order of their days; `ends` how many
    had come by the end of each day."""

    columns: tuple[Floats, ...]
    ends: tuple[int, ...]


def recorded(days: NDArray[np.int64], columns: Floats) -> Recorded:
    """Of subjects in any order, a row each, with the number of their day."""
    order = np.argsort(days, kind="stable")
    _, counts = np.unique(days, return_counts=True)
    return Recorded(
        columns=tuple(np.ascontiguousarray(columns[order, at]) for at in range(columns.shape[1])),
        ends=tuple(int(end) for end in np.cumsum(counts)),
    )


def permute(subjects: Recorded, rules: Rules, lift: float, seed: int, run: int) -> Watched:
    """One experiment; the same for the same seed and run.

    Each subject is drawn into the treatment by the planned share, whatever it had been given. The
    responses (of a ratio: the numerators) of the treated grow by `lift`. What is true at each look
    is what that does to all who had come.
    """
    generator = np.random.default_rng((seed, run))
    plain = subjects.columns[0]
    treated = generator.random(len(plain)) < rules.treated_share
    planted = with_lift(plain, lift, rules.is_conversion, generator)
    columns = (np.where(treated, planted, plain), *subjects.columns[1:])
    truth = _truths(subjects, planted - plain, rules) if lift else 0.0
    return watch(columns, subjects.ends, treated, rules, truth)


def _truths(subjects: Recorded, gains: Floats, rules: Rules) -> Sequence[float]:
    last = np.asarray(subjects.ends) - 1
    gained = np.cumsum(gains)[last]
    whole = np.cumsum(subjects.columns[1])[last] if rules.responses > 1 else last + 1.0
    return [
        float(gain / total) if total > 0 else 0.0 for gain, total in zip(gained, whole, strict=True)
    ]
