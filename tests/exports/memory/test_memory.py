"""Memory images: what is written is read back as the codes that it was made from, in every format and layout."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bittrue.errors import BittrueError
from bittrue.exports.export import export
from bittrue.exports.job import MemoryOptions, until
from bittrue.exports.memory.formats import FORMATS
from bittrue.exports.memory.layout import Layout, packed, unpacked
from bittrue.exports.memory.reading import read_memory
from bittrue.exports.parts import parts_of
from bittrue.lowering import lower_network
from bittrue.plan import PlanOptions, uniform_plan
from cases import CASES


def codes_for(width: int, *, signed: bool, shape: tuple[int, ...], seed: int = 1) -> np.ndarray:
    """Random codes, both ends of the word among them."""
    generator = np.random.default_rng(seed)
    low, high = (-(1 << (width - 1)), (1 << (width - 1)) - 1) if signed else (0, (1 << width) - 1)
    numbers = [low, high, *(int(generator.integers(0, 2**32)) * (high - low) // 2**32 + low for _ in range(60))]
    return np.array(numbers[: int(np.prod(shape))], object if width > 62 else np.int64).reshape(shape)


@pytest.mark.parametrize("width", range(1, 65))
@pytest.mark.parametrize("name", FORMATS)
def test_every_width_comes_back(name: str, width: int) -> None:
    for signed in (True, False):
        codes = codes_for(width, signed=signed, shape=(3, 4, 5))
        layout = Layout((2, 0, 1))
        banks = packed(codes, width, layout)
        form = FORMATS[name]
        read = [form.read(form.write(image, "conv.weight"), image.width) for image in banks]
        np.testing.assert_array_equal(unpacked(read, width, layout, codes.shape, signed=signed), codes)


@settings(max_examples=150, deadline=None)
@given(
    width=st.integers(1, 40),
    words=st.integers(1, 9),
    banks=st.integers(1, 5),
    first=st.sampled_from(["low", "high"]),
    order=st.permutations([0, 1, 2]),
    signed=st.booleans(),
    mirrored=st.booleans(),
    name=st.sampled_from([name for name in FORMATS if name != "c"]),
)
def test_every_layout_comes_back(
    width: int, words: int, banks: int, first: str, order: list[int], signed: bool, mirrored: bool, name: str
) -> None:
    codes = codes_for(width, signed=signed, shape=(2, 5, 3))
    layout = Layout(tuple(order), words, first, banks, mirrored)
    form = FORMATS[name]
    read = [form.read(form.write(image, "w"), image.width) for image in packed(codes, width, layout)]
    np.testing.assert_array_equal(unpacked(read, width, layout, codes.shape, signed=signed), codes)


def test_a_worked_example() -> None:
    codes = np.array([[1, -2, 3], [-4, 5, -6]])
    (image,) = packed(codes, 4, Layout(words=2))
    assert image.lines.tolist() == [0xE1, 0xC3, 0xA5]
    (image,) = packed(codes, 4, Layout(words=2, first="high"))
    assert image.lines.tolist() == [0x1E, 0x3C, 0x5A]
    (image,) = packed(codes, 4, Layout((1, 0), words=2))
    assert image.lines.tolist() == [0xC1, 0x5E, 0xA3]
    (image,) = packed(codes, 4, Layout(words=2, mirrored=True))
    assert image.lines.tolist() == [0x78, 0x3C, 0x5A]
    even, odd = packed(codes, 4, Layout(words=2, banks=2))
    assert (even.lines.tolist(), odd.lines.tolist()) == ([0xE1, 0xA5], [0xC3, 0])


TEXTS = {
    "readmemh": "e1\nc3\n",
    "readmemb": "11100001\n11000011\n",
    "coe": "; w\nmemory_initialization_radix=16;\nmemory_initialization_vector=\ne1,\nc3;\n",
    "vivado": "11100001\n11000011\n",
    "quartus": "-- w\nDEPTH = 2;\nWIDTH = 8;\nADDRESS_RADIX = HEX;\nDATA_RADIX = HEX;\n"
    "CONTENT BEGIN\n0 : e1;\n1 : c3;\nEND;\n",
    "c": "/* w: words of 8 bits, two's complement. */\n#include <stdint.h>\n\nstatic const uint8_t w[2] = {\n"
    "    0xe1u,\n    0xc3u,\n};\n",
    "raw": "\xe1\xc3",
}


@pytest.mark.parametrize("name", FORMATS)
def test_the_files_are_what_their_tools_read(name: str) -> None:
    (image,) = packed(np.array([1, -2, 3, -4]), 4, Layout(words=2))
    assert FORMATS[name].write(image, "w") == TEXTS[name].encode("latin-1")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("readmemh", b"12g"),
        ("readmemh", b"1ff"),
        ("coe", b"radix"),
        ("quartus", b"WIDTH = 4;"),
        ("raw", b"\x00\x01\x02"),
    ],
)
def test_damage_is_one_sentence(name: str, content: bytes) -> None:
    with pytest.raises(BittrueError):
        FORMATS[name].read(content, 8 if name != "raw" else 16)


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"words": 3, "first": "high", "banks": 2},
        {"order": "as-is", "banks": 3},
        {"order": "input channel,kernel row", "words": 2, "mirrored": True},
    ],
)
def test_an_exports_memories_are_read_back(name: str, options: dict[str, Any], tmp_path: Path) -> None:
    network = next(case for case in CASES if case.name == "whole").network
    plan = uniform_plan(network, 7, 4, options=PlanOptions(batch_norm="affine"))
    memory = MemoryOptions((name,), **options)
    export(network, plan, "memory", tmp_path / "out", until_node="dense", memory=memory)
    program = until(lower_network(network, plan), "dense")
    parts = {f"{step.name}.{part.role}": part for step in program.steps for part in parts_of(step)}
    assert len(parts) > 4
    for site, part in parts.items():
        np.testing.assert_array_equal(read_memory(tmp_path / "out" / "memory", site), part.codes)


def test_axes_by_name_are_the_outermost_of_the_arrays_that_have_them(tmp_path: Path) -> None:
    network = next(case for case in CASES if case.name == "whole").network
    plan = uniform_plan(network, 7, 4)
    memory = MemoryOptions(order="input channel, kernel row")
    export(network, plan, "memory", tmp_path / "out", until_node="dense", memory=memory)
    described = json.loads((tmp_path / "out" / "memory" / "memory.json").read_text(encoding="utf-8"))
    assert described["conv.weight"]["order"] == ["input channel", "kernel row", "kernel column", "output channel"]
    assert described["dense.weight"]["order"] == ["input channel", "output channel"]
    assert described["dense.bias"]["order"] == described["dense.bias"]["axes"]


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ("outputs", "No array here has an axis 'outputs': name axes of kernel row, kernel column, input channel"),
        ("kernel row,kernel row", "names an axis twice: name each once"),
    ],
)
def test_axes_that_are_not_there_are_refused(order: str, message: str, tmp_path: Path) -> None:
    network = next(case for case in CASES if case.name == "whole").network
    with pytest.raises(BittrueError, match=message):
        memory = MemoryOptions(order=order)
        export(network, uniform_plan(network, 7, 4), "memory", tmp_path / "out", until_node="dense", memory=memory)
    assert not (tmp_path / "out").exists()


def test_memories_that_cannot_be_read_back(tmp_path: Path) -> None:
    with pytest.raises(BittrueError, match=r"has no memory\.json"):
        read_memory(tmp_path, "conv1.weight")
    (tmp_path / "memory.json").write_text('{"a.weight": {}}')
    with pytest.raises(BittrueError, match=r"describes no conv1\.weight: it has a\.weight"):
        read_memory(tmp_path, "conv1.weight")
    with pytest.raises(BittrueError, match="can't be read"):
        read_memory(tmp_path, "a.weight")
