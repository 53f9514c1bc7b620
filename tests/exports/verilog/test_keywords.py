"""A network may have a name that SystemVerilog, or a bench, has taken."""

from dataclasses import replace
from pathlib import Path

import pytest

from bittrue.exports.verilog.design import design_of
from bittrue.exports.verilog.run import run_design
from bittrue.exports.verilog.simulators import ICARUS
from exports.verilog.residual import NETWORK, images, job


@pytest.mark.parametrize("name", ["table", "device", "bench", "3 layers"])
def test_a_network_of_any_name_is_built(name: str, tmp_path: Path) -> None:
    design = design_of(replace(job(1), network=replace(NETWORK, name=name)))
    codes, _ = run_design(design, images(1), tmp_path, ICARUS)
    assert (codes / "again.output.hex").exists()
