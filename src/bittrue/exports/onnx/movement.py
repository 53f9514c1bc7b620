"""ONNX's movements: Flatten, Reshape, Transpose, Slice, Gather, Pad and Concat (B5)."""

from math import prod

import numpy as np

from bittrue.exports.geometry import permutation_of, repetitions_of, slices_of
from bittrue.exports.onnx.graph import Graph, Value, dtype_of
from bittrue.exports.onnx.table import export_onnx
from bittrue.program import Concatenate, Move, Pad, Reshape, Select, Step


@export_onnx.rule(Reshape)
def _(instruction: Reshape, step: Step, graph: Graph) -> None:
    (x,) = graph.sources(step)
    graph.pass_on(step, x)


@export_onnx.rule(Pad)
def _(instruction: Pad, step: Step, graph: Graph) -> None:
    (x,) = graph.sources(step)
    bits = step.exact.binary_point
    reach = max(x.aligned(bits), int(abs(instruction.value) * 2 ** max(bits, 0)))
    double = graph.carrier(step, [x], reach, float64=True)
    x = graph.as_float64(x) if double else x
    before, after = zip(*((0, 0), *(instruction.padding[axis] for axis in _axes(x))), strict=True)
    pads = graph.constant(f"{step.name}.pads", np.array((*before, *after), np.int64))
    value = graph.number(f"{step.name}.value", float(instruction.value), double)
    graph.compute(step, "Pad", [x.tensor, pads, value], first=x.first, double=double, reach=reach)


def _axes(x: Value) -> tuple[int, ...]:
    """The network's axes in the file's order, the batch axis left out."""
    rank = len(x.shape)
    return (rank - 1, *range(rank - 1)) if x.first else tuple(range(rank))


@export_onnx.rule(Move)
def _(instruction: Move, step: Step, graph: Graph) -> None:
    (x,) = graph.sources(step)
    if not any(instruction.strides) and prod(instruction.sizes) == prod(x.shape) == 1:
        graph.pass_on(step, x)
        return
    order, slices = permutation_of(instruction, x.shape), slices_of(instruction, x.shape)
    factors = repetitions_of(instruction, x.shape)
    if slices is not None:
        _slice(slices, step, graph, x)
    elif factors is not None and len(factors) in (2, 3) and factors[-1] == 1 and not x.double:
        _resize(factors, step, graph, graph.channels_first(x))
    elif order is not None and instruction.sizes == tuple(x.shape[axis] for axis in order):
        x = graph.channels_last(x)
        perm = [0, *(axis + 1 for axis in order)]
        graph.compute(
            step,
            "Transpose",
            [x.tensor],
            first=False,
            double=x.double,
            reach=x.reach,
            shape=instruction.sizes,
            perm=perm,
        )
    else:
        _gather(instruction, step, graph, graph.channels_last(x))


def _slice(slices: tuple[tuple[int, int, int], ...], step: Step, graph: Graph, x: Value) -> None:
    whole = [place for place, (_, stride, size) in enumerate(slices) if (stride, size) == (1, x.shape[place])]
    cut = [axis for axis in range(len(slices)) if axis not in whole]
    shape = tuple(size for _, _, size in slices)
    if not cut:
        graph.pass_on(step, x)
        return
    axes = [_axes(x).index(axis) + 1 for axis in cut]
    starts = [slices[axis][0] for axis in cut]
    ends = [start + slices[axis][1] * slices[axis][2] for start, axis in zip(starts, cut, strict=True)]
    ends = [end if end >= 0 else -(1 << 31) for end in ends]
    inputs = [x.tensor]
    for name, numbers in (("starts", starts), ("ends", ends), ("axes", axes), ("steps", [slices[a][1] for a in cut])):
        inputs.append(graph.constant(f"{step.name}.{name}", np.array(numbers, np.int64)))
    graph.compute(step, "Slice", inputs, first=x.first, double=x.double, reach=x.reach, shape=shape)


def _resize(factors: tuple[int, ...], step: Step, graph: Graph, x: Value) -> None:
    scales = graph.constant(f"{step.name}.factors", np.array((1, 1, *factors[:-1]), np.float32))
    graph.compute(
        step,
        "Resize",
        [x.tensor, "", scales],
        first=True,
        double=False,
        reach=x.reach,
        shape=tuple(size * factor for size, factor in zip(x.shape, factors, strict=True)),
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )


def _gather(instruction: Move, step: Step, graph: Graph, x: Value) -> None:
    """Any affine move: places of the flat value."""
    sizes = graph.constant(f"{step.name}.row", np.array((0, prod(x.shape)), np.int64))
    dtype, row = dtype_of(x.double), f"{step.name}.flat"
    graph.add("Reshape", row, [x.tensor, sizes], row, (prod(x.shape),), dtype)
    places = np.full(instruction.sizes, instruction.offset, np.int64)
    for axis, (size, stride) in enumerate(zip(instruction.sizes, instruction.strides, strict=True)):
        along = (1,) * axis + (size,) + (1,) * (len(instruction.sizes) - axis - 1)
        places = places + (np.arange(size) * stride).reshape(along)
    indices = graph.constant(f"{step.name}.places", places.reshape(-1))
    shape = (prod(instruction.sizes),)
    graph.compute(step, "Gather", [row, indices], first=False, double=x.double, reach=x.reach, shape=shape, axis=1)


@export_onnx.rule(Select)
def _(instruction: Select, step: Step, graph: Graph) -> None:
    (x,) = graph.sources(step)
    x = graph.channels_last(x)
    tensor, shape, dtype = x.tensor, list(x.shape), dtype_of(x.double)
    chosen = [(axis, indices) for axis, indices in enumerate(instruction.indices) if indices is not None]
    if not chosen:
        graph.pass_on(step, x)
        return
    for axis, indices in chosen:
        name = f"{step.name}.axis_{axis}"
        if -1 in indices:  # a zero behind the axis, which they then read
            pads = np.zeros((2, len(shape) + 1), np.int64)
            pads[1, axis + 1] = 1
            stored = graph.constant(f"{name}.pads", pads.reshape(-1))
            zero = graph.number(f"{name}.zero", 0.0, x.double)
            shape[axis] += 1
            tensor = graph.add("Pad", f"{name}.padded", [tensor, stored, zero], f"{name}.padded", tuple(shape), dtype)
        places = np.array([index if index >= 0 else shape[axis] - 1 for index in indices], np.int64)
        shape[axis] = len(indices)
        inputs = [tensor, graph.constant(f"{name}.places", places)]
        if axis == chosen[-1][0]:
            graph.compute(
                step,
                "Gather",
                inputs,
                first=False,
                double=x.double,
                reach=x.reach,
                shape=tuple(shape),
                axis=axis + 1,
            )
        else:
            tensor = graph.add("Gather", name, inputs, name, tuple(shape), dtype, axis=axis + 1)


@export_onnx.rule(Concatenate)
def _(instruction: Concatenate, step: Step, graph: Graph) -> None:
    operands = list(graph.sources(step))
    if len(operands) == 1:
        graph.pass_on(step, operands[0])
        return
    bits = max(operand.fraction_bits for operand in operands)
    reach = max(operand.aligned(bits) for operand in operands)
    double = graph.carrier(step, operands, reach, float64=True)
    operands = graph.in_one_layout([graph.as_float64(operand) if double else operand for operand in operands])
    first = operands[0].first
    axis = _axes(operands[0]).index(instruction.axis % len(step.type.shape)) + 1
    tensors = [operand.tensor for operand in operands]
    graph.compute(step, "Concat", tensors, first=first, double=double, reach=reach, axis=axis)
