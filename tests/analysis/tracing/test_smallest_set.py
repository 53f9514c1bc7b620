"""The smallest set that brings enough back: found where it is small, bounded where it is not."""

from collections.abc import Sequence

import pytest

from bittrue.analysis.tracing.smallest_set import smallest_set

NAMES = [f"site{index}" for index in range(20)]


def needing(*needed: str, otherwise: float = 0.0) -> "Asked":
    return Asked({frozenset(needed): 1.0}, otherwise)


class Asked:
    """A network that comes back when all of some sites are free; counts how often it is asked."""

    def __init__(self, sets: dict[frozenset[str], float], otherwise: float = 0.0) -> None:
        self.sets, self.otherwise, self.times = sets, otherwise, 0

    def __call__(self, names: Sequence[str]) -> float:
        self.times += 1
        return max((back for needed, back in self.sets.items() if needed <= set(names)), default=self.otherwise)


@pytest.mark.parametrize("needed", [NAMES[:2], NAMES[1:2], [NAMES[0], NAMES[9]], NAMES[3:6], [NAMES[7], NAMES[19]]])
def test_exactly_the_needed_sites_are_found(needed: list[str]) -> None:
    asked = needing(*needed)
    assert list(smallest_set(NAMES, asked, 60)) == needed
    assert asked.times <= 61


def test_no_more_sets_are_asked_about_than_allowed() -> None:
    asked = needing(*NAMES[::2])
    found = smallest_set(NAMES, asked, 6)
    assert asked.times <= 7
    assert set(NAMES[::2]) <= set(found)


def test_where_nothing_is_enough_the_best_is_kept_and_pruned() -> None:
    asked = Asked({frozenset(NAMES[:1]): 0.3, frozenset([NAMES[0], NAMES[4]]): 0.6})
    assert list(smallest_set(NAMES, asked, 60)) == [NAMES[0], NAMES[4]]


def test_a_single_site_stays_alone_where_others_add_nothing() -> None:
    assert list(smallest_set(NAMES, Asked({frozenset(NAMES[:1]): 0.3}), 60)) == NAMES[:1]
