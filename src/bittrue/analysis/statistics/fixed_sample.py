"""How sure an accuracy is that was measured on a number of images set beforehand; whether two networks measured on the
same images differ, and by how much at most."""

from bisect import bisect_right
from functools import lru_cache, partial
from math import ceil, copysign, floor, inf, log10, sqrt
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bittrue.analysis.statistics.factorials import log_factorials
from bittrue.analysis.statistics.halving import halved

Floats = NDArray[np.float64]

NUISANCE = 1e-3
"""The chance that is left to the nuisance parameter lying outside its interval, and added to the p-value."""

CELLS = 1024
"""Into so many the nuisance parameter's interval is cut; more of them bring the p-value nearer to its least bound."""

POWER = 0.8
"""With the images that are called needed a test answers with this probability."""

MOST_NEEDED = 1_000_000

MARGIN_STEPS = 20
"""Halvings that an end of an interval takes: to a millionth."""


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


@lru_cache
def drop_p_value(lost: int, gained: int, images: int, margin: float) -> float:
    """How probable so small a loss of accuracy would be at most, if it were `margin` or more in truth: an exact
    unconditional test of non-inferiority for paired proportions.

    `lost` of the images are right in the first network only, `gained` in the second only. Their probabilities are p and
    q, and the hypothesis is p − q ≥ margin, a share in (−1, 1). Outcomes are ordered by the score statistic (see
    `drop_score`). The p-value is the largest probability, under p = q + margin and for any q in its Clopper–Pearson
    interval of the confidence 1 − NUISANCE, of an outcome at least as far below the margin, plus NUISANCE: whatever p
    and q are, it is α or less with a probability of α at most. The largest probability is bounded, not searched: the
    set of such outcomes only loses by more lost and fewer gained images, so that in a cell [q₁, q₂] its probability is
    at most that under p = q₁ + margin and q₂.

    Raises: ValueError for counts that no images give, and a margin outside (−1, 1).
    Sources: T. Tango, "Equivalence test and confidence interval for the difference in proportions for the paired-sample
    design", Statistics in Medicine 17 (1998) 891–908; H. Hsueh, J. Liu, J. J. Chen, "Unconditional exact tests for
    equivalence or noninferiority for paired binary endpoints", Biometrics 57 (2001) 478–483; R. L. Berger, D. D. Boos,
    "P values maximized over a confidence set for the nuisance parameter", Journal of the American Statistical
    Association 89 (1994) 1012–1016; R. L. Berger, K. Sidik, "Exact unconditional tests for a 2 × 2 matched-pairs
    design", Statistical Methods in Medical Research 12 (2003) 91–108.
    """
    if drop_score(lost, gained, images, margin) >= 0:
        return 1.0  # nothing speaks against the hypothesis
    low, high = clopper_pearson(gained, images, 1 - NUISANCE)
    low, high = max(low, -margin, 0.0), min(high, (1 - margin) / 2)
    if low > high:
        return NUISANCE  # no q that the hypothesis allows
    edges = np.linspace(low, high, CELLS + 1)
    return min(1.0, _largest(lost, gained, images, margin, edges) + NUISANCE)


def difference_interval(lost: int, gained: int, images: int, confidence: float = 0.95) -> tuple[float, float]:
    """The two-sided exact interval of the second network's accuracy less the first's, in the population: all that
    neither one-sided test, each of the probability (1 − confidence)/2, refuses (see `drop_p_value`).

    `lost` of the images are right in the first network only, `gained` in the second only. Found by halving; each
    end is the outer one of the last step.
    """
    return -_largest_drop(lost, gained, images, confidence), _largest_drop(gained, lost, images, confidence)


def _largest_drop(lost: int, gained: int, images: int, confidence: float) -> float:
    """The smallest margin that a loss is shown to be below."""
    tail = (1 - confidence) / 2
    observed = (lost - gained) / images
    is_open = partial(_is_open, lost, gained, images, tail)
    return halved(is_open, observed, 1.0, MARGIN_STEPS)[1] if is_open(observed) else observed


def _is_open(lost: int, gained: int, images: int, tail: float, margin: float) -> bool:
    return margin < 1 and (margin <= -1 or drop_p_value(lost, gained, images, margin) > tail)


def drop_score(lost: int, gained: int, images: int, margin: float) -> float:
    """Tango's score statistic: (lost − gained − n·margin)/√(n·(2q + margin − margin²)), below 0 for a smaller loss.

    q is the probability of a gained image that is likeliest under p − q = margin (see `likeliest_gained`).

    Raises: ValueError for counts that no images give, and a margin outside (−1, 1).
    """
    if min(lost, gained) < 0 or lost + gained > images or images < 1:
        raise ValueError(f"{lost} lost and {gained} gained of {images} images")
    if not -1 < margin < 1:
        raise ValueError(f"a margin lies between −1 and 1, and {margin} doesn't")
    likeliest = likeliest_gained(lost, gained, images, margin)
    difference = lost - gained - images * margin
    variance = images * (2 * likeliest + margin - margin * margin)
    if variance <= 0:
        return copysign(inf, difference) if difference else 0.0
    return difference / sqrt(variance)


