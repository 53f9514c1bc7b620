"""The Verilog has the simulation's bits: every stream of small networks, with pauses at both ends, in Icarus, which
would show an unknown bit; and a network of all kinds of layers in Verilator (B3 to B10)."""

from pathlib import Path

import numpy as np
import pytest

from bittrue.data import as_dataset
from bittrue.errors import BittrueError
from bittrue.exports.device.compare import compare_codes
from bittrue.exports.verilog.design import design_of
from bittrue.exports.verilog.options import VerilogOptions
from bittrue.exports.verilog.run import run_design, write_inputs
from bittrue.exports.verilog.simulators import ICARUS, simulated
from bittrue.exports.verilog.target import write_verilog
from bittrue.exports.witness import verify
from bittrue.fixed import Overflow, Rounding
from bittrue.plan import PlanOptions, uniform_plan
from cases import CASES, Case, inputs_of
from exports.verilog.sweep import compared, job_of, through

BY_NAME = {case.name: case for case in CASES}
OPTIONS = PlanOptions(batch_norm="affine", rounding_points="fused", softmax="table")


def plan_of(case: Case, rounding: Rounding = Rounding.NEAREST_EVEN, overflow: Overflow = Overflow.SATURATE):
    return uniform_plan(case.network, 8, 4, options=OPTIONS, rounding=rounding, overflow=overflow)


@pytest.mark.parametrize(
    "name",
    [
        "conv-strides",
        "conv-dilation",
        "conv-groups",
        "conv-depthwise",
        "conv1d",
        "dense-rank-3",
        "max-pooling-dilation",
        "average-pooling-padded",
        "average-pooling",
        "global-average",
        "relu-all",
        "sigmoid",
        "concatenate-columns",
        "multiply-broadcast",
        "minimum-broadcast",
        "transpose",
        "pad-value",
        "residual",
    ],
)
def test_every_stream_has_the_codes_of_the_simulation(name: str, tmp_path: Path) -> None:
    case = BY_NAME[name]
    job = job_of(case, plan_of(case), VerilogOptions(multipliers=7))
    found = through(case, job, tmp_path, ICARUS, "+backpressure")
    assert found.mismatches == 0, found.first


@pytest.mark.parametrize("seed", range(4))
def test_random_plans(seed: int, tmp_path: Path) -> None:
    assert compared(seed, tmp_path) > 0


def test_a_reset_in_the_middle_begins_anew(tmp_path: Path) -> None:
    case = BY_NAME["residual"]
    job = job_of(case, plan_of(case))
    found = through(case, job, tmp_path, ICARUS, "+reset_at=150")
    assert found.mismatches == 0


def test_verify_builds_it_in_verilator_and_counts_cycles() -> None:
    case = BY_NAME["whole"]
    found = verify(
        case.network,
        plan_of(case),
        as_dataset(inputs_of(case)),
        against="verilog",
        images=4,
        until_node="dense",
        verilog=VerilogOptions(multipliers=12),
    )
    assert found.mismatches == 0
    assert "cycles for 4 images" in found.said[0]


@pytest.fixture
def written(tmp_path: Path) -> tuple[Case, Path]:
    """The residual network as files, with its inputs."""
    case = BY_NAME["residual"]
    job = job_of(case, plan_of(case))
    design = design_of(job)
    write_verilog(design, tmp_path)
    write_inputs(design, as_dataset(inputs_of(case)), tmp_path)
    return case, tmp_path


def _mismatches(case: Case, folder: Path) -> int:
    images = as_dataset(inputs_of(case))
    simulated(ICARUS, folder, f"+images={images.images}", "+taps")
    return compare_codes(job_of(case, plan_of(case)).program, images, folder / "codes").mismatches


def test_a_flipped_bit_of_a_weight_is_seen(written: tuple[Case, Path]) -> None:
    case, folder = written
    memory = folder / "memory" / "conv1.weight.hex"
    lines = memory.read_text().split("\n")
    middle = len(lines) // 6  # of the first channel's window
    lines[middle] = f"{int(lines[middle], 16) ^ 0x40:02x}"
    memory.write_text("\n".join(lines))
    assert _mismatches(case, folder) > 0


def test_a_dropped_rounding_bit_is_seen(written: tuple[Case, Path]) -> None:
    case, folder = written
    for module in (folder / "modules").glob("*.sv"):
        module.write_text(module.read_text().replace(".ROUNDING(0)", ".ROUNDING(5)"))
    assert _mismatches(case, folder) > 0


def test_a_queue_that_is_too_short_stands_still(written: tuple[Case, Path]) -> None:
    case, folder = written
    design = design_of(job_of(case, plan_of(case)))
    edge = max(design.edges, key=lambda edge: edge.queue)
    top = folder / f"{design.name}.sv"
    text = top.read_text()
    assert f".DEPTH({edge.queue})" in text
    top.write_text(text.replace(f".DEPTH({edge.queue})", ".DEPTH(1)"))
    with pytest.raises(BittrueError, match="Simulating the Verilog"):
        _mismatches(case, folder)


def test_more_multipliers_take_fewer_cycles_and_no_other_bits(tmp_path: Path) -> None:
    case = BY_NAME["conv"]
    plan = plan_of(case)
    images = as_dataset(inputs_of(case))
    cycles, codes = [], []
    for multipliers in (1, 3):
        folder = tmp_path / str(multipliers)
        folder.mkdir()
        design = design_of(job_of(case, plan, VerilogOptions(multipliers=multipliers)))
        run, _ = run_design(design, images, folder, ICARUS)
        cycles.append(design.modules[0].draft.cycles)
        codes.append((run / "conv.output.hex").read_text())
    assert codes[0] == codes[1]
    assert cycles[1] < cycles[0]
    assert np.isclose(cycles[0] / cycles[1], 3, rtol=0.1)


def test_a_depthwise_layer_is_faster_with_its_channels_side_by_side(tmp_path: Path) -> None:
    """Counted, not computed: the cycles between images in Icarus."""
    case = BY_NAME["conv-depthwise"]
    images = as_dataset(inputs_of(case))
    cycles, codes = [], []
    for multipliers in (1, 6):
        folder = tmp_path / str(multipliers)
        folder.mkdir()
        design = design_of(job_of(case, plan_of(case), VerilogOptions(multipliers=multipliers)))
        run, counted = run_design(design, images, folder, ICARUS)
        cycles.append(counted.cycles)
        codes.append((run / "conv.output.hex").read_text())
    assert codes[0] == codes[1]
    assert cycles[0] > 3 * cycles[1]


@pytest.mark.parametrize("name", ["residual", "max-pooling-dilation"])
def test_an_image_follows_the_one_before_it_as_the_table_says(name: str, tmp_path: Path) -> None:
    """Around a residual block all modules work at once, and rows that find no place are waited for."""
    case = BY_NAME[name]
    design = design_of(job_of(case, plan_of(case), VerilogOptions(multipliers=6)))
    _, cycles = run_design(design, as_dataset(inputs_of(case, images=4)), tmp_path, ICARUS)
    assert cycles.pace == pytest.approx(design.cycles, rel=0.05)
