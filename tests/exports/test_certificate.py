"""The certificate: every witness with what was compared, what can't be compared with its reason, files by hash."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bittrue.data import Dataset, as_dataset
from bittrue.exports import certificate, witness
from bittrue.exports.c.run import run_c
from bittrue.exports.certificate import Certificate, certify
from bittrue.exports.export import export
from bittrue.exports.job import Job
from bittrue.exports.tools import MissingToolError
from bittrue.plan import Plan, PlanOptions, uniform_plan
from cases import CASES, inputs_of

CASE = next(case for case in CASES if case.name == "whole")
IMAGES = as_dataset(inputs_of(CASE), name="a few")


def plan() -> Plan:
    return uniform_plan(CASE.network, 8, 4, options=PlanOptions(batch_norm="affine"))


def wrong(job: Job, images: Dataset, folder: Path) -> Path:
    """C with one wrong bit in its last layer."""
    codes = run_c(job, images, folder)
    path = codes / "dense.output.bin"
    content = bytearray(path.read_bytes())
    content[3] ^= 1
    path.write_bytes(content)
    return codes


def missing(job: Job, images: Dataset, folder: Path) -> Path:
    raise MissingToolError("hls4ml isn't installed: install it.")


@pytest.fixture
def witnesses(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Lets a test choose which exports are built."""

    def choose(**builds: witness.Build) -> None:
        monkeypatch.setattr(certificate, "BUILDS", builds)
        monkeypatch.setattr(certificate, "FLOATING", {})

    return choose


def certified(until_node: str | None = "dense") -> Certificate:
    return certify(CASE.network, plan(), IMAGES, images=4, until_node=until_node, command="bittrue verify …")


def test_every_witness_has_its_row(witnesses: Callable[..., None], tmp_path: Path) -> None:
    witnesses(c=run_c, hls4ml=missing)
    found = certified()
    reference, c, hls4ml = found.witnesses
    assert (reference.witness, reference.images, reference.mismatches, reference.reason) == ("reference", 2, 0, None)
    assert (c.witness, c.images, c.mismatches, c.reason) == ("c", 4, 0, None)
    assert c.values >= 4 * 3
    assert (hls4ml.values, hls4ml.reason) == (0, "hls4ml isn't installed: install it.")
    assert {"python", "torch", "bittrue", "cc", "make"} <= set(found.versions)
    found.save(tmp_path / "out.json")
    assert Certificate.load(tmp_path / "out.json") == found
    assert json.loads((tmp_path / "out.json").read_text())["mismatches"] == 0
    assert "Without hls4ml: hls4ml isn't installed" in str(found)


def test_the_hashes_are_those_of_the_export(witnesses: Callable[..., None], tmp_path: Path) -> None:
    witnesses()
    made = export(CASE.network, plan(), "c,memory,vectors", tmp_path / "out", data=IMAGES, images=4, until_node="dense")
    files = certified().files
    assert dict(made.manifest["files"]).items() <= dict(files).items()


def test_what_a_target_cannot_have_is_its_reason(witnesses: Callable[..., None]) -> None:
    witnesses(c=run_c)
    found = certified(until_node=None)
    assert found.witnesses[1].reason is not None
    assert "softmax" in found.witnesses[1].reason
    assert found.not_exported["c"] == found.witnesses[1].reason
    assert not any(path.startswith("c/") for path in found.files)


def test_one_wrong_bit_is_a_mismatch(witnesses: Callable[..., None]) -> None:
    """The canary."""
    witnesses(c=wrong)
    found = certified()
    assert found.mismatches == 1
    first = found.witnesses[1].first
    assert first is not None
    assert (first["site"], first["image"]) == ("dense.output", 0)
    assert abs(first["expected"] ^ first["got"]) == 1


def test_what_floating_point_does_otherwise_is_shown_and_not_counted(
    witnesses: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    witnesses()
    monkeypatch.setattr(certificate, "FLOATING", {"c": wrong})
    found = certified()
    assert (found.witnesses[1].exact, found.witnesses[1].mismatches, found.mismatches) == (False, 1, 0)
    assert "c computes in floating point" in str(found)


def test_the_same_input_gives_the_same_object(witnesses: Callable[..., None]) -> None:
    witnesses(c=run_c)
    assert certified().to_json() == certified().to_json()
