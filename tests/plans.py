"""The plans under which every case is simulated: each recipe, mode and option, and formats that are hard to carry."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import torch

from bittrue.fixed import Overflow, Rounding
from bittrue.network import Network
from bittrue.operators import (
    AdaptiveAveragePooling,
    AveragePooling,
    Convolution,
    ConvolutionTransposed,
    Dense,
    GlobalAveragePooling,
    LayerNormalization,
    ReduceMean,
    ReduceSum,
    Softmax,
)
from bittrue.plan import (
    STUDY_OPTIONS,
    Override,
    Plan,
    PlanOptions,
    Ranges,
    SiteRange,
    plan_from_ranges,
    sites_of,
    study_plan,
    uniform_plan,
)
from bittrue.simulation.float_model import FloatModel
from cases import CASES, Case

RAW_FUSED = PlanOptions(batch_norm="raw")
AFFINE_EVERY_NODE = PlanOptions(rounding_points="every-node")
TABLE = PlanOptions(softmax="table", rounding_points="every-node")
NORM_TABLE = PlanOptions(layer_norm="table", rounding_points="every-node")
QUANTIZED = PlanOptions(product="quantized", rounding_points="every-node")

ACCUMULATORS = {
    "wrap": "ap_fixed<12,4,AP_TRN,AP_WRAP>",
    "wrap-early": "ap_fixed<6,4,AP_RND,AP_WRAP>",
    "saturate": "ap_fixed<7,3,AP_RND_CONV,AP_SAT>",
    "saturate-exact": "ap_fixed<12,4,AP_TRN,AP_SAT>",
    "truncate": "ap_fixed<7,4,AP_TRN_ZERO,AP_SAT_SYM>",
    "zero": "ap_fixed<6,3,AP_RND_INF,AP_SAT_ZERO>",
    "unbounded": "ap_fixed<6,3> NEAREST_AWAY UNBOUNDED",
    "unsigned-wrap": "ap_ufixed<12,4,AP_TRN,AP_WRAP>",
}


@cache
def ranges_of(case: Case) -> Ranges:
    """What a few random images measure; the hostile ones lie far outside."""
    torch.set_num_threads(1)
    network = case.network
    found: dict[str, SiteRange] = {}

    parts = sites_of(network, NORM_TABLE).values()

    def add(name: str, values: torch.Tensor) -> None:
        found[name] = SiteRange(float(values.min()), float(values.max()), values.numel(), 0, (), ())

    def observe(name: str, values: torch.Tensor) -> None:
        add(f"{name}.output", values)
        for site in parts:
            if site.measure is not None and network.by_name[site.node].inputs[0] == name:
                add(site.name, site.measure(values))

    FloatModel(network).run(np.random.default_rng(7).standard_normal((4, *case.shape)).astype(np.float32), observe)
    return Ranges(network.hash, {}, found)


def exact_outputs(network: Network, options: PlanOptions) -> tuple[Override, ...]:
    """EXACT at every output that has a finite code; averages are left out, whose divisors decide it."""
    averages = (AdaptiveAveragePooling, AveragePooling, GlobalAveragePooling, ReduceMean)
    return tuple(
        Override(site.name, "EXACT")
        for site in sites_of(network, options).values()
        if site.role == "output" and site.finite and not isinstance(network.by_name[site.node].operator, averages)
    )


@dataclass(frozen=True)
class Planned:
    case: Case
    name: str
    plan: Plan

    @property
    def id(self) -> str:
        return f"{self.case.name}-{self.name}"


def plans_of(case: Case) -> Iterator[Planned]:
    network = case.network
    planned = partial(Planned, case)
    for bits in (0, 3, 8):
        yield planned(f"study {bits}", study_plan(network, bits))
    place = CASES.index(case)
    for index, rounding in enumerate(Rounding):
        overflow = list(Overflow)[(index + place) % len(Overflow)]
        plan = uniform_plan(network, 6, 3, rounding=rounding, overflow=overflow)
        yield planned(f"{rounding.value} {overflow.value}", plan)
        if index == place % len(Rounding):
            plan = uniform_plan(network, 9, 6, rounding=rounding, overflow=overflow, options=PlanOptions())
            yield planned(f"affine fused {rounding.value} {overflow.value}", plan)
    from_ranges = partial(plan_from_ranges, network, ranges_of(case))
    for length in (2, 4, 8, 16, 24, 32):
        yield planned(f"hardware {length}", from_ranges(length, per_channel=True))
    wrapping = from_ranges(8, overflow=Overflow.WRAP, rounding=Rounding.NEAREST_UP)
    yield planned("hardware 8 per tensor WRAP", wrapping)
    yield planned("hardware 7 raw fused", from_ranges(7, options=RAW_FUSED))
    yield planned("hardware 7 affine every-node", from_ranges(7, options=AFFINE_EVERY_NODE, per_channel=True))
    yield planned("hardware 16 raw every-node", from_ranges(16, options=STUDY_OPTIONS))
    yield planned("guarded", uniform_plan(network, 7, 4, overrides=(Override("*.output", "GUARD"),)))
    exact = uniform_plan(network, 7, 4, options=PlanOptions(), overrides=exact_outputs(network, PlanOptions()))
    yield planned("exact outputs", exact)
    yield planned("more fraction than word", uniform_plan(network, 6, 9))
    yield planned("negative fraction", uniform_plan(network, 12, -2, options=AFFINE_EVERY_NODE))
    yield planned("wide", uniform_plan(network, 32, 30))
    yield planned("wide study", study_plan(network, 20))
    yield planned("wide FLOOR", study_plan(network, 16, rounding=Rounding.FLOOR, options=AFFINE_EVERY_NODE))
    if case.has(Convolution, ConvolutionTransposed, Dense):
        weights = [Override(name, "EXACT") for name in network.parameters if name.endswith((".weight", ".bias"))]
        yield planned("exact weights", uniform_plan(network, 8, 4, options=AFFINE_EVERY_NODE, overrides=weights))
        for index, (name, spec) in enumerate(ACCUMULATORS.items()):
            options = (AFFINE_EVERY_NODE, QUANTIZED)[(index + place) % 2]
            plan = uniform_plan(network, 8, 4, options=options, overrides=(Override("*.accumulator", spec),))
            yield planned(f"accumulator {name} {options.product}", plan)
    if case.has(AveragePooling, GlobalAveragePooling, AdaptiveAveragePooling, ReduceMean, ReduceSum):
        for name, spec in ACCUMULATORS.items():
            plan = uniform_plan(network, 8, 4, overrides=(Override("*.accumulator", spec),))
            yield planned(f"accumulator of windows {name}", plan)
    if case.has(Softmax):
        for rounding in (Rounding.NEAREST_EVEN, Rounding.FLOOR, Rounding.NEAREST_AWAY):
            plan = uniform_plan(network, 12, 7, rounding=rounding, options=TABLE)
            yield planned(f"softmax table {rounding.value}", plan)
        yield planned("softmax table hardware", from_ranges(10, options=TABLE))
        exact_parts = (Override("*.difference", "EXACT"), Override("*.sum", "EXACT"))
        yield planned("softmax table exact parts", uniform_plan(network, 9, 6, options=TABLE, overrides=exact_parts))
    if case.has(LayerNormalization):
        for rounding in Rounding:
            plan = uniform_plan(network, 12, 6, rounding=rounding, options=NORM_TABLE)
            yield planned(f"norm table {rounding.value}", plan)
        yield planned("norm table hardware", from_ranges(9, options=NORM_TABLE))
        saturating = (Override("*.variance", "ap_ufixed<8,4,AP_RND,AP_SAT>"),)
        wrapping = from_ranges(8, overflow=Overflow.WRAP, options=NORM_TABLE, overrides=saturating)
        yield planned("norm table hardware WRAP", wrapping)
        found = sites_of(network, NORM_TABLE).values()
        roles = ("mean", "difference", "variance", "normalized")
        exact = tuple(Override(site.name, "EXACT") for site in found if site.role in roles and site.finite)
        yield planned("norm table exact parts", uniform_plan(network, 9, 6, options=NORM_TABLE, overrides=exact))
        narrow = uniform_plan(
            network, 5, 2, options=NORM_TABLE, rounding=Rounding.FLOOR, overflow=Overflow.SATURATE_SYMMETRIC
        )
        yield planned("norm table narrow", narrow)


PLANNED = tuple(planned for case in CASES for planned in plans_of(case))
