"""Losses with repaired weights: exact, from shared prefixes, and what allocations can trust."""

import numpy as np
import pytest

from bittrue.analysis.alone import Nearby, with_sites
from bittrue.analysis.ranges import measure_ranges
from bittrue.analysis.site_words import SiteWords, site_words
from bittrue.data import Dataset
from bittrue.fixed import Quantizer
from bittrue.plan import Plan
from bittrue.repairs.alone import repair_alone
from bittrue.repairs.draft import Draft, with_operators
from bittrue.repairs.layer import Change
from bittrue.repairs.repair import repair
from bittrue.searches.loss_tables import beside
from bittrue.searches.losses import JUDGED_OF, NEGLIGIBLE, RepairedLosses, repaired_losses
from repairs.networks import images, residual

NETWORK = residual()
WORDS = (2, 3, 4, 6, 8)


@pytest.fixture(scope="module")
def data() -> Dataset:
    return images(300)


@pytest.fixture(scope="module")
def sites(data: Dataset) -> SiteWords:
    return site_words(NETWORK, measure_ranges(NETWORK, data))


@pytest.fixture(scope="module")
def found(sites: SiteWords, data: Dataset) -> RepairedLosses:
    return repaired_losses(sites, NETWORK, sites.base, dict.fromkeys(sites.sites, WORDS), *parts(data))


def parts(data: Dataset) -> tuple[Dataset, Dataset]:
    """To repair on, and to judge on."""
    kept = data.images - data.images // JUDGED_OF
    return data.take(kept), data.skip(kept)


def judging(data: Dataset) -> Dataset:
    return parts(data)[1]


def test_repaired_weights_cost_less_than_rounded_ones(sites: SiteWords, data: Dataset, found: RepairedLosses) -> None:
    near = Nearby(NETWORK, sites.base, judging(data))
    weights = [name for name, site in sites.sites.items() if site.role == "weight"]
    rounded = {name: near.of(sites.plan({name: 3})).loss for name in weights}
    assert sum(found.losses[name][3] for name in weights) < 0.6 * sum(rounded.values())
    assert all(found.losses[name][3] < 1.05 * loss for name, loss in rounded.items())
    # Outputs have nothing to be repaired: their losses are the plain ones, bit for bit.
    for name in set(sites.sites) - set(weights):
        assert found.losses[name][2] == near.of(sites.plan({name: 2})).loss


def test_a_loss_is_that_of_the_network_with_this_layer_repaired(
    sites: SiteWords, data: Dataset, found: RepairedLosses
) -> None:
    """From shared prefixes the very number that a plain simulation gives."""
    changes: dict[str, Change] = {}

    def take(site: str, word_length: int, change: Change) -> bool:
        changes[site] = change
        return True

    formats = {name: {3: sites.spec(name, 3)} for name, site in sites.sites.items() if site.role == "weight"}
    repair_alone(Draft.begun(NETWORK, sites.base), formats, parts(data)[0], take)
    assert set(changes) == set(formats)
    for site, change in changes.items():
        draft = Draft.begun(NETWORK, sites.base).with_operators(change.operators, change.sites)
        network, plan = draft.finished()
        alone = Nearby(network, plan, judging(data), trained=NETWORK).of_base().loss
        assert alone == found.losses[site][3]
        specs = plan.sites[site]
        assert {spec.format.word_length for spec in (specs if isinstance(specs, tuple) else (specs,))} == {3}  # type: ignore[union-attr]


def test_a_changed_layer_is_computed_afresh_and_nothing_before_it(sites: SiteWords, data: Dataset) -> None:
    """The canary of shared prefixes: other weights under the same plan are another loss."""
    near = Nearby(NETWORK, sites.base, judging(data))
    node = next(node for node in NETWORK.nodes if node.name == "conv3")
    operator = node.operator
    halved = type(operator)(
        **{**vars(operator), "weight": type(operator.weight)(operator.weight.name, operator.weight.value / 2)}  # type: ignore[attr-defined]
    )
    network = with_operators(NETWORK, {"conv3": halved})
    plan = Plan(network.hash, sites.base.options, sites.base.sites)
    assert near.of(plan, network).loss == Nearby(network, plan, judging(data), trained=NETWORK).of_base().loss
    assert near.of(plan, network).loss > near.of_base().loss


def test_longer_words_than_cost_nothing_are_not_measured(
    sites: SiteWords, data: Dataset, found: RepairedLosses
) -> None:
    long = repaired_losses(sites, NETWORK, sites.base, dict.fromkeys(sites.sites, (14, 15, 16)), *parts(data))
    assert long.image_passes < found.image_passes
    assert all(of[16] - long.rest <= NEGLIGIBLE for of in long.losses.values())
    assert all(tuple(of) == (14, 15, 16) for of in long.losses.values())


def test_near_a_repaired_plan_a_word_that_is_there_costs_what_the_plan_does(sites: SiteWords, data: Dataset) -> None:
    words = dict.fromkeys(sites.sites, 4)
    repaired = repair(NETWORK, sites.plan(words), data, "qronos,bias,batch-norm")
    cases = beside(words, dict.fromkeys(sites.sites, WORDS))
    assert set(cases.values()) == {(3, 4, 6)}
    near = repaired_losses(sites, repaired.network, repaired.plan, cases, *parts(data))
    own = Nearby(repaired.network, repaired.plan, judging(data), trained=NETWORK).of_base().loss
    assert near.rest == own
    outputs = [name for name, site in sites.sites.items() if site.role == "output"]
    assert all(
        near.losses[name].get(4, own) == own for name in outputs if isinstance(repaired.plan.sites[name], Quantizer)
    )
    assert np.mean([of[3] for of in near.losses.values()]) > own
    assert own >= max(near.losses[name][6] for name in outputs)
    assert with_sites(repaired.plan, {}).hash == repaired.plan.hash


def test_losses_survive_the_journal(found: RepairedLosses) -> None:
    assert RepairedLosses.from_json(found.to_json()) == found


def test_neighbours_stay_within_what_is_allowed() -> None:
    assert beside({"a": 2, "b": 8, "c": 5}, {"a": (2, 4, 8), "b": (2, 4, 8), "c": (5,)}) == {
        "a": (2, 4),
        "b": (4, 8),
        "c": (5,),
    }
