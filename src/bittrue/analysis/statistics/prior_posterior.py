"""Confidence sequences from counts, by the ratio of a working prior to its posterior.

Whatever the prior is, the ratio prior(θ)/posterior(θ) at the true θ is a martingale that begins at 1, so that the
probability that it ever reaches 1/error is `error` at most (J. Ville). All θ whose ratio is below that form the region
of that time. The ratio is m/p: the probability of what was drawn, in its order, mixed over the prior, through that
under θ. A prior that knows the truth makes short intervals; one that doesn't makes no wrong ones.

Sources: I. Waudby-Smith, A. Ramdas, "Confidence sequences for sampling without replacement", Advances in Neural
Information Processing Systems 33 (2020), section 2; J. Ville, Étude critique de la notion de collectif (1939).
"""

from collections.abc import Callable, Sequence
from math import lgamma, log
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bittrue.analysis.statistics.estimand import Estimand, Interval, Population, TheseImages
from bittrue.analysis.statistics.factorials import log_factorials
from bittrue.analysis.statistics.fixed_sample import likeliest_gained
from bittrue.analysis.statistics.halving import halved

RIGHT_AND_WRONG = (0.5, 0.5)
"""Jeffreys' prior, of right images and wrong ones; its mixture over a finite set is the beta-binomial."""

LOST_TIED_GAINED = (0.5, 5.0, 0.5)
"""That of the paired difference: two networks worth comparing agree on most images."""

SLACK = 1e-9
"""What rounding may take from a logarithm; given to the region, never taken from it."""

Counts = NDArray[np.int64]


def share_interval(successes: int, trials: int, of: Estimand, error: float) -> Interval:
    """Between which the share of successes lies, at any number of trials.

    Raises: ValueError for counts that can't be, and an error outside (0, 1).
    """
    counts = successes, trials - successes
    _check(counts, of, error)
    low, high = _SHARES[type(of)](counts, of, _least(counts, RIGHT_AND_WRONG, error))
    return Interval(low, high, error, of)


def loss_interval(lost: int, gained: int, images: int, of: Estimand, error: float) -> Interval:
    """Between which the share of lost images less that of gained ones lies, at any number of images.

    Of the joint region of both shares this is the shadow: the least and the largest difference in it.

    Raises: ValueError for counts that can't be, and an error outside (0, 1).
    """
    counts = lost, images - lost - gained, gained
    _check(counts, of, error)
    low, high = _LOSSES[type(of)](counts, of, _least(counts, LOST_TIED_GAINED, error))
    return Interval(low, high, error, of)


def _check(counts: Sequence[int], of: Estimand, error: float) -> None:
    if min(counts) < 0 or sum(counts) < 1:
        raise ValueError(f"counts are 0 or more, and one is 1 at least: not {', '.join(map(str, counts))}")
    if isinstance(of, TheseImages) and sum(counts) > of.images:
        raise ValueError(f"{sum(counts)} images were drawn of {of.images}")
    if not 0 < error < 1:
        raise ValueError(f"the probability of an error lies between 0 and 1, and {error} doesn't")


def _least(counts: Sequence[int], prior: Sequence[float], error: float) -> float:
    """How probable what was drawn must be under θ at least, as a logarithm, for θ to be in the region."""
    mixed = lgamma(sum(prior)) - lgamma(sum(prior) + sum(counts))
    mixed += sum(lgamma(weight + count) - lgamma(weight) for weight, count in zip(prior, counts, strict=True))
    return mixed + log(error) - SLACK


def _drawn(images: int, *pairs: tuple[Any, int]) -> Any:
    """The logarithm of the probability of so many draws of each kind, in their order; pairs: (how many images of the
    kind there are, how many were drawn). −∞ where more were drawn than there are."""
    factorials = log_factorials(images)
    total = -(factorials[images] - factorials[images - sum(count for _, count in pairs)])
    for there, count in pairs:
        left = there - count
        total = total + np.where(left < 0, -np.inf, factorials[there] - factorials[np.maximum(left, 0)])
    return total


