"""The target `memory`: every constant array and table of a network as files to fill memories from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bittrue.errors import BittrueError
from bittrue.exports.function_tables import table_of
from bittrue.exports.job import AS_IS, OUTPUT_FIRST, Job, Target, stop_before
from bittrue.exports.memory.formats import FORMATS
from bittrue.exports.memory.layout import Layout, packed
from bittrue.exports.memory.reading import DESCRIPTION
from bittrue.exports.parts import parts_of
from bittrue.files import dump_json
from bittrue.fixed import word_length_between
from bittrue.plan.spec import formats_of
from bittrue.program import Bypass, Lookup, Step
from bittrue.program.functions import BatchNorm

_LONGEST_OF_C = 64


@dataclass(frozen=True, eq=False)
class Stored:
    """An array for a memory: its site or name, codes, and bits of a word."""

    name: str
    codes: np.ndarray
    axes: tuple[str, ...]
    word_length: int

    @property
    def signed(self) -> bool:
        return int(self.codes.min()) < 0


def stored_arrays(job: Job) -> Iterator[Stored]:
    """The constants of every step, and the tables of its functions of one code (the first entry is the lowest
    code's)."""
    for step in job.program.steps:
        yield from _constants(job, step)
        if isinstance(step.instruction, Lookup) and not isinstance(step.instruction.function, BatchNorm):
            kind, quantizer = job.program.by_name[step.inputs[0]].type, step.rounds_with
            if kind.low is None or kind.high is None:
                raise BittrueError(
                    f"node {step.name}: nothing bounds the codes that its table has entries for; give the input's "
                    "site a format that saturates or wraps."
                )
            what = f"node {step.name}"
            table = table_of(step.instruction.function, quantizer, kind.low, kind.high, kind.binary_point, what)[:, 0]
            needed = word_length_between(int(table.min()), int(table.max()))
            yield Stored(f"{step.name}.table", table, ("input code",), max(needed, quantizer.format.word_length))


def _constants(job: Job, step: Step) -> Iterator[Stored]:
    for part in parts_of(step):
        name = f"{step.name}.{part.role}"
        needed = word_length_between(int(part.codes.min()), int(part.codes.max()))
        spec = job.spec_of(name)
        lengths = [] if spec is None else [format.word_length for format in formats_of(spec)]
        yield Stored(name, part.codes, part.axes, max([needed, *lengths]))


def constant_word_lengths(job: Job) -> Mapping[str, int]:
    """The bits of the words of each constant, by its name."""
    return {stored.name: stored.word_length for step in job.program.steps for stored in _constants(job, step)}


def _check(job: Job) -> None:
    for name in job.memory.formats:
        if name not in FORMATS:
            raise BittrueError(f"There is no memory format {name!r}: choose from {', '.join(FORMATS)}.")
    _layout(job, None)
    known = dict.fromkeys(axis for stored in stored_arrays(job) for axis in stored.axes)
    for axis in job.memory.axes:
        if axis not in known:
            raise BittrueError(f"No array here has an axis {axis[:40]!r}: name axes of {', '.join(known)}.")
    for step in job.program.steps:
        if isinstance(step.instruction, Bypass):
            raise BittrueError(
                f"node {step.node}: FLOAT has no codes to fill a memory with; give its sites formats, or stop before "
                f"it{stop_before(job.program, step)}."
            )
    for stored in stored_arrays(job):
        if "c" in job.memory.formats and stored.word_length * job.memory.words > _LONGEST_OF_C:
            raise BittrueError(
                f"site {stored.name}: lines of {stored.word_length * job.memory.words} bits are no integers of C; put "
                "fewer words into a line, or leave the format c out."
            )


def _write(job: Job, folder: Path) -> Mapping[str, str]:
    files, described = {}, {}
    for stored in stored_arrays(job):
        layout = layout_of(job, stored)
        banks = packed(stored.codes, stored.word_length, layout)
        paths = []
        for name in job.memory.formats:
            for bank, image in enumerate(banks):
                place = "" if len(banks) == 1 else f".{bank}"
                path = f"{stored.name}{place}{FORMATS[name].suffix}"
                (folder / path).write_bytes(FORMATS[name].write(image, stored.name))
                paths.append(path)
        files[stored.name] = paths[0]
        described[stored.name] = {
            "word_length": stored.word_length,
            "signed": stored.signed,
            "shape": list(stored.codes.shape),
            "axes": list(stored.axes),
            "order": [stored.axes[axis] for axis in layout.order or range(stored.codes.ndim)],
            "words_a_line": layout.words,
            "first_word": layout.first,
            "banks": layout.banks,
            "mirrored": layout.mirrored,
            "lines": len(banks[0].lines),
            "files": paths,
        }
    (folder / DESCRIPTION).write_text(dump_json(described), encoding="utf-8")
    return files


def layout_of(job: Job, stored: Stored) -> Layout:
    """How an array lies in its memory."""
    return _layout(job, _order(job, stored))


def _layout(job: Job, order: tuple[int, ...] | None) -> Layout:
    return Layout(order, job.memory.words, job.memory.first, job.memory.banks, job.memory.mirrored)


def _order(job: Job, stored: Stored) -> tuple[int, ...] | None:
    """The named axes that the array has, then its others as they are."""
    if job.memory.order == AS_IS or stored.codes.ndim < 2:
        return None
    if job.memory.order == OUTPUT_FIRST:
        last = stored.codes.ndim - 1
        return (last, *range(last))
    named = [stored.axes.index(axis) for axis in job.memory.axes if axis in stored.axes]
    return (*named, *(axis for axis in range(stored.codes.ndim) if axis not in named))


TARGET = Target("memory", "memory images of the constants and tables", needs_images=False, check=_check, write=_write)
