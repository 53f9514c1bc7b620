"""Costs of small networks, counted by hand."""

import json
from dataclasses import replace
from math import ceil, log2

import numpy as np
import pytest

from analysis.networks import chain, convolutional
from bittrue.analysis.cost.cost import cost
from bittrue.analysis.cost.named import COSTS, cost_named, mac_bit_operations, named_cost
from bittrue.analysis.cost.result import Cost
from bittrue.analysis.cost.work import Products, Work, work
from bittrue.errors import BittrueError, PlanError
from bittrue.fixed import FixedFormat, Overflow, Quantizer, word_length_between
from bittrue.lowering import lower_network
from bittrue.network import Network, NetworkBuilder, Parameter
from bittrue.operators import Add, Convolution, Dense, Input, Pointwise, ReLU
from bittrue.plan import STUDY_OPTIONS, Guard, Plan, PlanOptions, Spec, Word, uniform_plan
from bittrue.program import ScaleOffset, grouped
from bittrue.program.functions import Sigmoid
from cases import CASES, Case

BYTES = Quantizer(FixedFormat(True, 8, 6))


def plan_of(network: Network, word_length: int = 8, **options: str) -> Plan:
    return uniform_plan(network, word_length, word_length - 2, options=PlanOptions(**options))


def with_sites(plan: Plan, **sites: Spec) -> Plan:
    return replace(plan, sites={**plan.sites, **{name.replace("__", "."): spec for name, spec in sites.items()}})


def of_node(found: Cost, node: str) -> tuple[tuple[Products, ...], tuple[Products, ...], int | None]:
    """(macs, products, accumulator)"""
    entry = next(entry for entry in found.nodes if entry.node == node)
    return entry.macs, entry.products, entry.accumulator


def test_a_convolutional_network_by_hand() -> None:
    """6×6×1 images; convolution 3×3 to 3 channels, ReLU and batch norm; pooling; dense 27 to 4; softmax."""
    network = convolutional()
    found = cost(network, plan_of(network))
    assert found.named == {
        "weight-bits": 8 * (27 + 3 + 3 + 3 + 27 * 4 + 4),
        "activation-bits": 8 * (36 + 108),  # the image and what batch norm makes of it
        "table-bits": 0,
        "accumulator-bits": 19 + 20,
        "mac-bit-operations": (36 * 27 + 27 * 4) * 64,
        "dsp": 27 + 3 + 27 * 4,
        "dsp-cycles": 36 * (27 + 3) + 27 * 4,
        "bram": 0,  # so few bits are logic
    }
    assert found.named["mac-bit-operations"] == mac_bit_operations(found)
    assert found.multiplications == {"8×8": 36 * 27 + 27 * 4, "18×8": 108}
    assert found.mean_bits == {"weights": 8, "activations": 8}
    # 9 · 2^14 and 27 · 2^14 beside the biases
    assert [of_node(found, name)[2] for name in ("conv", "norm", "dense")] == [19, None, 20]
    assert found.accumulator == 20
    live = found.largest_live_set
    assert (live.node, live.sites, live.bits) == ("norm", ("image.output", "norm.output"), 1152)
    assert [site.site for site in found.of_kind("activation")] == [
        *("image.output", "norm.output", "pool.output", "dense.output", "softmax.output")
    ]


@pytest.mark.parametrize("terms", [1, 2, 3, 7, 8, 9, 200])
@pytest.mark.parametrize(("data", "weight"), [(8, 8), (3, 5), (16, 2)])
def test_accumulators_beside_the_rule_of_hls4ml(terms: int, data: int, weight: int) -> None:
    """W_x + W_w + ⌈log2 N⌉ (hls4ml 1.3, infer_precision.py), which has a bit to spare at most."""
    dense = Dense(Parameter("dense.weight", np.ones((terms, 2), np.float32)), None)
    network = chain("dense", [("image", Input((terms,))), ("dense", dense)])
    rule = data + weight + ceil(log2(terms))
    for signed in (True, False):
        found = cost(
            network,
            with_sites(
                plan_of(network),
                image__output=Quantizer(FixedFormat(signed, data, 0)),
                dense__weight=Quantizer(FixedFormat(True, weight, 0)),
            ),
        )
        exact = terms * (1 << data - 1 if signed else (1 << data) - 1) << weight - 1
        assert found.accumulator == word_length_between(-exact, exact if signed else 0)
        assert rule - 1 <= found.accumulator <= rule