def _finite_share(counts: Sequence[int], of: TheseImages, least: float) -> tuple[float, float]:
    right, wrong = counts
    there = np.arange(right, of.images - wrong + 1)
    inside = there[_drawn(of.images, (there, right), (of.images - there, wrong)) >= least]
    return int(inside[0]) / of.images, int(inside[-1]) / of.images


def _drawn_share(counts: Sequence[int], of: Population, least: float) -> tuple[float, float]:
    right, wrong = counts

    def is_inside(share: float) -> bool:
        return _weighted_log(right, share) + _weighted_log(wrong, 1 - share) >= least

    return _ends(is_inside, 0.0, right / (right + wrong), 1.0)


def _finite_loss(counts: Sequence[int], of: TheseImages, least: float) -> tuple[float, float]:
    """For every number of lost images there may be: the fewest and the most gained ones that the region has beside it.

    Beside a number of lost images the probability rises and falls with that of the gained ones, since its logarithm is
    concave in it: so the two ends are found by halving on either side of the top, for all numbers at once.
    """
    lost_drawn, tied_drawn, gained_drawn = counts
    lost = np.arange(lost_drawn, of.images - tied_drawn - gained_drawn + 1)
    most = of.images - lost - tied_drawn
    # From one gained image to one more it rises as long as (gained + 1)·tied_drawn ≤ (rest − gained)·gained_drawn.
    top = ((of.images - lost) * gained_drawn - tied_drawn) // max(gained_drawn + tied_drawn, 1) + 1
    top = np.clip(top, gained_drawn, most)

    def is_inside(lost: Counts, gained: Counts) -> NDArray[np.bool_]:
        tied = of.images - lost - gained
        found = _drawn(of.images, (lost, lost_drawn), (tied, tied_drawn), (gained, gained_drawn))
        inside: NDArray[np.bool_] = found >= least
        return inside

    there = is_inside(lost, top)
    lost, most, top = lost[there], most[there], top[there]
    fewest_gained = _farthest(lambda gained: is_inside(lost, gained), top, np.full_like(top, gained_drawn))
    most_gained = _farthest(lambda gained: is_inside(lost, gained), top, most)
    return int((lost - most_gained).min()) / of.images, int((lost - fewest_gained).max()) / of.images


def _farthest(is_inside: Callable[[Counts], NDArray[np.bool_]], inside: Counts, end: Counts) -> Counts:
    """The farthest numbers from `inside` towards `end` that are inside; what is inside is one piece."""
    outside = end + np.sign(end - inside) + (end == inside)
    while (apart := np.abs(outside - inside) > 1).any():
        middle = np.where(apart, (inside + outside) // 2, inside)
        good = is_inside(middle)
        inside, outside = np.where(good, middle, inside), np.where(good, outside, middle)
    return inside


def _drawn_loss(counts: Sequence[int], of: Population, least: float) -> tuple[float, float]:
    """The likeliest shares of each difference are known, and their probability rises and falls with it."""
    lost, tied, gained = counts
    images = sum(counts)

    def is_inside(loss: float) -> bool:
        q = min(max(likeliest_gained(lost, gained, images, loss), -loss, 0.0), (1 - loss) / 2)
        shares = (q + loss, lost), (1 - loss - 2 * q, tied), (q, gained)
        return sum(_weighted_log(count, share) for share, count in shares) >= least

    return _ends(is_inside, -1.0, (lost - gained) / images, 1.0)


def _weighted_log(count: int, share: float) -> float:
    """count·log(share), where 0·log 0 is 0."""
    if count == 0:
        return 0.0
    return count * log(share) if share > 0 else -np.inf


def _ends(is_inside: Callable[[float], bool], lowest: float, inside: float, highest: float) -> tuple[float, float]:
    """The ends of the piece of [lowest, highest] around `inside`; each is the outer one of the last step."""
    low = lowest if is_inside(lowest) else halved(lambda share: not is_inside(share), lowest, inside)[0]
    high = highest if is_inside(highest) else halved(is_inside, inside, highest)[1]
    return low, high


_Ends = Callable[[Sequence[int], Any, float], tuple[float, float]]
_SHARES: dict[type, _Ends] = {TheseImages: _finite_share, Population: _drawn_share}
_LOSSES: dict[type, _Ends] = {TheseImages: _finite_loss, Population: _drawn_loss}
