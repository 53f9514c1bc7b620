"""A sample of what mutations.py runs, on the kinds of files that start soon; and that it would notice."""

import contextlib
import os
from pathlib import Path

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from onnx import helper

from bittrue.errors import ModelError
from mutating.edits import BYTES, Files, edit_bytes, edit_json, edit_message
from mutating.loaders import LOADERS
from mutating.running import READ, REFUSED, Loader, endings, unedited

SAMPLE = 60
QUICK = ("h5", "data", "cifar10", "folders", "parquet", "plan", "ranges", "store")
"""The others are sampled where they are tested, or need what is slow to start."""


@pytest.mark.parametrize("name", QUICK)
def test_a_sample_of_edits_ends_in_a_result_or_a_sentence(name: str) -> None:
    assert {ending.verdict for ending in unedited(LOADERS[name])} == {READ}
    found = list(endings(LOADERS[name], SAMPLE, seed=1))
    assert [ending for ending in found if ending.is_fault] == []
    assert sum(ending.verdict == REFUSED for ending in found) > SAMPLE / 5


def read_badly(folder: Path) -> None:
    """Each byte of the file is a way to end."""
    byte = (folder / "x").read_bytes()[0]
    if byte == 0:
        raise ModelError("It is 0.")
    if byte == 1:
        raise KeyError("one")
    if byte == 2:
        os.abort()
    if byte == 3:
        bytearray(1 << 40)
    while byte == 4:
        pass


def test_every_way_to_end_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The canary."""
    monkeypatch.setattr("mutating.running.SECONDS", 0.3)
    bases: list[Files] = [{"x": bytes([byte])} for byte in range(6)]
    loader = Loader(lambda: bases, lambda files, random: files, read_badly)
    found = list(endings(loader, len(bases), seed=0))
    assert [ending.verdict for ending in found] == [
        *(REFUSED, "KeyError", "process SIGABRT", "MemoryError", "process SIGPROF", READ)
    ]
    assert [ending.is_fault for ending in found] == [False, True, True, True, True, False]


@pytest.mark.parametrize("edit", [*BYTES, edit_bytes, edit_json, edit_message])
def test_an_edit_changes_something_and_is_the_same_again(edit: object) -> None:
    data = b'{"a": [1, 2, {"b": "text"}], "c": null}' if edit is edit_json else bytes(range(1, 200))
    found = [[edit(data, np.random.default_rng([seed, 3])) for seed in range(20)] for _ in range(2)]  # type: ignore[operator]
    assert found[0] == found[1]
    assert sum(other != data for other in found[0]) > 10


def test_most_edits_of_a_message_leave_one() -> None:
    value = helper.make_tensor_value_info("x", 1, [2, 3])
    data, parsed = value.SerializeToString(), 0
    for seed in range(40):
        edited = edit_message(data, np.random.default_rng(seed))
        with contextlib.suppress(DecodeError):
            parsed += edited != data and bool(type(value)().ParseFromString(edited))
    assert parsed > 20