def test_a_lost_product_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The canary of the test above."""
    monkeypatch.setitem(work._rules, ScaleOffset, lambda instruction, reading: Work())
    with pytest.raises(AssertionError):
        test_a_convolutional_network_by_hand()


def test_word_lengths_differ_by_site() -> None:
    network = convolutional()
    plan = plan_of(network)
    three, five = Quantizer(FixedFormat(True, 3, 1)), Quantizer(FixedFormat(False, 5, 4))
    found = cost(network, with_sites(plan, conv__weight=three, norm__output=five, pool__output=Word.EXACT))
    assert found.named["weight-bits"] == 8 * (3 + 3 + 3 + 27 * 4 + 4) + 3 * 27
    assert found.mean_bits["weights"] == (3 * 27 + 8 * 108) / 135
    # The image, the five-bit maps, and 4 numbers each of dense and softmax; an EXACT output isn't rounded.
    assert found.mean_bits["activations"] == (8 * 36 + 5 * 108 + 8 * 4 + 8 * 4) / (36 + 108 + 4 + 4)
    assert found.multiplications == {"8×3": 36 * 27, "13×8": 108, "5×8": 27 * 4}
    assert found.largest_live_set.bits == 8 * 36 + 5 * 108


def test_the_named_costs_follow_the_words_as_they_should() -> None:
    """28 bits don't fit one multiplier; products of fewer than 9 bits take none."""
    network = convolutional()
    assert cost(network, plan_of(network, 12)).named["dsp"] == 27 + 3 + 108
    assert cost(network, plan_of(network, 4)).named["dsp"] == 3  # of a sum and a scale
    wide = with_sites(plan_of(network, 12), norm__scale=Quantizer(FixedFormat(True, 28, 20)))
    assert cost(network, wide).named["dsp"] == 27 + 3 * 4 + 108  # both operands are cut in two


def test_formats_a_channel() -> None:
    network = convolutional()
    words = tuple(Quantizer(FixedFormat(True, length, 2)) for length in (4, 4, 8))
    found = cost(network, with_sites(plan_of(network), conv__weight=words))
    assert found.by_site["conv.weight"].bits == 9 * (4 + 4 + 8)
    assert found.multiplications["8×4"] == 36 * 18
    assert found.multiplications["8×8"] == 36 * 9 + 108
    assert sum(products.dsps for products in of_node(found, "conv")[0]) == 18 + 9


def test_depthwise_products() -> None:
    weight = Parameter("conv.weight", np.ones((3, 3, 1, 8), np.float32))
    convolution = Convolution(weight, None, (1, 1), ((0, 0), (0, 0)), (1, 1), 8)
    network = chain("depthwise", [("image", Input((5, 5, 8))), ("conv", convolution)])
    found = cost(network, plan_of(network))
    assert of_node(found, "conv")[0] == (Products(found.nodes[1].macs[0].data, found.nodes[1].macs[0].factor, 72, 9),)
    assert found.named["dsp"] == 72


def test_a_shared_weight_is_stored_once_and_multiplied_twice() -> None:
    weight = Parameter("first.weight", np.ones((4, 4), np.float32))
    layers = [("image", Input((4,))), ("first", Dense(weight, None)), ("second", Dense(weight, None))]
    network = chain("shared", layers)
    found = cost(network, plan_of(network))
    assert found.named["weight-bits"] == 8 * 16
    assert found.multiplications == {"8×8": 32}


