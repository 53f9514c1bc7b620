"""Shape rules, against the shapes that NumPy's loops make, and the errors where shapes don't fit."""

import numpy as np
import pytest

from bittrue.errors import ModelError
from bittrue.network import Operator, Parameter, shape_of
from bittrue.operators import (
    Add,
    AveragePooling,
    BatchNormalization,
    Concatenate,
    Convolution,
    Dense,
    GlobalAveragePooling,
    GlobalMaxPooling,
    MaxPooling,
    Reshape,
    Softmax,
    ZeroPadding,
)
from bittrue.operators.windows import window_counts, window_shape
from bittrue.shapes import Shape
from cases import CASES, Case, inputs_of
from float64_network import evaluate


def parameter(*shape: int) -> Parameter:
    return Parameter("p", np.ones(shape, np.float32))


def convolution(*shape: int, strides: Shape = (1, 1), groups: int = 1) -> Convolution:
    zeros = ((0, 0),) * len(strides)
    return Convolution(parameter(*shape), None, strides, zeros, (1,) * len(strides), groups)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_shapes_are_those_of_the_values(case: Case) -> None:
    values = evaluate(case.network, inputs_of(case)[0])
    for node in case.network.nodes:
        assert values[node.name].shape == node.shape


@pytest.mark.parametrize(
    ("operator", "shapes", "message"),
    [
        (convolution(3, 3, 2, 4), [(5, 5, 3)], "a weight of 3×3×2×4 in 1 groups doesn't fit an input of 5×5×3"),
        (convolution(3, 3, 2, 3, groups=2), [(5, 5, 4)], "in 2 groups doesn't fit"),
        (convolution(3, 3, 2, 4), [(2, 5, 2)], "a window of 3×3 doesn't fit into an input of 2×5"),
        (convolution(3, 3, 2, 4), [(5, 2)], "a window of 3×3 can't move over an input of 5"),
        (convolution(3, 2, 4, strides=(1,)), [(5, 5, 2)], "a window of 3 can't move over an input of 5×5"),
        (Dense(parameter(3, 2), None), [(4,)], "a weight of 3×2 doesn't fit an input of 4"),
        (BatchNormalization(None, None, parameter(3), parameter(3), 0.1), [(2, 4)], "parameters of 3 don't fit"),
        (BatchNormalization(None, None, parameter(3), parameter(2), 0.1), [(2, 3)], "parameters of 3 don't fit"),
        (BatchNormalization(None, None, parameter(3), parameter(3), 0.1), [()], "an input of scalar"),
        (Softmax(), [()], "softmax needs an axis"),
        (MaxPooling((3, 3), (1, 1), ((0, 0), (0, 0))), [(2, 3, 1)], "doesn't fit into an input of 2×3"),
        (MaxPooling((2,), (2,), ((2, 0),)), [(4, 1)], "a window of 2 lies in the padding alone"),
        (AveragePooling((2,), (2,), ((0, 2),)), [(4, 1)], "a window of 2 lies in the padding alone"),
        (GlobalMaxPooling(), [(4,)], "an input of 4 has no spatial axes to pool over"),
        (GlobalAveragePooling(), [(4,)], "an input of 4 has no spatial axes to pool over"),
        (Add(), [(2, 3), (3, 2)], "2×3 and 3×2 can't be added"),
        (Concatenate(0), [(2, 3), (2, 4)], "2×3 and 2×4 can't be concatenated along axis 0"),
        (Concatenate(2), [(2, 3), (2, 3)], "can't be concatenated along axis 2"),
        (Concatenate(-1), [(2, 3), (2, 3)], "can't be concatenated along axis -1"),
        (Reshape((4,)), [(2, 3)], "2×3 can't be reshaped to 4"),
        (ZeroPadding(((1, 1),)), [(2, 3, 1)], "padding of 1 axes doesn't fit an input of 2×3×1"),
    ],
)
def test_shapes_that_do_not_fit_are_refused(operator: Operator, shapes: list[Shape], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        shape_of[type(operator)](operator, tuple(shapes))


def test_padding_that_counts_may_fill_a_window() -> None:
    operator = AveragePooling((2,), (2,), ((0, 2),), count_include_pad=True)
    assert shape_of[AveragePooling](operator, ((4, 1),)) == (3, 1)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("reach", [1, 2, 3, 5])
@pytest.mark.parametrize("padding", [(0, 0), (1, 0), (0, 2), (2, 1)])
def test_window_counts_are_those_of_a_slid_window_of_ones(stride: int, reach: int, padding: tuple[int, int]) -> None:
    """B10: the count of each window is of the positions inside the input."""
    shape, window, strides, paddings = (5, 7), (reach, 2), (stride, 2), (padding, (1, 0))
    ones = np.pad(np.ones(shape, np.int64), paddings)
    positions = window_shape(shape, window, strides, paddings, (1, 1))
    slid = np.lib.stride_tricks.sliding_window_view(ones, window)[::stride, ::2]
    assert slid.shape[:2] == positions
    np.testing.assert_array_equal(window_counts(shape, window, strides, paddings, (1, 1)), slid.sum(axis=(2, 3)))
