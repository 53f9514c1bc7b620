"""One simulated batch against the definition, step by step."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass

import numpy as np
import pytest
import torch

from bittrue.definition import Codes, interpret
from bittrue.program import FixedNetwork, Step
from bittrue.simulation.compiled import group, library
from bittrue.simulation.simulator import BatchResult, Simulator
from bittrue.simulation.values import Value

torch.set_num_threads(1)

Seen = dict[str, tuple[int | None, list[list[float]]]]
"""By step: fraction bits, and for each image its numbers in row-major order."""


def simulate(simulator: Simulator, x: np.ndarray) -> tuple[BatchResult, Seen]:
    seen: Seen = {}

    def observe(step: Step, codes: Value) -> None:
        seen[step.name] = codes.fraction_bits, codes.rows()

    return simulator.run(x, observe), seen


def define(
    program: FixedNetwork, x: np.ndarray, given: Sequence[Mapping[str, Sequence[float]]] = ()
) -> list[dict[str, Codes]]:
    """Each image's codes by the definition. given: the float32 values of the steps that FLOAT computes, by image."""
    return [
        interpret(program, pixels.ravel().tolist(), given=given[image] if given else None)
        for image, pixels in enumerate(x)
    ]


def arrays_of(part: object) -> Iterator[np.ndarray]:
    """All arrays of codes in an instruction, or in a part of it."""
    if isinstance(part, np.ndarray):
        yield part
    elif is_dataclass(part):
        for entry in fields(part):
            yield from arrays_of(getattr(part, entry.name))


def first_difference(
    program: FixedNetwork,
    result: BatchResult,
    seen: Seen,
    definition: Sequence[Mapping[str, Codes]],
) -> str | None:
    """Where the simulation first differs from the definition in codes, fraction bits, bounds or overflow counts."""
    overflows: Counter[str] = Counter()
    for image, defined in enumerate(definition):
        for step in program.steps:
            expected, (fraction_bits, got) = defined[step.name], seen[step.name]
            if expected.fraction_bits != fraction_bits or step.type.fraction_bits != fraction_bits:
                return f"{step.name}: {fraction_bits} fraction bits, not {expected.fraction_bits}"
            if fraction_bits is None:
                continue
            if expected.codes != got[image]:
                pairs = zip(expected.codes, got[image], strict=True)
                index, ours, theirs = next((i, a, b) for i, (a, b) in enumerate(pairs) if a != b)
                return f"{step.name}, image {image}, index {index}: {theirs}, not {ours}"
            low, high = step.type.low, step.type.high
            if any((low is not None and code < low) or (high is not None and code > high) for code in expected.codes):
                return f"{step.name}, image {image}: a code outside the proven {low} to {high}"
            if step.site is not None and step.quantizer is not None:
                overflows[step.site] += expected.overflows
            for role, count in expected.inner_overflows.items():
                overflows[step.inner_site(role)] += count
    return None if overflows == result.overflows else f"overflows {result.overflows}, not {dict(overflows)}"


@contextmanager
def computed_by(unit: library.Unit | None) -> Iterator[None]:
    """Simulators made here compute with a unit of the compiled library, wherever it can; None: on torch alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "unit", lambda: unit)
        patch.setattr(group, "pays", lambda *arguments: True)
        yield


def check(program: FixedNetwork, x: np.ndarray) -> str | None:
    """first_difference of a batch, on torch and on each unit of the compiled library that this machine has, or as
    BITTRUE_KERNELS says; the first image alone, before and after it, must get the same codes.

    The definition comes first, and nothing may be written into what all read.
    """
    definition = define(program, x)
    shared = [array for step in program.steps for array in arrays_of(step.instruction)] + [x]
    before = [array.copy() for array in shared]
    for unit in (library.unit(),) if os.environ.get("BITTRUE_KERNELS") else (None, *library.units()):
        with computed_by(unit):
            difference = check_simulator(Simulator(program), x, definition)
        if not all(map(np.array_equal, before, shared)):
            return "the simulation wrote into its program or its images"
        if difference is not None:
            return difference if unit is None else f"{unit.name}: {difference}"
    return None


def check_simulator(simulator: Simulator, x: np.ndarray, definition: Sequence[Mapping[str, Codes]]) -> str | None:
    """`check` of one simulator."""
    _, alone = simulate(simulator, x[:1])
    result, seen = simulate(simulator, x)
    unseen = simulator.run(x)
    _, again = simulate(simulator, x[:1])
    for name, (_, rows) in seen.items():
        if not (rows[:1] == alone[name][1] == again[name][1]):
            return f"{name}: the first image's codes depend on its batch"
    # With nobody to look at the steps between, some are computed as one.
    if not np.array_equal(unseen.outputs, result.outputs) or unseen.overflows != result.overflows:
        return "the outputs or overflows differ where nobody looks at the steps"
    if unseen.peaks != result.peaks:
        return "the peaks differ where nobody looks at the steps"
    return first_difference(simulator.program, result, seen, definition)
