"""A group's call of the library, on as many threads as torch uses."""

import ctypes
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise

import numpy as np
import torch

from bittrue.simulation.compiled.library import GroupFields, Seen, Unit
from bittrue.simulation.compiled.sources import SourceKind

_BLOCK_ROWS = 48
"""As block.h has it: no thread gets less than two of them."""

_LEAST_WORK = 1 << 24
"""Products, or as much else, that are worth another thread: handing them over takes some 60 µs."""

_OF_A_STAGE = 16
"""What a stage costs a number, in products."""

_ALIGNMENT = 64
_NOTHING_SEEN = Seen(0, 2**63 - 1, -(2**63))


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
    products = group.window[0] * group.window[1] * (group.channels if group.source == SourceKind.PRODUCTS else 1)
    work = rows * group.out_channels * (products + _OF_A_STAGE * group.stages)
    threads = max(min(torch.get_num_threads(), rows // (2 * _BLOCK_ROWS), work // _LEAST_WORK), 1)
    share = -(-rows // threads // _BLOCK_ROWS) * _BLOCK_ROWS
    ends = [*range(0, rows, share), rows]
    pointers = (ctypes.c_void_p * max(len(operands), 1))(*(operand.data_ptr() for operand in operands))
    stages, source, target, group_at = max(group.stages, 1), x.data_ptr(), out.data_ptr(), ctypes.byref(group)

    def part(first: int, last: int) -> "ctypes.Array[Seen]":
        seen: ctypes.Array[Seen] = (Seen * stages)(*[_NOTHING_SEEN] * stages)
        scratch = _scratch(scratch_bytes)
        unit.library.bittrue_run(unit.index, group_at, source, pointers, target, first, last, scratch, seen)
        return seen

    own, *others = pairwise(ends)
    handed = [_pool(len(others)).submit(part, *ends) for ends in others] if others else []
    met = [part(*own), *(one.result() for one in handed)]
    return [
        (sum(one[i].outside for one in met), min(one[i].least for one in met), max(one[i].most for one in met))
        for i in range(group.stages)
    ]


_memory = threading.local()


def _scratch(size: int) -> int:
    """The address of this thread's scratch memory, kept from call to call."""
    buffer: np.ndarray | None = getattr(_memory, "buffer", None)
    if buffer is None or buffer.nbytes < size + _ALIGNMENT:
        buffer = _memory.buffer = np.empty(size + _ALIGNMENT, np.uint8)
    return int(-(-buffer.ctypes.data // _ALIGNMENT) * _ALIGNMENT)


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="bittrue-kernels")


os.register_at_fork(after_in_child=_pool.cache_clear)  # its threads stay behind with the parent
