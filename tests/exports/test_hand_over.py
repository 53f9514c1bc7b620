"""The hand-over page's commands run as a reader types them, but for hls4ml's, which tests/exports/hls4ml has."""

import re
import shlex
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from bittrue.analysis.simulate import simulate
from bittrue.cli.app import app
from bittrue.data import load_dataset
from bittrue.exports import certificate
from bittrue.exports.c.run import run_c
from bittrue.exports.certificate import Certificate
from bittrue.fixed import Quantizer, Rounding
from bittrue.frontends import load
from bittrue.plan import Plan
from docs.pages import ROOT, blocks
from docs.test_guide import commands, run

PAGE = ROOT / "docs/hand_over.md"
OPTIONS = ("--certificate", "--mutate", "--from-model", "qonnx", "qdq")


def test_from_a_plan_to_c_that_is_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(certificate, "FLOATING", {})
    monkeypatch.setattr(certificate, "BUILDS", {"c": run_c})  # hls4ml's simulation takes a minute to compile
    printed: dict[str, str] = {}
    for block in blocks(PAGE):
        if block.language == "bash" and block.not_run is None and "hls4ml" not in block.code:
            printed |= {line: run(line) for line in commands(block)}
    by_option = {option: text for line, text in printed.items() for option in line.split() if option in OPTIONS}
    certified, mutated = by_option["--certificate"], by_option["--mutate"]
    assert "Against qonnx: 302,900 values on 50 images, 0 mismatches." in by_option["qonnx"]
    assert "Against qdq: 288,500 values on 50 images, 0 mismatches." in by_option["qdq"]
    assert "conv1.bias" in by_option["--from-model"]
    assert "0 mismatches" in certified
    assert "12 mutations: " in mutated
    assert "0 escaped" in mutated
    assert any("codes of 8 layers compared on 26 images, 0 mismatches" in text for text in printed.values())
    assert (tmp_path / "hardware/manifest.json").exists()
    assert re.search(r"\nc +20 +8 +44,360 +0\n", certified)
    assert Certificate.load("certificate.json").mismatches == 0


def test_what_a_device_that_truncates_gets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's output, from a device that rounds dense6 by FLOOR."""
    monkeypatch.chdir(tmp_path)
    found = list(blocks(PAGE))
    for line in commands(found[0])[:2]:
        run(line)
    network = load("demo/model.keras")
    data = load_dataset("digits", shape=network.input.shape)
    plan = Plan.load("plan.json")
    quantizer = plan.sites["dense6.output"]
    assert isinstance(quantizer, Quantizer)
    truncating = replace(plan, sites={**plan.sites, "dense6.output": replace(quantizer, rounding=Rounding.FLOOR)})
    simulate(network, truncating, data, images=20, out="wrong", nodes=True)
    codes = {name: np.load(f"wrong/nodes/{name}.npy").reshape(-1).tolist() for name in ("bn4", "dense6")}
    (tmp_path / "device").mkdir()
    (tmp_path / "device" / "bn4.output.txt").write_text("\n".join(map(str, codes["bn4"])))
    (tmp_path / "device" / "dense6.output.hex").write_text("\n".join(f"{code & 0xFF:02x}" for code in codes["dense6"]))
    command, shown = next(
        (block.code, after.code) for block, after in pairwise(found) if "--against device" in block.code
    )
    result = CliRunner().invoke(app, shlex.split(command)[1:], prog_name="bittrue")
    assert result.exit_code == 1
    printed = [line.rstrip() for line in result.stdout.splitlines()]
    assert all(line in printed for line in shown.splitlines())