def likeliest_gained(lost: int, gained: int, images: int, margin: float) -> float:
    """The probability q of a gained image that is likeliest where that of a lost one is q + margin: the larger root of
    2n·q² + (2n·margin − margin·(lost − gained) − lost − gained)·q − gained·margin·(1 − margin) = 0."""
    linear = 2 * images * margin - margin * (lost - gained) - lost - gained
    root = sqrt(max(linear * linear + 8 * images * gained * margin * (1 - margin), 0.0))
    return (root - linear) / (4 * images)


def images_needed(lost: int, gained: int, images: int, margin: float, significance: float) -> int | None:
    """About how many images would tell whether the loss is above or below a margin above 0, to two digits.

    If the shares of lost and gained images stay as they are the score grows with √n, and a test at `significance`
    answers with the probability POWER at √n·score = z(1 − significance) + z(POWER). Never fewer than what a row without
    any lost or gained image needs. None for more than MOST_NEEDED: the loss is too near to the margin.
    """
    wanted = NormalDist().inv_cdf(1 - significance) + NormalDist().inv_cdf(POWER)
    score = drop_score(lost, gained, images, margin)
    least = wanted * wanted * (1 - margin) / margin
    needed = inf if score == 0 else max(images * (wanted / score) ** 2, least)
    if needed > MOST_NEEDED:
        return None
    step = int(10 ** max(floor(log10(needed)) - 1, 0))
    return ceil(needed / step) * step


def clopper_pearson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """The two-sided exact interval of a proportion: beyond its ends, so many successes or more, or so many or fewer,
    have a probability below (1 − confidence)/2. Found by halving; each end is the outer one of the last step.

    Source: C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits illustrated in the case of the
    binomial", Biometrika 26 (1934) 404–413.
    """
    tail = (1 - confidence) / 2
    factorials = log_factorials(trials)

    def at_most(most: int, proportion: float) -> float:
        return float(_probability(np.arange(most + 1), trials, np.array(proportion), factorials).sum())

    low, high = 0.0, 1.0
    if successes > 0:
        low = halved(lambda proportion: 1 - at_most(successes - 1, proportion) < tail)[0]
    if successes < trials:
        high = halved(lambda proportion: at_most(successes, proportion) >= tail)[1]
    return low, high


def _largest(lost: int, gained: int, images: int, margin: float, edges: Floats) -> float:
    """A bound of the probability of outcomes at least as far below the margin as this, for q between any two edges.

    Image counts are summed over the gained ones: their probability, times that of at most `most` lost ones among the
    rest, which follows from one number of gained ones to the next by a recursion. What is left out, ten standard
    deviations away, counts as if it were such an outcome.
    """
    factorials = log_factorials(images)
    q, p = edges[1:], np.maximum(edges[:-1] + margin, 0.0)
    among_rest = np.minimum(p / (1 - q), 1.0)
    reach = [10 * sqrt(images * end * (1 - end)) + 40 for end in (edges[0], edges[-1])]
    first = max(int(images * edges[0] - reach[0]), 0)
    last = min(int(images * edges[-1] + reach[1]), images)
    furthest = drop_score(lost, gained, images, margin) + 1e-9  # this outcome itself is one of them, however it rounds
    most = bisect_right(range(images - first + 1), furthest, key=lambda n: drop_score(n, first, images, margin)) - 1
    few_lost = _probability(np.arange(most + 1)[:, None], images - first, among_rest, factorials).sum(axis=0)
    found, covered = np.zeros_like(q), np.zeros_like(q)
    for count in range(first, last + 1):
        rest = images - count
        while most < rest and drop_score(most + 1, count, images, margin) <= furthest:
            most += 1
            few_lost = few_lost + _probability(most, rest, among_rest, factorials)
        share = _probability(count, images, q, factorials)
        covered += share
        found += share * np.minimum(few_lost, 1.0)
        if most == rest:  # one fewer of the rest can't be more than that
            most, few_lost = rest - 1, np.ones_like(q)
        elif most >= 0:  # with one image fewer the last one, if it was lost, is no longer counted
            few_lost = few_lost + among_rest * _probability(most, rest - 1, among_rest, factorials)
    return float((found + np.maximum(1 - covered, 0.0)).max())


def _probability(successes: Any, trials: int, proportion: Floats, factorials: Floats) -> Floats:
    """Of so many successes in so many independent trials."""
    failures = trials - successes
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 · log 0, which is 0
        won = np.where(successes == 0, 0.0, successes * np.log(proportion))
        not_won = np.where(failures == 0, 0.0, failures * np.log1p(-proportion))
    probability: Floats = np.exp(factorials[trials] - factorials[successes] - factorials[failures] + won + not_won)
    return probability
