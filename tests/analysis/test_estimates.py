"""Estimates of small errors are the exact losses, in the mean over what is drawn; they are judged by ranks."""

from pathlib import Path

import numpy as np
import pytest

import bittrue
from analysis.networks import chain, convolutional, parameter, random_images
from bittrue.analysis.estimates import CHANNELS, FORWARD, GRADIENT, NOISE, CaseEstimates, estimated, judged
from bittrue.analysis.evaluating.yardstick import Yardstick
from bittrue.analysis.sensitivity_result import SiteLoss
from bittrue.analysis.site_words import SiteWords, site_words
from bittrue.data import Dataset, as_dataset
from bittrue.network import Network
from bittrue.operators import Dense, Input, ReLU, Softmax

SITES = ("image.output", "conv.weight", "norm.output", "dense.weight", "dense.output")


@pytest.fixture
def images(tmp_path: Path) -> Dataset:
    return random_images(tmp_path)


def words_of(network: Network, images: Dataset) -> SiteWords:
    return site_words(network, bittrue.measure_ranges(network, images))


@pytest.mark.parametrize("ends", ["softmax", "logits", "sigmoid"])
def test_small_errors_cost_what_is_estimated(images: Dataset, ends: str) -> None:
    """To 30 %: the estimate is of second order, and a mean over 40 draws of classes."""
    network = convolutional(ends=ends, classes=1 if ends == "sigmoid" else 4)
    sites, yardstick = words_of(network, images), Yardstick(network, images)
    cases = [(name, 8) for name in SITES if name in sites.sites]
    drawn = [estimated(sites, yardstick, cases, seed) for seed in range(40)]
    for case in cases:
        exact = yardstick.distance(network, sites.plan(dict([case])))
        found = float(np.mean([each[case].losses[GRADIENT] for each in drawn]))
        assert found == pytest.approx(exact, rel=0.3), case
        assert found != pytest.approx(yardstick.distance(network, sites.plan({case[0]: 4})), rel=0.3)  # the canary
        assert drawn[0][case].losses[CHANNELS] > 0
        assert 0 < sum(drawn[0][case].channels.values()) <= 1 + 1e-9


def test_errors_go_forward_where_no_gradient_passes(images: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    network = convolutional()
    sites, yardstick = words_of(network, images), Yardstick(network, images)
    functions = bittrue.analysis.estimates.float_value
    rule = functions[ReLU]
    monkeypatch.setitem(functions._rules, ReLU, lambda operator: lambda x: bittrue_detached(rule(operator), x))
    cases = [(name, 8) for name in SITES]
    found = estimated(sites, yardstick, cases)
    for name in ("image.output", "conv.weight"):
        assert set(found[name, 8].losses) == {FORWARD, NOISE}
        exact = yardstick.distance(network, sites.plan({name: 8}))
        # To 10 %: differences run in float, where the fixed-point steps that follow round as well.
        assert found[name, 8].losses[FORWARD] == pytest.approx(exact, rel=0.1)
    for name in ("norm.output", "dense.weight"):
        assert set(found[name, 8].losses) == {GRADIENT, CHANNELS, NOISE}


def bittrue_detached(function, x):  # type: ignore[no-untyped-def]
    return function(x.detach())


def test_a_shared_weight_errs_everywhere_at_once() -> None:
    """Two layers with the same weight: its error is one, not two that are independent. To 20 %:
    a mean over 60 draws of classes."""
    generator = np.random.default_rng(0)
    weight = parameter(generator, "shared.weight", 5, 5, scale=0.5)
    network = chain(
        "twice", [("x", Input((5,))), ("one", Dense(weight, None)), ("two", Dense(weight, None)), ("p", Softmax())]
    )
    images = as_dataset(generator.standard_normal((64, 5)).astype(np.float32))
    sites, yardstick = words_of(network, images), Yardstick(network, images)
    case = ("shared.weight", 8)
    drawn = [estimated(sites, yardstick, [case], seed)[case].losses[GRADIENT] for seed in range(60)]
    assert np.mean(drawn) == pytest.approx(yardstick.distance(network, sites.plan(dict([case]))), rel=0.2)


def test_ranks() -> None:
    losses = [
        SiteLoss(site, bits, loss, None)
        for site, bits, loss in [("a", 2, 0.4), ("a", 3, 0.1), ("b", 2, 0.3), ("b", 3, 0.2)]
    ]
    found = {
        (loss.site, loss.word_length): CaseEstimates({GRADIENT: loss.loss, NOISE: -loss.loss}, {3: 0.5})
        for loss in losses
    }
    with_them, (gradient, noise) = judged(losses, found, 10)
    # Correlations are means of products in float64: 1 up to its rounding.
    assert (gradient.ranks, gradient.ranks_of_words, gradient.image_passes) == (pytest.approx(1), pytest.approx(1), 20)
    assert (noise.ranks, noise.ranks_of_words, noise.image_passes) == (pytest.approx(-1), pytest.approx(-1), 10)
    assert with_them[0].channels == {"3": 0.5}
    constant = {case: CaseEstimates({NOISE: 1.0}, {}) for case in found}
    assert judged(losses, constant, 10)[1][0].ranks is None
