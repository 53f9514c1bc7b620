"""The smallest set of sites that brings an accuracy back, found greedily: grown in an order, then pruned."""

from collections.abc import Callable, Sequence

ENOUGH = 0.9
"""The share of what is lost that counts as brought back."""

_NEARLY = 0.95
"""Where not enough comes back: the share of what the best set brings that a smaller one must."""


class _SpentError(Exception):
    """No more sets may be tried."""


def smallest_set(order: Sequence[str], back: Callable[[Sequence[str]], float], sets: int) -> Sequence[str]:
    """A set of sites, in `order`, that brings back ENOUGH, or else about as much as any that was tried.

    order: the sites, the most promising first. back: the share that freeing some of them brings back. The first n are
    freed, n doubling until it is enough, then halving in on the fewest; then runs of them, ever shorter, are left out
    as long as it stays enough. sets: how many `back` may be asked about.
    """
    left = sets
    best: tuple[float, Sequence[str]] = (back(order[:1]), order[:1])

    def ask(names: Sequence[str]) -> float:
        nonlocal left, best
        if not left:
            raise _SpentError
        left -= 1
        found = back(names)
        if (min(found, ENOUGH), -len(names)) > (min(best[0], ENOUGH), -len(best[1])):
            best = found, names
        return found

    try:
        _grow(order, ask)
        _prune(best[1], ask, ENOUGH if best[0] >= ENOUGH else _NEARLY * best[0])
    except _SpentError:
        pass
    return best[1]


def _grow(order: Sequence[str], ask: Callable[[Sequence[str]], float]) -> None:
    below, size = 1, 2
    while ask(order[:size]) < ENOUGH:
        if size >= len(order):
            return
        below, size = size, min(2 * size, len(order))
    while size - below > 1:
        middle = (below + size) // 2
        below, size = (below, middle) if ask(order[:middle]) >= ENOUGH else (middle, size)


def _prune(names: Sequence[str], ask: Callable[[Sequence[str]], float], target: float) -> None:
    kept = list(names)
    run = max(len(kept) // 2, 1)
    while run and len(kept) > 1:
        for start in range(len(kept) - run, -1, -run):
            fewer = kept[:start] + kept[start + run :]
            if fewer and ask(fewer) >= target:
                kept = fewer
        run //= 2
