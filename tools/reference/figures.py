"""Statistics from their formulas, with the standard library alone."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from math import ceil, erfc, exp, lgamma, log, pi, sqrt
from statistics import NormalDist, fmean
from typing import Any

Given = Mapping[str, Any]
Totals = Sequence[int]
NORMAL = NormalDist()


def figures_of(method: str, given: Given) -> dict[str, Any]:
    return METHODS[method](given)


def prints_as(found: Any, figure: Any) -> bool:
    """Whether a number, or each of a list, rounds to the figure as it is printed."""
    if isinstance(figure, list):
        return len(found) == len(figure) and all(map(prints_as, found, figure))
    if figure is None:
        return True
    last_place = 10.0 ** int(Decimal(figure).as_tuple().exponent)
    return bool(abs(found - float(figure)) <= 0.5001 * last_place)


def upper_z(alpha: float) -> float:
    return NORMAL.inv_cdf(1 - alpha / 2)


def both_tails(z: float) -> float:
    return erfc(abs(z) / sqrt(2))


def rate_and_variance(totals: Totals) -> tuple[float, float]:
    rate = totals[0] / totals[1]
    return rate, rate * (1 - rate) / totals[1]


def rates(given: Given) -> dict[str, Any]:
    (p, p_variance), (q, q_variance) = map(
        rate_and_variance, (given["control"], given["treatment"])
    )
    converted, n = map(sum, zip(given["control"], given["treatment"], strict=True))
    common = converted / n
    each = sum(1 / arm[1] for arm in (given["control"], given["treatment"]))
    found: dict[str, Any] = {"difference": q - p}
    for name, error in (
        ("unpooled", sqrt(p_variance + q_variance)),
        ("pooled", sqrt(common * (1 - common) * each)),
    ):
        reach = upper_z(given["alpha"]) * error
        found[f"{name}Z"] = (q - p) / error
        found[f"{name}P"] = both_tails((q - p) / error)
        found[f"{name}Low"], found[f"{name}High"] = q - p - reach, q - p + reach
    return found


def wilson(totals: Totals, z: float) -> tuple[float, float]:
    """The rates p with |rate - p| = z sqrt(p (1 - p) / n): the roots of a square equation."""
    rate, n = totals[0] / totals[1], totals[1]
    a, b, c = 1 + z * z / n, -(2 * rate + z * z / n), rate * rate
    root = sqrt(max(b * b - 4 * a * c, 0.0))
    return (-b - root) / (2 * a), (-b + root) / (2 * a)


def newcombe(given: Given) -> dict[str, Any]:
    z = upper_z(given["alpha"])
    control, treatment = given["control"], given["treatment"]
    (low_p, high_p), (low_q, high_q) = wilson(control, z), wilson(treatment, z)
    p, q = control[0] / control[1], treatment[0] / treatment[1]
    return {
        "low": q - p - sqrt((q - low_q) ** 2 + (high_p - p) ** 2),
        "high": q - p + sqrt((high_q - q) ** 2 + (p - low_p) ** 2),
    }


def ratio(given: Given) -> dict[str, Any]:
    ratios, squares = [], []
    for pairs in (given["control"], given["treatment"]):
        denominator = fmean(below for _, below in pairs)
        found = fmean(above for above, _ in pairs) / denominator
        rests = [(above - found * below) / denominator for above, below in pairs]
        ratios.append(found)
        squares.append(sum(rest**2 for rest in rests) / (len(pairs) - 1) / len(pairs))
    return {"difference": ratios[1] - ratios[0], "standardError": sqrt(sum(squares))}


def sample_ratio(given: Given) -> dict[str, Any]:
    """Of two arms, where the chi-square is the square of a z."""
    n = sum(given["counts"])
    expected = [share * n for share in given["shares"]]
    found = sum((o - e) ** 2 / e for o, e in zip(given["counts"], expected, strict=True))
    return {"chiSquare": found, "p": both_tails(sqrt(found))}


def confidence_sequence(given: Given) -> dict[str, Any]:
    (p, p_variance), (q, q_variance) = map(
        rate_and_variance, (given["control"], given["treatment"])
    )
    n, alpha = given["control"][1] + given["treatment"][1], given["alpha"]
    square = (-2 * log(alpha) + log(1 - 2 * log(alpha))) / given["plannedSize"]
    once = n * square + 1
    error = sqrt(p_variance + q_variance)
    root = sqrt(n) * sqrt(2 * once / (n * n * square) * log(sqrt(once) / alpha))
    z = (q - p) / error
    return {
        "low": q - p - error * root,
        "high": q - p + error * root,
        "p": min(1.0, sqrt(once) * exp(-z * z * n * square / (2 * once))),
    }


def beta_binomial(given: Given) -> dict[str, Any]:
    """By a sum over the middles of 20,000 even steps, over all rates that any arm may have."""
    shapes = [(converted + 1, n - converted + 1) for converted, n in given["arms"]]
    ranges = [likely(*shape) for shape in shapes]
    low, high = min(low for low, _ in ranges), max(high for _, high in ranges)
    steps = 20_000
    width = (high - low) / steps
    at = [low + (step + 0.5) * width for step in range(steps)]
    masses = [[width * density(a, b, x) for x in at] for a, b in shapes]
    below = [up_to_each(each) for each in masses]
    best = []
    for own, each in enumerate(masses):
        others = [one for number, one in enumerate(below) if number != own]
        best.append(sum(mass * product(one[k] for one in others) for k, mass in enumerate(each)))
    mean_of_best = high - width * sum(product(one[k] for one in below) for k in range(steps))
    return {"best": best, "losses": [mean_of_best - a / (a + b) for a, b in shapes]}


def likely(a: float, b: float) -> tuple[float, float]:
    mean = a / (a + b)
    reach = 10 * sqrt(mean * (1 - mean) / (a + b + 1))
    return max(mean - reach, 0.0), min(mean + reach, 1.0)


def density(a: float, b: float, x: float) -> float:
    return exp(lgamma(a + b) - lgamma(a) - lgamma(b) + (a - 1) * log(x) + (b - 1) * log(1 - x))


def up_to_each(masses: Sequence[float]) -> list[float]:
    """The share below the middle of each step; half of a step holds less where the density rises,
    by the first term of Euler and Maclaurin."""
    found, before = [], 0.0
    for left, mass, right in zip([0.0, *masses[:-1]], masses, [*masses[1:], 0.0], strict=True):
        found.append(before + mass / 2 - (right - left) / 24)
        before += mass
    return found


def product(factors: Any) -> float:
    whole = 1.0
    for factor in factors:
        whole *= factor
    return whole


def sample_size(given: Given) -> dict[str, Any]:
    p, effect = given["rate"], given["effect"]
    z_alpha, z_beta = upper_z(given["alpha"]), NORMAL.inv_cdf(given["power"])
    sizes = []
    for q in (p + effect, p - effect):
        both = p * (1 - p) + q * (1 - q)
        if given["pooled"]:
            reach = z_alpha * sqrt(2 * p * (1 - p)) + z_beta * sqrt(both)
        else:
            reach = (z_alpha + z_beta) * sqrt(both)
        sizes.append((reach / effect) ** 2)
    # That calculator rounds to the nearest.
    return {"arm": round(max(sizes)) if given["pooled"] else ceil(max(sizes))}


def boundaries(given: Given) -> dict[str, Any]:
    """Each bound by bisection, so that what is spent by each look is what is due."""
    looks, alpha = given["looks"], given["alpha"]
    if given["shape"] == "lan_demets":
        due = [
            4 * (1 - NORMAL.cdf(upper_z(alpha / 2) / sqrt(k / looks))) for k in range(1, looks + 1)
        ]
        return {"bounds": spending(due)}
    power = {"pocock": 0.0, "obrien_fleming": 0.5}[given["shape"]]
    shape = [(looks / k) ** power for k in range(1, looks + 1)]
    scale = bisected(lambda c: alpha - crossed([c * each for each in shape])[-1], 1.0, 4.0)
    return {"bounds": [scale * each for each in shape]}


def crossing(given: Given) -> dict[str, Any]:
    return {"error": crossed([given["bound"]] * given["looks"])}


def bisected(rising: Callable[[float], float], low: float, high: float) -> float:
    while high - low > 1e-6:
        middle = (low + high) / 2
        low, high = (low, middle) if rising(middle) > 0 else (middle, high)
    return (low + high) / 2


def crossed(bounds: Sequence[float]) -> list[float]:
    """Armitage, McPherson and Rowe: the sum of k normals stays within bound_k sqrt(k)."""
    inside: list[tuple[float, float]] = [(0.0, 1.0)]
    found, before = [], 0.0
    for k, bound in enumerate(bounds, start=1):
        edge = bound * sqrt(k)
        before += beyond(inside, edge)
        found.append(before)
        inside = carried_on(inside, edge)
    return found


def spending(due: Sequence[float]) -> list[float]:
    inside: list[tuple[float, float]] = [(0.0, 1.0)]
    found, before = [], 0.0
    for k, until in enumerate(due, start=1):
        edge = edge_that_spends(until - before, inside, 8 * sqrt(k))
        found.append(edge / sqrt(k))
        inside, before = carried_on(inside, edge), until
    return found


def edge_that_spends(share: float, inside: Sequence[tuple[float, float]], farthest: float) -> float:
    return bisected(lambda edge: share - beyond(inside, edge), 0.0, farthest)


def beyond(inside: Sequence[tuple[float, float]], edge: float) -> float:
    return sum(
        mass * (erfc((edge - at) / sqrt(2)) + erfc((edge + at) / sqrt(2))) / 2
        for at, mass in inside
    )


def carried_on(
    inside: Sequence[tuple[float, float]], edge: float, nodes: int = 120
) -> list[tuple[float, float]]:
    """The density within the edges after one more normal, by Simpson's rule."""
    edge = min(edge, 12.0)
    step = 2 * edge / nodes
    found = []
    for number in range(nodes + 1):
        at = -edge + number * step
        weight = step / 3 * (1 if number in (0, nodes) else 4 if number % 2 else 2)
        density = sum(mass * exp(-((at - x) ** 2) / 2) for x, mass in inside) / sqrt(2 * pi)
        found.append((at, weight * density))
    return found


def corrections(given: Given) -> dict[str, Any]:
    p, alpha = sorted(given["p"]), given["alpha"]
    m = len(p)
    steps = [k for k in range(1, m + 1) if p[k - 1] <= alpha * k / m]
    kept = next((k for k in range(m) if p[k] > alpha / (m - k)), m)
    return {
        "bonferroni": sum(each <= alpha / m for each in p),
        "holm": kept,
        "benjaminiHochberg": max(steps, default=0),
    }


METHODS: dict[str, Callable[[Given], dict[str, Any]]] = {
    "beta_binomial": beta_binomial,
    "boundaries": boundaries,
    "confidence_sequence": confidence_sequence,
    "corrections": corrections,
    "crossing": crossing,
    "newcombe": newcombe,
    "rates": rates,
    "ratio": ratio,
    "sample_ratio": sample_ratio,
    "sample_size": sample_size,
}
