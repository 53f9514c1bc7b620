"""Losses with repaired weights: exact, from shared prefixes, and what allocations can trust."""

from collections.abc import Mapping
from dataclasses import replace

import pytest

from bittrue.analysis.alone import Nearby
from bittrue.analysis.ranges import measure_ranges
from bittrue.analysis.site_words import SiteWords, site_words
from bittrue.data import Dataset
from bittrue.plan import Plan, formats_of
from bittrue.repairs.alone import repair_alone
from bittrue.repairs.draft import Draft, with_operators
from bittrue.repairs.layer import Change
from bittrue.repairs.repair import repair
from bittrue.repairs.repaired import Repaired
from bittrue.searches.allocation import allocations, monotone
from bittrue.searches.loss_tables import beside
from bittrue.searches.losses import JUDGED_OF, NEGLIGIBLE, RepairedLosses, repaired_losses
from bittrue.searches.near_words import NearWords
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
    return repaired_losses(sites, begun(sites), dict.fromkeys(sites.sites, WORDS), *parts(data))


def begun(sites: SiteWords) -> Draft:
    return Draft.begun(NETWORK, sites.base)


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
    repair_alone(begun(sites), formats, parts(data)[0], take)
    assert set(changes) == set(formats)
    for site, change in changes.items():
        draft = begun(sites).with_operators(change.operators, change.sites)
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
    long = repaired_losses(sites, begun(sites), dict.fromkeys(sites.sites, (14, 15, 16)), *parts(data))
    assert long.image_passes < found.image_passes
    assert all(of[16] - long.rest <= NEGLIGIBLE for of in long.losses.values())
    assert all(tuple(of) == (14, 15, 16) for of in long.losses.values())


def near_plan(
    sites: SiteWords, data: Dataset, word_length: int, repairs: str, choices: tuple[int, ...] = WORDS
) -> tuple[RepairedLosses, Repaired]:
    """Losses around the plan with one word length everywhere, repaired."""
    words = dict.fromkeys(sites.sites, word_length)
    repaired = repair(NETWORK, sites.plan(words), data, repairs)
    cases = beside(words, dict.fromkeys(sites.sites, choices))
    return repaired_losses(sites, repaired.draft, cases, *parts(data), words=words), repaired


@pytest.mark.parametrize("repairs", ["qronos,bias,batch-norm", "rescale,qronos,bias,batch-norm", "fold,qronos,bias"])
def test_near_a_plan_its_own_words_cost_what_it_does_and_longer_ones_less(
    sites: SiteWords, data: Dataset, repairs: str
) -> None:
    near, repaired = near_plan(sites, data, 4, repairs)
    assert {tuple(of) for of in near.losses.values()} == {(3, 4, 6)}
    own = Nearby(repaired.network, repaired.plan, judging(data), trained=NETWORK).of_base().loss
    assert near.rest == own
    assert all(of[4] == own for of in near.losses.values())
    assert sum(of[3] - own for of in near.losses.values()) > 0.2 * own
    # The canary: where words that cost what the plan does ended the measuring, nothing was gained by any longer one.
    gained = {name: own - of[6] for name, of in near.losses.items()}
    assert sum(gained.values()) > 0.4 * own
    assert all(gain < own for gain in gained.values())


def test_what_is_gained_here_pays_for_what_is_lost_there(sites: SiteWords, data: Dataset) -> None:
    """An exchange is found: a plan no dearer that is predicted to lose less."""
    near, _ = near_plan(sites, data, 4, "qronos,bias,batch-norm", (3, 4, 5))
    prices = {name: {bits: float(bits) for bits in of} for name, of in near.losses.items()}

    def least(losses: Mapping[str, Mapping[int, float]]) -> float:
        """What is lost at the plan's price."""
        found = allocations(prices, {name: monotone(of) for name, of in losses.items()})
        return min(one.loss for one in found if one.price <= 4 * len(prices))

    rest = near.rest * len(prices)
    assert least(near.losses) < rest - 0.1 * near.rest
    # The canary: with nothing to be gained there is none.
    blind = {name: {3: max(of[3], of[4]), 4: of[4], 5: of[4]} for name, of in near.losses.items()}
    # The same number so many times, added or multiplied: equal up to float64's rounding.
    assert least(blind) == pytest.approx(rest)


def test_formats_near_a_plan_are_its_own_with_more_bits(sites: SiteWords, data: Dataset) -> None:
    words = dict.fromkeys(sites.sites, 4)
    repaired = repair(NETWORK, sites.plan(words), data, "rescale,qronos,bias,batch-norm")
    near = NearWords(sites, repaired.draft, words)
    moved = 0
    for name, site in sites.sites.items():
        assert near.variants(name, 4)[0][1].sites == repaired.plan.sites
        for _, plan in near.variants(name, 6):
            for format, own in zip(formats_of(plan.sites[name]), formats_of(repaired.plan.sites[name]), strict=True):
                assert (format.word_length, format.signed) == (6, own.signed)
        if site.role == "output":
            (kept,), (own,) = (formats_of(of.sites[name]) for of in (near.variants(name, 6)[0][1], repaired.plan))
            assert kept.fraction_bits == own.fraction_bits + 2
            moved += repaired.plan.sites[name] != sites.spec(name, 4)
    assert moved  # the canary: the repair has moved binary points, so that formats of the ranges are others


def test_layers_of_a_rescaled_plan_are_repaired_for_its_scales(sites: SiteWords, data: Dataset) -> None:
    """Repaired alone with the word that it has, a layer costs about what the plan does."""
    words = dict.fromkeys(sites.sites, 4)
    draft = repair(NETWORK, sites.plan(words), data, "rescale,qronos,bias,batch-norm").draft
    own = {name: (4,) for name, site in sites.sites.items() if site.role == "weight"}

    def most(draft: Draft) -> float:
        found = repaired_losses(sites, draft, own, *parts(data))
        return max(of[4] for of in found.losses.values()) / found.rest

    assert draft.target.hash != NETWORK.hash
    assert most(draft) < 1.6
    # The canary: with the trained network as the target, for inputs and outputs of other sizes than those around it.
    assert most(replace(draft, target=NETWORK)) > 2


def test_losses_survive_the_journal(found: RepairedLosses) -> None:
    assert RepairedLosses.from_json(found.to_json()) == found


def test_neighbours_stay_within_what_is_allowed() -> None:
    assert beside({"a": 2, "b": 8, "c": 5}, {"a": (2, 4, 8), "b": (2, 4, 8), "c": (5,)}) == {
        "a": (2, 4),
        "b": (4, 8),
        "c": (5,),
    }
