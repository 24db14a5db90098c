"""How much of a sum one subject makes, from the moments alone."""

from fairlot.stats.moments import Moments


def share_of_the_largest(moments: Moments) -> float | None:
    """At least so much of the sum of the (first) response is one subject's; None where the sum is
    not above 0.

    For any numbers max x >= sum x^3 / sum x^2, the mean of x weighted by its squares. It is nearly
    reached when one of them is far above the others, and the mean itself when all are alike.
    """
    n = moments.n
    total = n * moments.means[0] if n else 0.0
    if total <= 0:
        return None
    mean, squares, cubes = moments.means[0], moments.product(0, 0), moments.cubes[0]
    largest = (cubes + 3 * mean * squares + n * mean**3) / (squares + n * mean**2)
    return largest / total
