"""A confidence sequence for the images lost less those gained of a test set, by bets against what it might be.

Whoever believes that so many are lost in all, less the gained ones, must expect a certain mean of the next image, drawn
without replacement: what is left of the total, through the images that are left. A bettor who puts a part of his money
on more than that can't expect to win: if the believer is right, his money is a martingale, and the probability that it
ever grows 1/error-fold is `error` at most (J. Ville). Then that total is refused, and so is every smaller one, against
which the same bets win more. Nobody knows which part is best to bet, so that many are tried, each with a share of the
money. The bets follow the images in their order, and use it: the sequence is narrower than one from the counts.

Sources: P. B. Stark, "ALPHA: audit that learns from previously hand-audited ballots", The Annals of Applied Statistics
17 (2023) 641–679 (the same bets, written by the mean that they are best for); I. Waudby-Smith, A. Ramdas, "Estimating
means of bounded random variables by betting", Journal of the Royal Statistical Society B 86 (2024) 1–27, section 5
for draws without replacement.
"""

from bisect import bisect_left
from functools import lru_cache
from math import ceil, log, sqrt

import numpy as np
from numpy.typing import NDArray

MOST = 0.99
"""Of the money at stake in a single bet: a bettor who loses all of it can't go on."""

STEP = 1.5
"""From one part that is bet to the next."""

Losses = NDArray[np.int8]
"""What became of each image drawn, in the order of the draws: 1 lost, −1 gained, 0 neither."""


def shows_more(losses: Losses, images: int, total: int, error: float) -> bool:
    """Whether it is shown, or was after fewer draws, that of all `images` more than `total` are lost less gained.

    If it isn't so the probability that this is ever true is `error` at most, whatever the order's chance brings.
    """
    drawn = len(losses)
    so_far, left = int(losses.sum(dtype=np.int64)), images - drawn
    if total >= so_far + left:
        return False  # there can't be more
    if total < so_far - left:
        return True  # there can't be as few
    before = np.cumsum(losses, dtype=np.int64) - losses
    mean = (total - before) / (images - np.arange(drawn))  # in [−1, 1], as the total is in reach
    with np.errstate(divide="ignore"):
        bets = np.minimum(_parts(images)[:, None], MOST / (1 + mean))
    money = np.cumsum(np.log1p(bets * (losses - mean)), axis=1)
    # The richest of the bettors holds at most all of the money, and at least one share: only near the goal is it added.
    richest = money.max(axis=0)
    near = richest >= -log(error)
    together = richest[near] + np.log(np.exp(money[:, near] - richest[near]).mean(axis=0))
    return bool((together >= -log(error)).any())


def shows_fewer(losses: Losses, images: int, total: int, error: float) -> bool:
    """Whether it is shown that of all `images` fewer than `total` are lost less gained; see `shows_more`."""
    return shows_more(-losses, images, -total, error)


def loss_bounds(losses: Losses, images: int, error: float) -> tuple[int, int]:
    """The least and the largest number of images lost less gained, of all `images`, that aren't refused.

    Half of `error` is for either end. The bounds after more draws lie within these. Where each end refuses what the
    other leaves, which happens in error only, they are the same number.
    """
    low = _least(losses, images, error / 2)
    return low, max(low, -_least(-losses, images, error / 2))


def _least(losses: Losses, images: int, error: float) -> int:
    so_far, left = int(losses.sum(dtype=np.int64)), images - len(losses)
    reach = range(so_far - left, so_far + left + 1)
    return reach[bisect_left(reach, True, key=lambda total: not shows_more(losses, images, total, error))]


@lru_cache(maxsize=4)
def _parts(images: int) -> NDArray[np.float64]:
    """The parts of the money that are bet: the smallest is best for a difference that takes all images to see."""
    least = min(1 / sqrt(images), MOST)
    return np.geomspace(least, MOST, 1 + ceil(log(MOST / least) / log(STEP)))
