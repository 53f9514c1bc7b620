"""FLOAT (B5): computed in float32 from float32 inputs; a later quantizer takes that float32 as an exact number."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from bittrue.errors import FormatError
from bittrue.fixed import FixedFormat, Quantizer
from bittrue.lowering import lower_network
from bittrue.operators.float_value import float_value
from bittrue.plan import STUDY_OPTIONS, Override, PlanOptions, sites_of, study_plan, uniform_plan
from bittrue.program import Bypass, FixedNetwork
from bittrue.simulation.float_model import FloatModel
from bittrue.simulation.simulator import Simulator, is_exact, prove
from cases import CASES, Case, inputs_of
from plans import AFFINE_EVERY_NODE, QUANTIZED, TABLE
from simulation.comparison import Seen, define, first_difference, simulate

BY_NAME = {case.name: case for case in CASES}
FLOAT_QUANTIZER = Quantizer(FixedFormat(True, 8, 4))
OPTIONS = (AFFINE_EVERY_NODE, PlanOptions(batch_norm="raw"), QUANTIZED, TABLE)
SITES = [
    ("whole", "conv.output"),
    ("whole", "conv.weight"),
    ("whole", "norm.output"),
    ("whole", "relu.output"),
    ("whole", "pool.output"),
    ("whole", "dense.bias"),
    ("whole", "softmax.output"),
    ("whole", "image.output"),
    ("residual", "relu1.output"),
    ("residual", "add.output"),
    ("residual", "norm2.output"),
    ("shared", "dense.weight"),
    ("relu-all", "node.slope"),
    ("relu-all", "node.bound"),
    ("sigmoid", "dense.output"),
    ("global-average", "node.output"),
    ("concatenate-columns", "second.output"),
    ("reshape", "dense.output"),
    ("zero-padding", "dense.output"),
]


def float_values(program: FixedNetwork, seen: Seen, images: int) -> list[dict[str, Sequence[float]]]:
    """For each image the float32 values, before a quantizer, of the steps that FLOAT computes: the operator's float
    value of what the simulation passed to it, the codes converted to float32."""
    found: list[dict[str, Sequence[float]]] = [{} for _ in range(images)]
    for step in program.steps:
        if not isinstance(step.instruction, Bypass) or step.type.is_float:
            continue
        operands = []
        for name in step.inputs:
            fraction_bits, rows = seen[name]
            values = np.array(rows, np.float64) * (1 if fraction_bits is None else 2.0**-fraction_bits)
            shape = (images, *program.by_name[name].type.shape)
            operands.append(torch.from_numpy(values.astype(np.float32).reshape(shape)))
        operator = step.instruction.operator
        result = float_value[type(operator)](operator)(*operands).flatten(1).tolist()
        for image, row in enumerate(result):
            found[image][step.name] = row
    return found


@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: "-".join(options.to_json().values()))
@pytest.mark.parametrize(("name", "site"), SITES, ids=lambda text: text)
def test_what_follows_a_float_site_has_the_bits_of_the_definition(name: str, site: str, options: PlanOptions) -> None:
    case = BY_NAME[name]
    plan = uniform_plan(case.network, 9, 5, options=options, overrides=[Override(site, "FLOAT")])
    program = lower_network(case.network, plan)
    x = inputs_of(case)
    result, seen = simulate(Simulator(program), x)
    given = float_values(program, seen, len(x))
    assert first_difference(program, result, seen, define(program, x, given)) is None
    assert not is_exact(program)
    assert not all(layer.exact for layer in prove(program, result.peaks))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_float_everywhere_is_the_float_network(case: Case) -> None:
    """With the operators' own float values and the same batch, so to the last bit."""
    found = sites_of(case.network, STUDY_OPTIONS).values()
    overrides = [Override(site.name, "FLOAT") for site in found if site.role != "accumulator"]
    plan = study_plan(case.network, 8, overrides=overrides)
    x = inputs_of(case)
    got = Simulator(lower_network(case.network, plan)).run(x).outputs
    np.testing.assert_array_equal(got, FloatModel(case.network).run(x).astype(np.float64))


def test_a_value_taken_with_one_bit_too_few_is_noticed() -> None:
    case = BY_NAME["residual"]
    plan = uniform_plan(case.network, 9, 5, options=AFFINE_EVERY_NODE, overrides=[Override("relu1.output", "FLOAT")])
    program = lower_network(case.network, plan)
    x = inputs_of(case)
    result, seen = simulate(Simulator(program), x)
    given = float_values(program, seen, len(x))
    name = next(iter(given[0]))
    given[0] = {**given[0], name: [value + 2.0**-5 for value in given[0][name]]}
    assert first_difference(program, result, seen, define(program, x, given)) is not None


def test_infinity_computed_in_float_names_its_site() -> None:
    """The product of the largest weight and input overflows float32."""
    case = BY_NAME["dense"]
    overrides = [Override("dense.output", "FLOAT"), Override("image.output", "ap_fixed<8,131>")]
    plan = uniform_plan(case.network, 8, 4, overrides=[*overrides])
    program = lower_network(case.network, plan)
    after = replace(program.steps[-1], quantizer=FLOAT_QUANTIZER, type=replace(program.steps[-1].type, fraction_bits=4))
    x = np.full((1, 7), 3e38, np.float32)
    with pytest.raises(FormatError, match=r"^site dense\.output: NaN and infinity"):
        Simulator(replace(program, steps=(*program.steps[:-1], after))).run(x)
    with pytest.raises(FormatError, match=r"^the input: NaN and infinity"):
        Simulator(program).run(np.full((1, 7), np.inf, np.float32))