def test_a_value_lives_until_it_is_read_last() -> None:
    """The residual: the image waits for the sum while both dense layers are computed."""
    builder = NetworkBuilder("residual")
    image = builder.add("image", Input((4,)))
    first = builder.add("first", Dense(Parameter("first.weight", np.ones((4, 10), np.float32)), None), image)
    second = builder.add("second", Dense(Parameter("second.weight", np.ones((10, 4), np.float32)), None), first)
    network = builder.finish(builder.add("relu", ReLU(), builder.add("add", Add(), second, image)))
    found = cost(network, plan_of(network))
    assert [(live.node, live.bits // 8) for live in found.live_sets] == [
        ("image", 4),
        ("first", 4 + 10),
        ("second", 4 + 10 + 4),
        ("relu", 4 + 4 + 4),
    ]
    assert found.named["activation-bits"] == 8 * 18


def test_tables() -> None:
    """A sigmoid of 6-bit codes in 5 bits; a softmax of 4 five-bit numbers."""
    network = convolutional(ends="sigmoid")
    plan = plan_of(network)
    five = Quantizer(FixedFormat(False, 5, 5))
    plan = with_sites(plan, dense__output=Quantizer(FixedFormat(True, 6, 4)), sigmoid__output=five)
    assert cost(network, plan).named["table-bits"] == 64 * 5
    network = convolutional()
    unsigned: dict[str, Spec] = {
        "softmax__exp": Quantizer(FixedFormat(False, 7, 7)),
        "softmax__sum": Quantizer(FixedFormat(False, 9, 7)),
        "softmax__reciprocal": Quantizer(FixedFormat(False, 6, 5)),
        "softmax__difference": Word.EXACT,
        "dense__output": Quantizer(FixedFormat(True, 5, 2)),
    }
    found = cost(network, with_sites(plan_of(network, softmax="table"), **unsigned))
    # The difference of two signed five-bit numbers has five bits without a sign.
    assert [(site.site, site.words, site.word_length) for site in found.of_kind("table")] == [
        ("softmax.exp table", 32, 7),
        ("softmax.reciprocal table", 512, 6),
    ]
    assert found.multiplications["7×6"] == 4
    assert of_node(found, "softmax")[2] == 9


def test_what_is_not_counted_is_said() -> None:
    network = convolutional()
    assert "softmax: its exact form has no hardware" in str(cost(network, plan_of(network)))
    raw = cost(network, plan_of(network, batch_norm="raw"))
    assert "norm: raw batch norm has a square root" in str(raw)
    assert of_node(raw, "norm")[:2] == ((), ())
    assert raw.named["table-bits"] == 0
    wide = network_of_sigmoid()
    assert "sigmoid: a function of 17-bit codes" in str(cost(wide, plan_of(wide, 17)))


def network_of_sigmoid() -> Network:
    return chain("sigmoid", [("image", Input((4,))), ("sigmoid", Pointwise(Sigmoid()))])


def test_exact_and_guard_words() -> None:
    """EXACT weights take what holds them all; GUARD 16 bits more."""
    weight = Parameter("dense.weight", np.array([[0.5, -1.25], [0.25, 0]], np.float32))
    network = chain("dense", [("image", Input((2,))), ("dense", Dense(weight, None))])
    found = cost(network, with_sites(plan_of(network), dense__weight=Word.EXACT, dense__output=Guard(BYTES)))
    assert found.by_site["dense.weight"].word_length == 4  # −5 … 2 quarters
    assert found.by_site["dense.output"].word_length == 24
    assert found.mean_bits == {"weights": 4, "activations": (8 + 24) / 2}


def test_unbounded_words_are_counted_as_they_are_named() -> None:
    network = convolutional()
    plan = uniform_plan(network, 8, 6, overflow=Overflow.UNBOUNDED, options=PlanOptions())
    found = cost(network, plan)
    assert found.named == cost(network, plan_of(network)).named
    assert found.unbounded == sum(isinstance(spec, Quantizer) for spec in plan.sites.values())
    assert f"{found.unbounded} sites of the plan are UNBOUNDED" in str(found)


def test_no_weight_counts() -> None:
    """The same formats, other weights: the same cost."""
    first, second = convolutional(0), convolutional(1)
    assert cost(first, plan_of(first)).named == cost(second, plan_of(second)).named


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_operator_has_a_cost_that_longer_words_never_lower(case: Case) -> None:
    for options in (PlanOptions(), STUDY_OPTIONS, PlanOptions(softmax="table", layer_norm="table")):
        short, long = (uniform_plan(case.network, length, 5, options=options) for length in (7, 9))
        first, second = cost(case.network, short), cost(case.network, long)
        assert all(first.named[name] <= second.named[name] for name in COSTS)
        assert json.loads(json.dumps(first.to_json()))["cost"] == first.named
        assert str(first)
        assert first.to_frame() is not None


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_stored_is_what_the_c_export_stores(case: Case) -> None:
    plan = uniform_plan(case.network, 8, 5, options=PlanOptions())
    program = lower_network(case.network, plan)
    stored = {program.steps[0].name, *(group.last.name for group in grouped(program).groups)}
    found = {program.by_name[name].site or name for name in stored}
    assert {site.site for site in cost(case.network, plan).of_kind("activation")} >= found


def test_bad_input() -> None:
    network = convolutional()
    plan = plan_of(network)
    with pytest.raises(PlanError, match=r"site softmax\.output is FLOAT, and float32 has no cost"):
        cost(network, with_sites(plan, softmax__output=Word.FLOAT))
    with pytest.raises(PlanError, match="was made for another network"):
        cost(convolutional(1), plan)
    with pytest.raises(BittrueError, match="no cost 'energy': choose one of weight-bits, activation-bits"):
        cost_named("energy")


def test_a_cost_of_ones_own() -> None:
    """What a function of a plan's cost needs to have a name."""
    network = convolutional(ends="logits")
    try:

        @named_cost("widest", "widest", "the longest word")
        def _(found: Cost) -> int:
            return max(site.word_length for site in found.sites)

        assert cost_named("widest").of(cost(network, plan_of(network))) == 20
        with pytest.raises(TypeError, match="a cost 'widest' already"):
            named_cost("widest", "", "")(lambda found: 0)
    finally:
        del COSTS["widest"]
