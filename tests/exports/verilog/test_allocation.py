"""Multipliers shared out: no other way has a faster slowest layer, and each engine is worth what it takes."""

from itertools import product

import pytest

from bittrue.exports.verilog.allocation import engines_of_layers, layers_of, shared_out
from bittrue.exports.verilog.layer import Layer
from bittrue.exports.verilog.options import VerilogOptions
from bittrue.fixed import FixedFormat, Overflow, Quantizer
from bittrue.plan import Plan, PlanOptions, uniform_plan
from bittrue.program import grouped
from cases import CASES, Case
from exports.verilog.sweep import job_of

BY_NAME = {case.name: case for case in CASES}


def plan_of(case: Case, **sites: Quantizer) -> Plan:
    options = PlanOptions(batch_norm="affine", rounding_points="fused", softmax="table")
    made = uniform_plan(case.network, 8, 4, options=options)
    return Plan(made.network, made.options, {**made.sites, **{k.replace("__", "."): v for k, v in sites.items()}})


def layers(name: str) -> dict[str, Layer]:
    program = job_of(BY_NAME[name], plan_of(BY_NAME[name])).program
    return layers_of(program, grouped(program))


NAMES = [name for name in ("whole", "residual", "conv-depthwise", "conv-groups", "dense-rank-3") if name in BY_NAME]


@pytest.mark.parametrize("name", NAMES)
def test_the_slowest_layer_is_as_fast_as_it_can_be(name: str) -> None:
    """Beside every way to give the layers so many multipliers in all."""
    found = layers(name)
    each = [range(1, min(layer.engines[-1].multipliers, 24) + 1) for layer in found.values()]
    cycles = {layer: [None, *(layer.cycles(layer.engine(count)) for count in range(1, 25))] for layer in found.values()}
    ways = [
        (sum(counts), max(cycles[layer][count] for layer, count in zip(found.values(), counts, strict=True)))
        for counts in product(*each)
    ]
    for multipliers in range(len(found), 25):
        chosen = shared_out(found, multipliers)
        assert sum(engine.multipliers for engine in chosen.values()) <= multipliers
        slowest = max(found[step].cycles(engine) for step, engine in chosen.items())
        assert slowest == min(slow for taken, slow in ways if taken <= multipliers)


@pytest.mark.parametrize("name", NAMES)
def test_more_multipliers_are_faster_or_not_taken(name: str) -> None:
    for layer in layers(name).values():
        taken = [engine.multipliers for engine in layer.engines]
        cycles = [layer.cycles(engine) for engine in layer.engines]
        assert taken[0] == 1
        assert taken == sorted(set(taken))
        assert cycles == sorted(set(cycles), reverse=True)
        # A code a beat comes in, and one goes out.
        assert cycles[-1] >= max(layer.outputs, layer.inner)


def test_channels_of_a_depthwise_convolution_lie_side_by_side() -> None:
    (layer,) = layers("conv-depthwise").values()
    assert layer.inner == 1
    assert layer.engines[-1].words > 1
    assert layer.cycles(layer.engines[-1]) * 3 < layer.cycles(layer.engines[0])


def test_a_sum_that_is_rounded_on_its_way_has_its_products_one_by_one() -> None:
    case = BY_NAME["conv"]
    short = Quantizer(FixedFormat(True, 12, 4), overflow=Overflow.SATURATE)
    program = job_of(case, plan_of(case, conv__accumulator=short)).program
    (layer,) = layers_of(program, grouped(program)).values()
    assert {engine.terms for engine in layer.engines} == {1}
    (exact,) = layers("conv").values()
    assert max(engine.terms for engine in exact.engines) > 1


def test_given_multipliers_are_beside_those_that_are_shared_out() -> None:
    found = layers("residual")
    first = next(iter(found))
    chosen = engines_of_layers(found, VerilogOptions({first: 4}, multipliers=len(found) - 1))
    assert 1 < chosen[first].multipliers <= 4
    assert all(engine.multipliers == 1 for step, engine in chosen.items() if step != first)
