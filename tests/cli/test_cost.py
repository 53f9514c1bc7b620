"""What plans cost, on the command line: `inspect --plan`, `plan`, `sweep` and `diff`."""

from pathlib import Path

import pytest

from bittrue.analysis.cost.cost import cost
from bittrue.frontends import load
from bittrue.plan import Plan
from cli.conftest import Run, succeed, succeed_in_json

WORDS = ("--fraction-bits", "6", "--word-length", "8", "--overflow", "saturate")
AFFINE = (*WORDS, "--batch-norm", "affine", "--rounding-points", "fused")


@pytest.fixture
def plan(run: Run, model: Path, tmp_path: Path) -> Path:
    path = tmp_path / "plan.json"
    text = succeed(run, "plan", model, *AFFINE, "--out", path)
    assert "weight-bits           158,288  bits of all weights" in text
    return path


def test_the_digits_by_hand(run: Run, model: Path, plan: Path) -> None:
    """The sizes are those that `bittrue inspect` prints; 20,010 parameters less what batch norms fold."""
    weights = 9 * 16 + 9 * 16 * 32 + 9 * 32 * 32 + 32 * 32 + 128 * 32 + 32 * 10
    others = 16 + 32 + 32 + 32 + 32 + 10 + 2 * (16 + 32 + 32 + 32)
    macs = 64 * 9 * 16 + 16 * 9 * 16 * 32 + 4 * 9 * 32 * 32 + 4 * 32 * 32 + 128 * 32 + 32 * 10
    found = succeed_in_json(run, "inspect", model, "--plan", plan)
    price = found["cost"]
    assert found["plan"]["hash"] == price["plan"] == Plan.load(plan).hash
    assert price == cost(load(model), Plan.load(plan)).to_json()
    assert price["cost"]["weight-bits"] == 8 * (weights + others) == 158_288
    assert price["cost"]["mac-bit-operations"] == 64 * macs
    assert price["multiplications"]["8x8"] == macs == 128_320
    assert price["cost"]["activation-bits"] == 8 * (8 * 8 * 16 + 4 * 4 * 16)
    assert price["bits"] == {"weights": 8, "activations": 8}


def test_inspect_shows_formats_and_cost(run: Run, model: Path, plan: Path) -> None:
    text = succeed(run, "inspect", model, "--plan", plan)
    assert "conv2.weight        3×3×16×32  ap_fixed<8,2,AP_RND_CONV,AP_SAT>  36,864" in text
    assert "Cost by node, in bits; DSP48E2 and BRAM36 are estimates" in text
    assert "The largest live set, bn1.output and pool1.output, is that of pool1." in text
    failed = run("inspect", model, "--plan", plan, "--softmax", "table")
    assert failed.exit_code == 2
    assert "--softmax has no use beside --plan" in failed.stderr


def test_a_plan_without_a_cost_says_why(run: Run, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "float.json"
    text = succeed(run, "plan", model, *AFFINE, "--site", "softmax.output=FLOAT", "--out", path)
    assert "No cost: site softmax.output is FLOAT, and float32 has no cost in fixed-point hardware" in text
    assert succeed_in_json(run, "inspect", model, "--plan", path)["cost"] is None


def test_sweeps_show_cost_beside_accuracy(run: Run, model: Path, images: Path, tmp_path: Path) -> None:
    asked = ("sweep", model, "--data", images, "--word-length", "4:5", "--out", tmp_path / "out")
    rows = succeed_in_json(run, *asked)["rows"]
    assert [row["cost"] and row["cost"]["weight-bits"] for row in rows] == [None, 80_208, 100_260]
    assert rows[1]["bits"] == {"weights": 4, "activations": 4}
    text = succeed(run, *asked)
    assert "row  weight bits  activation bits  MAC bit operations  DSP48E2  BRAM36\n" in text
    page = (tmp_path / "out/report.html").read_text("utf-8")
    assert "What each row costs" in page
    assert '<td class="number">4.00</td><td class="number">4.00</td><td class="number">80,208</td>' in page
    unbounded = ("sweep", model, "--data", images, "--fraction-bits", "5")
    assert succeed_in_json(run, *unbounded)["rows"][1]["cost"] is None
    assert "weight bits" not in succeed(run, *unbounded)


def test_diff(run: Run, model: Path, plan: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    succeed(run, "plan", model, *AFFINE, "--site", "conv2.weight=ap_fixed<4,0,AP_RND_CONV,AP_SAT>", "--out", other)
    assert succeed(run, "diff", plan, plan) == "The plans are the same: 47 sites.\n"
    found = run("diff", plan, other, "--model", model)
    assert found.exit_code == 1
    assert "conv2.weight  format  ap_fixed<8,2>  ap_fixed<4,0>" in found.stdout
    assert "weight-bits           158,288    139,856  −11.6 %" in found.stdout
    assert run("diff", plan, other, "--json").exit_code == 1
    for arguments, what in (
        ((plan, model), "is to hold JSON"),
        ((plan, other, "--weights", model), "--weights has no use without --model"),
        ((plan, tmp_path / "none.json"), "doesn't exist"),
    ):
        failed = run("diff", *arguments)
        assert failed.exit_code == 2
        assert what in failed.stderr
