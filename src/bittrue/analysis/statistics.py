"""How sure a measured accuracy is, and whether two networks measured on the same images differ."""

from math import sqrt
from statistics import NormalDist


def wilson_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """The two-sided score interval of a proportion, lowest and highest value, both in [0, 1].

    With p = successes/trials and z the normal quantile of (1 + confidence)/2, its ends are the two roots q of
    (p − q)² = z²·q·(1 − q)/trials. Unlike p ± z·√(p(1−p)/trials) it stays inside [0, 1] and has a width at p = 0 and 1.

    Raises: ValueError for no trials, successes outside [0, trials], or a confidence outside (0, 1).
    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the
    American Statistical Association 22 (1927) 209–212.
    """
    if trials < 1:
        raise ValueError(f"an interval needs at least one trial, not {trials}")
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes in {trials} trials")
    if not 0 < confidence < 1:
        raise ValueError(f"a confidence lies between 0 and 1, and {confidence} doesn't")
    quantile = NormalDist().inv_cdf((1 + confidence) / 2)
    proportion = successes / trials
    weight = quantile * quantile / trials
    centre = proportion + weight / 2
    half_width = quantile * sqrt(proportion * (1 - proportion) / trials + weight / (4 * trials))
    # At both ends one root is exactly 0 or 1; the rounded formula would miss it by an ulp.
    lowest = 0.0 if successes == 0 else (centre - half_width) / (1 + weight)
    highest = 1.0 if successes == trials else (centre + half_width) / (1 + weight)
    return lowest, highest


def mcnemar_exact(lost: int, gained: int) -> float:
    """The probability, if neither network were better, of flips at least as uneven as these: McNemar's exact test.

    `lost` images are right in the first network only, `gained` in the second only; images on which both agree say
    nothing. If neither is better, each flip is a fair coin: with n = lost + gained the two-sided value is
    min(1, 2·Σ_{k ≤ min(lost, gained)} C(n, k) / 2ⁿ), summed here in integers and rounded once.

    Raises: ValueError for a negative count.
    Source: Q. McNemar, "Note on the sampling error of the difference between correlated proportions or percentages",
    Psychometrika 12 (1947) 153–157; the binomial form as in A. Agresti, Categorical Data Analysis, section on matched
    pairs.
    """
    if lost < 0 or gained < 0:
        raise ValueError(f"flips are counted from 0, and here are {lost} and {gained}")
    flips = lost + gained
    fewer = min(lost, gained)
    if 2 * fewer >= flips - 1:
        return 1.0  # as even as flips can be: the two tails meet
    tail = term = 1
    for k in range(fewer):
        term = term * (flips - k) // (k + 1)
        tail += term
    return 2 * tail / (1 << flips)
