"""A QONNX file that is read back is the same network and plan, and in any case computes the same codes."""

import numpy as np
import onnx
import pytest

from bittrue.errors import BittrueError
from bittrue.exports.job import Job
from bittrue.exports.qonnx.target import qonnx_bytes, qonnx_graph
from bittrue.frontends import load_with_plan
from bittrue.lowering import lower_network
from bittrue.network import Network
from bittrue.plan import Plan, PlanOptions, uniform_plan
from bittrue.program import FixedNetwork
from cases import CASES, Case, inputs_of
from exports.qonnx.sweep import outputs_of
from plans import PLANNED, Planned

THE_SAME = (
    *("conv", "conv-strides", "conv-dilation", "conv-groups", "conv-depthwise", "conv-asymmetric", "conv-no-bias"),
    *("conv1d", "conv1d-groups", "dense", "dense-rank-3", "dense-no-bias", "relu", "prelu", "max-pooling"),
    *("max-pooling-1d", "average-pooling", "average-pooling-padded", "average-pooling-counts", "global-average"),
    *("global-maximum", "add", "add-to-itself", "multiply", "maximum", "minimum-broadcast", "scale", "take", "pad"),
    *("zero-padding", "shared", "upsampling-nearest"),
)
"""Cases of which nothing is lost in a file."""


def read_back(case: Case, plan: Plan) -> tuple[FixedNetwork, Network, Plan]:
    """The program that was written, and what its file is read as. Raises: BittrueError where QONNX can't have it, or it
    isn't read."""
    program = lower_network(case.network, plan)
    model = onnx.ModelProto()
    model.ParseFromString(qonnx_bytes(qonnx_graph(Job(case.network, plan, program, None))))
    onnx.checker.check_model(model)
    return program, *load_with_plan(model)


OFTEN = 31
"""Of so many planned cases one is read back here; most cases have 37 plans, of which each must have its turn."""


@pytest.mark.parametrize("name", THE_SAME)
def test_network_and_plan_have_the_same_hashes(name: str) -> None:
    case = next(case for case in CASES if case.name == name)
    plan = uniform_plan(case.network, 8, 4, options=PlanOptions(batch_norm="raw", rounding_points="every-node"))
    _, network, read = read_back(case, plan)
    assert network.text == case.network.text
    assert network.hash == case.network.hash
    assert read.hash == plan.hash


@pytest.mark.parametrize("planned", PLANNED[::OFTEN], ids=lambda planned: planned.id)
def test_what_is_read_back_computes_the_same_codes(planned: Planned) -> None:
    try:
        program, network, plan = read_back(planned.case, planned.plan)
    except BittrueError:
        return  # how many, the next test says
    x = inputs_of(planned.case)
    there, back = outputs_of(program, x), outputs_of(lower_network(network, plan), x)
    if not program.by_name[program.output].type.shape:  # the file is of one image: a number is read as a row of one
        back = back.reshape(there.shape)
    np.testing.assert_array_equal(there, back)


def test_enough_of_them_are_read_back() -> None:
    """Most plans of the cases have modes or words that QONNX lacks."""
    found = 0
    for planned in PLANNED[::OFTEN]:
        try:
            read_back(planned.case, planned.plan)
            found += 1
        except BittrueError:
            pass
    assert found >= len(PLANNED[::OFTEN]) // 6
