"""Calls of the compiled library, recorded with what they left, for kernels/check/replay.c.

    python tests/kernels/recording.py FILE

Each call belongs to a program that was compared with the definition in Python integers, at every step, while it was
recorded: what the file holds are integers' results, whichever unit ran.
"""

import ctypes
import struct
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))

from bittrue.simulation.compiled import group, library, running
from bittrue.simulation.compiled.library import GroupFields, StageFields
from bittrue.simulation.compiled.sources import SourceKind
from bittrue.simulation.compiled.stages import Kind
from bittrue.simulation.simulator import Simulator
from simulation.comparison import check_simulator, computed_by, define
from simulation.compiled.cases import Case, all_cases, byte_cases

Call = tuple[bytes, ...]
"""The blocks of a call, in the order of replay.c."""


def record(cases: Iterable[Case], *, multiplies_bytes: bool = False) -> list[Call]:
    """All calls that the cases make, each once; with products of bytes, if they shall be."""
    portable = replace(library.units()[-1], multiplies_bytes=multiplies_bytes)
    calls: dict[Call, None] = {}
    for program, x in cases:
        with computed_by(portable), _recorded(calls):
            difference = check_simulator(Simulator(program), x, define(program, x))
        assert difference is None, difference
    return list(calls)


def recorded_calls() -> list[Call]:
    """Of all cases."""
    return record(all_cases()) + record(byte_cases(), multiplies_bytes=True)


def packed(calls: Iterable[Call]) -> bytes:
    """Calls as replay.c reads them."""
    return b"".join(struct.pack("q", len(block)) + block for call in calls for block in call)


@contextmanager
def _recorded(calls: dict[Call, None]) -> Iterator[None]:
    def run(
        unit: library.Unit,
        fields: GroupFields,
        scratch: int,
        rows: int,
        x: torch.Tensor,
        operands: Sequence[torch.Tensor],
        out: torch.Tensor,
    ) -> list[tuple[int, int, int]]:
        seen = running.run(unit, fields, scratch, rows, x, operands, out)
        calls[tuple(_blocks(fields, x, operands, out, seen))] = None
        return seen

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(group, "run", run)
        yield


def _blocks(
    fields: GroupFields, x: torch.Tensor, operands: Sequence[torch.Tensor], out: torch.Tensor, seen: Any
) -> Iterator[bytes]:
    stages = (StageFields * fields.stages).from_address(fields.stage)
    yield (_without_addresses(fields, "weights", "stage"))
    yield (b"".join(_without_addresses(stage, "first", "second", "third", "fourth") for stage in stages))
    for address in fields.weights:
        yield _at(address, _weight_bytes(fields))
    for stage in stages:
        number = 8 if fields.wide or stage.kind == Kind.REAL else 4
        for address in (stage.first, stage.second, stage.third, stage.fourth):
            yield _at(address, number * fields.period)
    yield (_bytes(x))
    yield (struct.pack("q", len(operands)))
    yield from (_bytes(operand) for operand in operands)
    yield (_bytes(out))
    yield (b"".join(struct.pack("3q", *one) for one in seen))


def _without_addresses(fields: ctypes.Structure, *names: str) -> bytes:
    """The structure with zeros where it holds addresses, which differ from run to run."""
    copy = type(fields).from_buffer_copy(fields)
    for name in names:
        setattr(copy, name, type(getattr(copy, name))() if name == "weights" else None)
    return bytes(copy)


def _weight_bytes(fields: GroupFields) -> int:
    """The size of one digit's weights, as group.h has it."""
    taps = fields.window[0] * fields.window[1]
    if fields.source == SourceKind.DEPTHWISE:
        return 2 * taps * fields.out_channels
    runs, unit = fields.window[0] if fields.direct else 1, 4 if fields.bytes else 2
    units = runs * -(-taps * fields.channels // runs // unit)
    return -(-fields.out_channels // 32) * units * 128


def _at(address: int | None, size: int) -> bytes:
    return b"" if not address else ctypes.string_at(address, size)


def _bytes(tensor: torch.Tensor) -> bytes:
    return bytes(tensor.contiguous().view(torch.uint8).numpy().tobytes())


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(packed(recorded_calls()))
