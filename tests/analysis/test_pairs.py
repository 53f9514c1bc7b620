"""Pairs are found where losses don't add up, and nothing is simulated for them where they do."""

from collections.abc import Mapping
from itertools import combinations

import pytest

from bittrue.analysis.pairs import PLANS, checked
from bittrue.analysis.sensitivity_result import SiteLoss

NAMES = tuple("abcdefghijk")
SINGLE = {name: 0.001 * (1 + place) for place, name in enumerate(NAMES)}


def losses() -> dict[str, dict[int, SiteLoss]]:
    """2 bits cost much alone, 4 little."""
    return {
        name: {2: SiteLoss(name, 2, 1.0, None), 4: SiteLoss(name, 4, loss + 0.5, None)} for name, loss in SINGLE.items()
    }


def run(added: Mapping[frozenset[str], float]):  # type: ignore[no-untyped-def]
    """A check whose pairs add so much; all other words cost 0.5."""

    def loss_of(words: Mapping[str, int]) -> float:
        assert set(words.values()) <= {4}
        return sum(SINGLE[name] for name in words) + sum(
            added.get(frozenset(pair), 0.0) for pair in combinations(words, 2)
        )

    return checked({name: {4: of[4]} for name, of in losses().items()}, 0.5, loss_of)


def test_sums_that_hold_take_one_plan() -> None:
    found = run({})
    assert (found.pairs, found.plans, found.whole) == ((), 1, True)
    # The same numbers, added in another order.
    assert found.loss == pytest.approx(found.predicted) == pytest.approx(sum(SINGLE.values()))


@pytest.mark.parametrize("pairs", [["ab"], ["ak"], ["bc", "hj"], ["fg", "ae", "ck"]])
def test_pairs_that_add_are_found(pairs: list[str]) -> None:
    found = run({frozenset(pair): 0.03 + 0.01 * place for place, pair in enumerate(pairs)})
    assert {pair.first + pair.second for pair in found.pairs} == set(pairs)
    assert found.whole
    assert found.plans <= PLANS
    worst = found.pairs[0]
    assert worst.first + worst.second == pairs[-1]
    assert worst.predicted == pytest.approx(SINGLE[worst.first] + SINGLE[worst.second])
    assert worst.loss == pytest.approx(worst.predicted + 0.02 + 0.01 * len(pairs))


def test_a_pair_that_makes_up_for_something_is_one() -> None:
    assert [pair.first + pair.second for pair in run({frozenset("dg"): -0.02}).pairs] == ["dg"]


def test_the_search_for_pairs_ends() -> None:
    found = run({frozenset(pair): 0.1 for pair in combinations(NAMES, 2)})
    assert not found.whole
    assert found.plans <= PLANS + 4


def test_the_shortest_word_that_costs_little_is_taken() -> None:
    of = {
        "a": {2: SiteLoss("a", 2, 0.5, None), 3: SiteLoss("a", 3, 0.02, None), 4: SiteLoss("a", 4, 0.01, None)},
        "b": {2: SiteLoss("b", 2, 0.5, None), 3: SiteLoss("b", 3, 0.4, None)},
    }
    assert checked(of, 0.0, lambda words: 0.42).words == {"a": 3, "b": 3}
