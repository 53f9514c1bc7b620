"""Sites and their names (B5), and the groups of fused rounding points (B12)."""

from collections.abc import Callable

import pytest

from bittrue.network import Network
from bittrue.operators import Add, AveragePooling, Concatenate, Flatten, Identity, MaxPooling, Pointwise, ReLU, Softmax
from bittrue.plan import Guard, PlanOptions, Word, group_inner_nodes, sites_of, uniform_plan
from bittrue.program.functions import Sigmoid
from cases import CASES, Case, Draft

BY_NAME = {case.name: case for case in CASES}
AFFINE, RAW, TABLE = PlanOptions(), PlanOptions(batch_norm="raw"), PlanOptions(softmax="table")
NORM_TABLE = PlanOptions(layer_norm="table")


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("dense", AFFINE, "image.output dense.output dense.weight dense.bias dense.accumulator"),
        ("conv-no-bias", AFFINE, "image.output conv.output conv.weight conv.accumulator"),
        ("norm", AFFINE, "image.output norm.output norm.scale norm.offset"),
        ("norm", RAW, "image.output norm.output norm.gamma norm.beta norm.mean norm.variance"),
        ("norm-no-gamma", RAW, "image.output norm.output norm.beta norm.mean norm.variance"),
        ("norm-neither", RAW, "image.output norm.output norm.mean norm.variance"),
        ("norm-neither", AFFINE, "image.output norm.output norm.scale norm.offset"),
        ("relu-alone", AFFINE, "image.output node.output"),
        (
            "softmax-rank-3",
            TABLE,
            "image.output node.output node.difference node.exp node.sum node.reciprocal",
        ),
        ("softmax-rank-3", AFFINE, "image.output node.output"),
        ("layer-norm", AFFINE, "image.output node.output node.gamma node.beta"),
        (
            "layer-norm",
            NORM_TABLE,
            "image.output node.output node.mean node.difference node.variance node.reciprocal_root node.normalized "
            "node.gamma node.beta",
        ),
        (
            "layer-norm-neither",
            NORM_TABLE,
            "image.output node.output node.mean node.difference node.variance node.reciprocal_root",
        ),
        ("global-average", AFFINE, "image.output node.output node.accumulator"),
        (
            "shared",
            AFFINE,
            "image.output dense.output dense.weight dense.bias dense.accumulator relu.output dense_2.output "
            "dense_2.accumulator",
        ),
    ],
)
def test_the_sites_of_a_network(name: str, options: PlanOptions, expected: str) -> None:
    assert list(sites_of(BY_NAME[name].network, options)) == expected.split()


def test_the_numbers_of_an_activation_are_sites() -> None:
    found = sites_of(BY_NAME["relu-all"].network, AFFINE)
    numbers = {site.role: site.values for site in found.values() if site.node == "node" and site.role != "output"}
    assert {role: None if values is None else values.tolist() for role, values in numbers.items()} == {
        "slope": [0.375],
        "bound": [1.5],
        "threshold": [0.25],
    }


def test_what_a_site_can_have() -> None:
    found = sites_of(BY_NAME["whole"].network, TABLE)
    assert {name for name, site in found.items() if not site.finite} == {
        *("image.output", "norm.scale", "norm.offset", "softmax.output", "softmax.exp", "softmax.reciprocal")
    }
    assert {name: site.channels for name, site in found.items() if site.channels} == {
        "conv.weight": 4,
        "dense.weight": 5,
    }
    assert found["softmax.difference"].span_of == "dense.output"
    assert found["softmax.sum"].bounds == (0.0, 5.0)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("options", [AFFINE, RAW, TABLE], ids=["affine", "raw", "table"])
def test_every_node_has_an_output_site_and_names_follow_their_node(case: Case, options: PlanOptions) -> None:
    found = sites_of(case.network, options)
    for node in case.network.nodes:
        assert f"{node.name}.output" in found
    for name, site in found.items():
        assert name == site.name
        assert name.endswith(f".{site.role}")
        assert site.node in case.network.by_name


# Groups


def network(extend: Callable[[Draft], object], shape: tuple[int, ...] = (4, 4, 2)) -> Network:
    draft = Draft("groups", shape)
    extend(draft)
    return draft.finish()


