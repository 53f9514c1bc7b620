"""What a wrong site looks like: each guess is computed again, and told only where it gives exactly what the device
gave."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from bittrue.errors import BittrueError
from bittrue.fixed import Overflow, Quantizer, Rounding
from bittrue.program import FixedNetwork, MultiplyAccumulate, Step

Codes = NDArray[np.int64]

Compute = Callable[[FixedNetwork], Codes]
"""The codes of the site, (images, *shape), that a program computes."""


@dataclass(frozen=True)
class Changed:
    """A program with one thing done otherwise, and what that is."""

    what: str
    program: FixedNetwork


def guess(program: FixedNetwork, step: Step, expected: Codes, got: Codes, compute: Compute) -> str | None:
    """A sentence for what the device did in the place of `step`, or None where no guess gives its codes.

    expected, got: (images, *shape).
    """
    for what, codes in _rearranged(expected):
        if np.array_equal(codes, got):
            return f"{what}: the codes are all there"
    for changed in _changed(program, step):
        try:
            codes = compute(changed.program)
        except BittrueError:
            continue
        if np.array_equal(codes, got):
            return f"{changed.what}: computed so, every code is the device's"
    return None


def _rearranged(expected: Codes) -> Iterator[tuple[str, Codes]]:
    images, *shape = expected.shape
    flat = expected.reshape(images, -1)
    if len(shape) > 1:
        yield "channels first instead of last", np.moveaxis(expected, -1, 1).reshape(expected.shape)
    if len(shape) == 3 and shape[0] == shape[1]:
        yield "rows and columns exchanged", np.swapaxes(expected, 1, 2)
    yield "the order reversed", flat[:, ::-1].reshape(expected.shape)
    for shift, word in ((1, "late"), (-1, "early")):
        yield f"off by one position, one {word}", np.roll(flat, shift, axis=1).reshape(expected.shape)
        whole = np.roll(expected.reshape(-1), shift).reshape(expected.shape)
        yield f"off by one position over all images, one {word}", whole


def _changed(program: FixedNetwork, step: Step) -> Iterator[Changed]:
    if step.quantizer is not None:
        own = step.quantizer
        modes = [(rounding, overflow) for rounding in Rounding for overflow in Overflow if overflow.amd is not None]
        modes.sort(key=lambda pair: (pair[0] is not own.rounding) + (pair[1] is not own.overflow))  # one change first
        for rounding, overflow in modes:
            if (rounding, overflow) != (own.rounding, own.overflow):
                yield _with(program, step, Quantizer(own.format, rounding, overflow))
    for source in _chain(program, step):
        instruction = source.instruction
        if isinstance(instruction, MultiplyAccumulate) and instruction.bias is not None:
            changed = replace(source, instruction=replace(instruction, bias=np.zeros_like(instruction.bias)))
            yield Changed(f"the bias of {source.name} left out", _replaced(program, changed, step.name))


def _with(program: FixedNetwork, step: Step, quantizer: Quantizer) -> Changed:
    own = step.rounds_with
    pairs = [(quantizer.rounding.value, own.rounding.value), (quantizer.overflow.value, own.overflow.value)]
    words = [f"{_CALLED.get(mode, mode)} instead of {before}" for mode, before in pairs if mode != before]
    kind = replace(step.type, low=quantizer.min_code, high=quantizer.max_code)
    return Changed(" and ".join(words), _replaced(program, replace(step, quantizer=quantizer, type=kind), step.name))


_CALLED = {"FLOOR": "truncated (FLOOR)", "WRAP": "wrapped (WRAP)", "SATURATE": "saturated (SATURATE)"}


def _replaced(program: FixedNetwork, changed: Step, last: str) -> FixedNetwork:
    """The program up to the step `last`, with another step in the place of the one of its name."""
    steps = [changed if each.name == changed.name else each for each in program.steps]
    place = next(place for place, each in enumerate(steps) if each.name == last)
    return replace(program, steps=tuple(steps[: place + 1]), output=last)


def _chain(program: FixedNetwork, step: Step) -> Iterator[Step]:
    """The step, and those before it whose exact result it rounds."""
    while True:
        yield step
        before = program.by_name[step.inputs[0]] if len(step.inputs) == 1 else None
        if before is None or before.quantizer is not None:
            return
        step = before
