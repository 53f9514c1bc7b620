"""A group's call of the library, on as many threads as torch uses.

They are torch's own threads: those of its OpenMP wait for the next piece of work for a while without sleeping, so that
others beside them would share the processors with their waiting.
"""

import ctypes
import os
import struct
import threading
from collections.abc import Sequence
from functools import cache

import numpy as np
import torch

from bittrue.simulation.compiled.library import GroupFields, Unit
from bittrue.simulation.compiled.sources import SourceKind

_BLOCK_ROWS = 64
"""As block.h has it: no thread gets less than two of them."""

_LEAST_WORK = 1 << 21
"""Products, or as much else, that are worth another thread: handing them over takes some 5 µs."""

_PARTS = 4
"""Into so many parts a thread's share is cut, for the threads to end together."""

_OF_A_STAGE = 16
"""What a stage costs a number, in products."""

_ALIGNMENT = 64
_SEEN = struct.Struct("3q")
"""`seen` of group.h: how many codes lay outside, the least, the largest."""
_NOTHING_SEEN = _SEEN.pack(0, 2**63 - 1, -(2**63))


def run(
    unit: Unit,
    group: GroupFields,
    scratch_bytes: int,
    rows: int,
    x: torch.Tensor,
    operands: Sequence[torch.Tensor],
    out: torch.Tensor,
) -> list[tuple[int, int, int]]:
    """Compute `rows` rows of a group into `out`.

    x, operands, out: contiguous, in the storage that the group names. Returns for each stage how many codes lay
    outside, and the least and the largest (these two mean nothing for a stage that doesn't quantize).
    """
    stages, threads = group.stages, _threads(group, rows)
    pointers = (ctypes.c_void_p * len(operands))(*(operand.data_ptr() for operand in operands)) if operands else None
    seen = ctypes.create_string_buffer(_NOTHING_SEEN * (stages * threads), _SEEN.size * stages * threads)
    size = -(-scratch_bytes // _ALIGNMENT) * _ALIGNMENT
    what = unit.index, ctypes.byref(group), x.data_ptr(), pointers, out.data_ptr()
    if threads == 1:
        unit.library.bittrue_run(*what, 0, rows, _scratch(size), seen)
        return [*_SEEN.iter_unpack(seen)]
    part = -(-rows // (threads * _PARTS) // _BLOCK_ROWS) * _BLOCK_ROWS
    unit.library.bittrue_run_shared(*what, rows, part, _scratch(size * threads), size, seen, threads, _in_parallel())
    met = [*_SEEN.iter_unpack(seen)]
    by_stage = (zip(*met[stage::stages], strict=True) for stage in range(stages))
    return [(sum(outside), min(least), max(most)) for outside, least, most in by_stage]


def in_one_piece(tensor: torch.Tensor) -> torch.Tensor:
    """Contiguous, and at an address that its numbers may lie at: a copy where it isn't so."""
    tensor = tensor.contiguous()
    return tensor.clone() if tensor.data_ptr() % tensor.element_size() else tensor


def _threads(group: GroupFields, rows: int) -> int:
    most = torch.get_num_threads()
    if most == 1 or rows < 4 * _BLOCK_ROWS:
        return 1
    products = group.window[0] * group.window[1] * (group.channels if group.source == SourceKind.PRODUCTS else 1)
    work = rows * group.out_channels * (products + _OF_A_STAGE * group.stages)
    threads = min(most, rows // (2 * _BLOCK_ROWS), work // _LEAST_WORK)
    return threads if threads > 1 and _in_parallel() else 1


@cache
def _in_parallel() -> int:
    """The address of the call by which torch's OpenMP runs a function on its threads; 0 where it has none."""
    try:
        call = ctypes.CDLL(None).GOMP_parallel
    except AttributeError:
        return 0
    return ctypes.cast(call, ctypes.c_void_p).value or 0


_memory = threading.local()


def _scratch(size: int) -> int:
    """The address of this thread's scratch memory, kept from call to call."""
    if getattr(_memory, "size", 0) < size:
        _memory.buffer, _memory.size = np.empty(size + _ALIGNMENT, np.uint8), size
        _memory.address = -(-_memory.buffer.ctypes.data // _ALIGNMENT) * _ALIGNMENT
    return int(_memory.address)


def _stay_alone() -> None:
    global _in_parallel
    _in_parallel = cache(lambda: 0)


os.register_at_fork(after_in_child=_stay_alone)  # OpenMP's threads stay behind with the parent
