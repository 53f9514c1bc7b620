"""Tensors that don't lie as the library wants them: strided, at odd addresses, empty, beyond 2^31 numbers."""

import ctypes
import mmap

import numpy as np
import pytest
import torch

from bittrue.fixed import FixedFormat
from bittrue.simulation.compiled import group, library
from bittrue.simulation.compiled.group import Group
from bittrue.simulation.compiled.library import GroupFields, Seen
from bittrue.simulation.simulator import Simulator
from bittrue.simulation.values import Codes
from simulation.comparison import computed_by
from simulation.compiled import cases

pytestmark = pytest.mark.parametrize("unit", library.units(), ids=lambda unit: unit.name)

WORD = FixedFormat(True, 9, 0)
PROGRAM, X = cases.convolution(cases.GEOMETRIES[0], WORD)


def codes(tensor: torch.Tensor) -> Codes:
    return Codes(tensor, 0, WORD.min_code, WORD.max_code)


def lone_group(unit: library.Unit) -> Group:
    return Group({"x": PROGRAM.steps[0].type}, PROGRAM.steps[1:], unit, in_short_words=False)


def computed(unit: library.Unit, tensor: torch.Tensor) -> torch.Tensor:
    with computed_by(unit):
        ran = lone_group(unit).run(codes(tensor), [])
    assert ran is not None
    return ran.value.tensor


@pytest.mark.parametrize("dtype", [torch.int16, torch.float32], ids=str)
def test_strided_tensors(unit: library.Unit, dtype: torch.dtype) -> None:
    x = torch.from_numpy(X).to(dtype)
    expected = computed(unit, x)
    transposed = x.permute(3, 0, 2, 1).contiguous().permute(1, 3, 2, 0)
    every_other = x.repeat_interleave(2, 0)[::2]
    expanded = x[:1].expand(3, -1, -1, -1)
    assert not any(tensor.is_contiguous() for tensor in (transposed, every_other, expanded))
    assert torch.equal(computed(unit, transposed), expected)
    assert torch.equal(computed(unit, every_other), expected)
    assert torch.equal(computed(unit, expanded), expected[:1].expand_as(expected))


@pytest.mark.parametrize("offset", [1, 2, 6])
def test_odd_addresses(unit: library.Unit, offset: int) -> None:
    x = torch.from_numpy(X).to(torch.int16)
    room = np.zeros(x.numel() * 2 + offset, np.uint8)
    moved = np.ndarray(x.shape, np.int16, room, offset)
    moved[:] = x.numpy()
    assert torch.equal(computed(unit, torch.from_numpy(moved)), computed(unit, x))


def test_images_at_odd_addresses(unit: library.Unit) -> None:
    room = np.zeros(X.nbytes + 1, np.uint8)
    moved = np.ndarray(X.shape, np.float32, room, 1)
    moved[:] = X
    with computed_by(unit):
        simulator = Simulator(PROGRAM)
        assert np.array_equal(simulator.run(moved).outputs, simulator.run(X).outputs)


def test_no_images(unit: library.Unit) -> None:
    with computed_by(unit):
        simulator = Simulator(PROGRAM)
        assert lone_group(unit).run(codes(torch.empty((0, *X.shape[1:]), dtype=torch.int16)), []) is None
        result = simulator.run(X[:0])
    assert result.outputs.shape == (0, *PROGRAM.steps[-1].type.shape)
    assert result.overflows == dict.fromkeys(result.overflows, 0)


def test_layers_without_numbers_are_for_torch(unit: library.Unit) -> None:
    program, _ = cases.dense(WORD, 8, 0)
    x = np.empty((3, 0), np.float32)
    with computed_by(unit):
        found = Simulator(program).run(x)
    with computed_by(None):
        assert np.array_equal(found.outputs, Simulator(program).run(x).outputs)


def test_beyond_two_to_the_31_numbers(unit: library.Unit, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last rows of so many: of the memory between nothing is touched, so that it needn't be there."""
    program, _ = cases.dense(WORD, 8, 1)
    laid_out: list[GroupFields] = []
    x = torch.arange(-256, 256, dtype=torch.int16).view(-1, 1)

    def run(unit: library.Unit, fields: GroupFields, *others: object) -> list[tuple[int, int, int]]:
        laid_out.append(fields)
        return group_run(unit, fields, *others)

    group_run = group.run
    monkeypatch.setattr(group, "run", run)
    chain = Group({"x": program.steps[0].type}, program.steps[1:], unit, in_short_words=True)
    with computed_by(unit):
        ran = chain.run(codes(x), [])
    assert ran is not None
    expected, fields = ran.value.tensor.numpy(), laid_out[-1]
    first, rows, outputs = 2**31 + 5, len(x), expected.shape[-1]
    source, target = sparse(2 * (first + rows)), sparse(expected.itemsize * outputs * (first + rows))
    np.frombuffer(source, np.int16)[first:] = x.numpy().ravel()
    seen = (Seen * fields.stages)(*[(0, 0, 0)] * fields.stages)
    scratch = ctypes.create_string_buffer(unit.scratch_bytes(fields) + 64)
    addresses = (ctypes.addressof(ctypes.c_char.from_buffer(memory)) for memory in (source, target))
    at, to = addresses
    aligned = -(-ctypes.addressof(scratch) // 64) * 64
    unit.library.bittrue_run(unit.index, ctypes.byref(fields), at, None, to, first, first + rows, aligned, seen)
    last = np.frombuffer(target, expected.dtype)[first * outputs :].reshape(rows, outputs)
    assert np.array_equal(last, expected)


def sparse(size: int) -> mmap.mmap:
    no_reserve = 0x4000  # MAP_NORESERVE
    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | no_reserve)
