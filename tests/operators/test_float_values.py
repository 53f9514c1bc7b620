"""Float values against NumPy in float64, to what float32's roundings can add up to."""

import numpy as np
import pytest
import torch

from bittrue.network import Operator
from bittrue.operators import (
    AveragePooling,
    Concatenate,
    Flatten,
    GlobalAveragePooling,
    GlobalMaxPooling,
    Identity,
    MaxPooling,
    Pointwise,
    ReLU,
    Reshape,
    Softmax,
    ZeroPadding,
    ends_in_probabilities,
    pooling,
)
from bittrue.operators.float_value import float_value
from bittrue.program.functions import Sigmoid, Tanh
from bittrue.simulation.float_model import FloatModel
from cases import CASES, POSITIVE_CASES, Case, Draft, inputs_of
from float64_network import error_bounds, evaluate

BY_NAME = {case.name: case for case in CASES}

FLOAT32_UNIT = 2.0**-24
"""Half a unit in the last place of 1: what one float32 rounding adds, relative to the number."""


def float_values(case: Case, images: np.ndarray) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    FloatModel(case.network).run(images, lambda name, value: found.update({name: value.numpy().copy()}))
    return found


@pytest.mark.parametrize("case", [*CASES, *POSITIVE_CASES], ids=lambda case: case.name)
def test_float_values_are_numpys_to_the_roundings_of_float32(case: Case) -> None:
    """The bound for numbers that are each off by half a unit in the last place of the largest, which counts a rounding
    for each term of a sum; four times that, since a function (exp, a root, a quotient) rounds a few times itself."""
    images = np.random.default_rng(3).standard_normal((3, *case.shape)).astype(np.float32)
    got = float_values(case, images)
    for index, image in enumerate(images):
        expected = evaluate(case.network, image)
        largest = max(float(np.abs(value).max()) for value in expected.values())
        bounds = error_bounds(case.network, expected, max(largest, 1.0) * FLOAT32_UNIT)
        for node in case.network.nodes:
            assert got[node.name][index].shape == node.shape
            error = float(np.abs(got[node.name][index].astype(np.float64) - expected[node.name]).max())
            assert error <= 4 * bounds[node.name], node


def test_a_padding_that_an_average_counts_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pooling, "_divisors", lambda operator, spatial: np.full((2, 5), 6))
    with pytest.raises(AssertionError):
        test_float_values_are_numpys_to_the_roundings_of_float32(BY_NAME["average-pooling-padded"])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_float_values_change_neither_their_inputs_nor_their_parameters(case: Case) -> None:
    model = FloatModel(case.network)
    images = inputs_of(case)
    before, network_hash = images.copy(), case.network.hash
    kept: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    model.run(images, lambda name, value: kept.update({name: (value, value.clone())}))
    assert all(torch.equal(value, copy) for value, copy in kept.values())
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(model.run(images), model.run(images))
    assert "hash" in vars(case.network)
    assert network_hash == type(case.network)(case.network.name, case.network.nodes, case.network.output).hash


@pytest.mark.parametrize(
    ("operator", "expected"),
    [
        (ReLU(), [0, 0, 0, 0.5, 1, 4]),
        (ReLU(max_value=1), [0, 0, 0, 0.5, 1, 1]),
        (ReLU(negative_slope=0.5), [-1, -0.25, 0, 0.5, 1, 4]),
        (ReLU(threshold=1), [0, 0, 0, 0, 1, 4]),
        (ReLU(threshold=1, negative_slope=0.5), [-1.5, -0.75, -0.5, -0.25, 1, 4]),
        (ReLU(threshold=-0.5, negative_slope=2, max_value=0.75), [-3, -0.5, 0, 0.5, 0.75, 0.75]),
    ],
)
def test_relu_as_keras_defines_it(operator: ReLU, expected: list[float]) -> None:
    x = torch.tensor([-2.0, -0.5, 0.0, 0.5, 1.0, 4.0])
    assert float_value[ReLU](operator)(x).tolist() == expected


@pytest.mark.parametrize(
    ("name", "probabilities"),
    [("whole", True), ("softmax", True), ("sigmoid", True), ("tanh", False), ("dense", False), ("flatten", False)],
)
def test_which_networks_end_in_probabilities(name: str, probabilities: bool) -> None:
    assert ends_in_probabilities(BY_NAME[name].network) is probabilities


@pytest.mark.parametrize("activation", [Softmax(), Pointwise(Tanh())])
@pytest.mark.parametrize(
    "operator",
    [
        Identity(),
        Flatten(),
        Reshape((12, 3)),
        ZeroPadding(((1, 1), (0, 0))),
        MaxPooling((2, 2), (2, 2), ((0, 0), (0, 0))),
        AveragePooling((2, 2), (2, 2), ((0, 0), (0, 0))),
        GlobalMaxPooling(),
        GlobalAveragePooling(),
    ],
    ids=lambda operator: type(operator).__name__,
)
def test_probabilities_are_seen_through_what_moves_chooses_or_averages_them(
    operator: Operator, activation: Operator
) -> None:
    def build(draft: Draft) -> None:
        draft.add("activation", activation)
        draft.add("last", operator)

    assert ends_in_probabilities(Case("", (4, 3, 3), build).network) is isinstance(activation, Softmax)


@pytest.mark.parametrize(("second", "expected"), [(Pointwise(Sigmoid()), True), (Pointwise(Tanh()), False)])
def test_a_concatenation_is_of_probabilities_where_all_its_parts_are(second: Operator, expected: bool) -> None:
    def build(draft: Draft) -> None:
        draft.add("first", Softmax(), "image")
        draft.add("second", second, "image")
        draft.add("last", Concatenate(0), "first", "second")

    assert ends_in_probabilities(Case("", (3,), build).network) is expected
