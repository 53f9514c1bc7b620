"""Prices: what a search makes small is what it adds up."""

import pytest

from bittrue.analysis.cost.cost import cost
from bittrue.analysis.ranges import measure_ranges
from bittrue.analysis.site_words import site_words
from bittrue.searches.prices import Prices, prices_by_name
from repairs.networks import images, residual

NETWORK = residual()
SITES = site_words(NETWORK, measure_ranges(NETWORK, images()))
ALLOWED = dict.fromkeys(SITES.sites, (3, 4, 5, 8))


@pytest.mark.parametrize("costs", ["weight-bits", "activation-bits", ["weight-bits", "activation-bits"]])
def test_a_bit_that_is_saved_anywhere_makes_the_price_less_by_its_share(costs: str | list[str]) -> None:
    """So that of two plans the cheaper one is the same by their prices as by the shares that they were chosen by."""
    prices = Prices(SITES, prices_by_name(costs), ALLOWED)
    alone = prices.alone()
    before = dict.fromkeys(ALLOWED, 5)
    for name in ALLOWED:
        saved = prices.of(before) - prices.of({**before, name: 4})
        assert saved == pytest.approx(alone[name][5] - alone[name][4], abs=1e-12)
        assert saved > 0 or name.endswith("weight") == (costs == "activation-bits")


def test_the_largest_live_set_alone_would_not_tell() -> None:
    """The canary: there are outputs beside it."""
    words = dict.fromkeys(ALLOWED, 5)
    costs = {name: cost(NETWORK, SITES.plan({**words, name: 4})).named["activation-bits"] for name in ALLOWED}
    largest = cost(NETWORK, SITES.plan(words)).named["activation-bits"]
    assert [name for name in costs if name.endswith(".output") and costs[name] == largest]