def _conv(draft: Draft, name: str = "conv", *inputs: str) -> str:
    return draft.convolution(name, (1, 1), 2, *inputs)


def _in_order(*layers: str) -> Callable[[Draft], None]:
    kinds = {
        "relu": ReLU(),
        "leaky": ReLU(negative_slope=0.25),
        "identity": Identity(),
        "pool": MaxPooling((2, 2), (2, 2), ((0, 0), (0, 0))),
        "average": AveragePooling((2, 2), (2, 2), ((0, 0), (0, 0))),
        "sigmoid": Pointwise(Sigmoid()),
        "softmax": Softmax(),
        "flatten": Flatten(),
    }

    def extend(draft: Draft) -> None:
        for layer in layers:
            if layer == "norm":
                draft.norm(layer)
            elif layer == "conv":
                _conv(draft)
            elif layer == "dense":
                draft.dense(layer, 3)
            else:
                draft.add(layer, kinds[layer])

    return extend


def _two_consumers(draft: Draft) -> None:
    conv = _conv(draft)
    draft.norm("norm")
    relu = draft.add("relu", ReLU())
    draft.add("add", Add(), conv, relu)
    draft.add("relu_2", ReLU())


def _consumers_after_the_group(draft: Draft) -> None:
    _conv(draft)
    draft.norm("norm")
    relu = draft.add("relu", ReLU())
    second = _conv(draft, "conv2", relu)
    draft.add("add", Add(), relu, second)
    draft.norm("norm2")


def _twice_the_same(draft: Draft) -> None:
    conv = _conv(draft)
    draft.add("add", Add(), conv, conv)


def _concatenated(draft: Draft) -> None:
    source = draft.last
    first = _conv(draft, "conv", source)
    draft.add("join", Concatenate(2), first, source)
    draft.norm("norm")


@pytest.mark.parametrize(
    ("extend", "inner"),
    [
        (_in_order("conv", "norm", "relu"), "conv norm"),
        (_in_order("conv", "relu", "norm"), "conv relu"),
        (_in_order("conv", "leaky", "norm", "relu"), "conv leaky norm"),
        (_in_order("flatten", "dense", "relu"), "dense"),
        (_in_order("conv"), ""),
        (_in_order("norm", "relu"), ""),  # no group without a sum that starts it
        (_in_order("conv", "norm", "pool", "relu"), "conv"),  # a maximum stands between
        (_in_order("conv", "identity", "relu"), ""),
        (_in_order("conv", "norm", "sigmoid"), "conv"),  # rounded before a table
        (_in_order("flatten", "dense", "softmax"), ""),
        (_in_order("conv", "relu", "average"), "conv"),
        (_two_consumers, "add"),  # conv is read twice, so its group ends there, and norm and relu join none
        (_consumers_after_the_group, "conv norm add"),
        (_twice_the_same, ""),
        (_concatenated, ""),
    ],
)
def test_fused_groups(extend: Callable[[Draft], None], inner: str) -> None:
    assert group_inner_nodes(network(extend)) == frozenset(inner.split())


def test_a_group_is_rounded_once_at_its_end() -> None:
    plan = uniform_plan(network(_in_order("conv", "norm", "relu", "pool")), 8, 4, options=PlanOptions())
    own = plan.sites["relu.output"]
    assert [plan.sites[f"{name}.output"] for name in ("conv", "norm", "pool")] == [Word.EXACT] * 3
    assert own == plan.sites["image.output"]


def test_raw_batch_norm_inside_a_group_is_guarded() -> None:
    plan = uniform_plan(network(_in_order("conv", "norm", "relu")), 8, 4, options=RAW)
    guard = plan.sites["norm.output"]
    assert isinstance(guard, Guard)
    assert guard.own == plan.sites["relu.output"]
    assert guard.quantizer.format.fraction_bits == 4 + 16
    assert plan.sites["conv.output"] is Word.EXACT


def test_every_node_is_a_rounding_point_where_the_plan_says_so() -> None:
    plan = uniform_plan(network(_in_order("conv", "norm", "relu", "pool")), 8, 4)
    assert len({plan.sites[f"{name}.output"] for name in ("image", "conv", "norm", "relu", "pool")}) == 1
