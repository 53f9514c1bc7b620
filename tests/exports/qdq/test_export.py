"""What the folder for QDQ holds, and what is refused before anything is written."""

import json
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest

from bittrue.data import as_dataset
from bittrue.errors import BittrueError
from bittrue.exports.export import export
from bittrue.exports.qdq import run
from bittrue.exports.witness import verify
from bittrue.plan import Override, Plan, PlanOptions, uniform_plan
from cases import CASES, Case, inputs_of

EVERY_NODE = PlanOptions(rounding_points="every-node")


def planned(name: str, length: int = 8, overrides: Sequence[Override] = ()) -> tuple[Case, Plan]:
    case = next(case for case in CASES if case.name == name)
    return case, uniform_plan(case.network, length, length // 2, options=EVERY_NODE, overrides=overrides)


def written(case: Case, plan: Plan, folder: Path) -> onnx.ModelProto:
    export(case.network, plan, "qdq", folder)
    model = onnx.load(folder / "qdq" / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    return model


@pytest.mark.parametrize(("length", "opset", "kind"), [(8, 13, "int8"), (16, 21, "int16")])
def test_words_of_8_and_16_bits(length: int, opset: int, kind: str, tmp_path: Path) -> None:
    model = written(*planned("conv", length), tmp_path / "out")
    assert [each.version for each in model.opset_import] == [opset]
    stored = {each.name: onnx.numpy_helper.to_array(each) for each in model.graph.initializer}
    assert stored["conv.weight.codes"].dtype == stored["conv.output.zero_point"].dtype == np.dtype(kind)
    assert stored["conv.bias.codes"].dtype == np.int32
    # The bias lies on the grid of the sums, twice as many fraction bits.
    assert stored["conv.bias.scale"] == 2.0**-length
    names = [each for node in model.graph.node for each in node.input[1:] if "zero_point" in each]
    assert len(names) == 2 * len(set(names)) - 2  # no two tensors share them: weight and bias have no QuantizeLinear


def test_what_float32_is_not_proven_to_hold_is_named(tmp_path: Path) -> None:
    written(*planned("conv", 16), tmp_path / "wide")
    unproven = json.loads((tmp_path / "wide" / "qdq" / "sites.json").read_text())["unproven"]
    assert set(unproven) == {"conv.output"}
    assert "floating point is proven to hold 24" in unproven["conv.output"]
    written(*planned("conv", 8), tmp_path / "short")
    found = json.loads((tmp_path / "short" / "qdq" / "sites.json").read_text())
    assert (found["unproven"], found["off_grid"]) == ({}, [])


def test_a_bias_with_a_finer_last_bit_than_the_sums_is_named(tmp_path: Path) -> None:
    model = written(*planned("conv", 8, [Override("conv.bias", "ap_fixed<16,2>")]), tmp_path / "out")
    assert json.loads((tmp_path / "out" / "qdq" / "sites.json").read_text())["off_grid"] == ["conv.bias"]
    (stored,) = (each for each in model.graph.initializer if each.name == "conv.bias.float32")
    assert onnx.numpy_helper.to_array(stored).dtype == np.float32


@pytest.mark.parametrize(
    ("name", "overrides", "message"),
    [
        ("dense", [Override("dense.output", "ap_fixed<8,4,AP_TRN,AP_SAT>")], "give dense.output NEAREST_EVEN"),
        ("dense", [Override("dense.output", "ap_fixed<6,3,AP_RND_CONV,AP_WRAP>")], "dense.output SATURATE"),
        ("dense", [Override("image.output", "ap_fixed<12,4,AP_RND_CONV,AP_SAT>")], "clips no codes of 16 bits"),
        ("dense", [Override("image.output", "ap_fixed<16,4,AP_RND_CONV,AP_SAT_SYM>")], "clips no codes of 16 bits"),
        (
            "dense",
            [Override("image.output", "ap_fixed<20,4,AP_RND_CONV,AP_SAT>")],
            "give image.output 16 bits or fewer",
        ),
        ("dense", [Override("dense.weight", "ap_fixed<40,1>")], "stores codes of 32 bits at most"),
        ("softmax", [], "stop before it with --until dense, and let the host compute it"),
    ],
)
def test_what_qdq_cannot_have_is_refused_before_anything_is_written(
    name: str, overrides: Sequence[Override], message: str, tmp_path: Path
) -> None:
    case, plan = planned(name, overrides=overrides)
    with pytest.raises(BittrueError, match=re.escape(message)):
        export(case.network, plan, "qdq", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_without_onnxruntime_one_sentence_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    case, plan = planned("dense")
    monkeypatch.setattr(run, "find_spec", lambda name: None)
    with pytest.raises(BittrueError, match=re.escape("python -m pip install onnxruntime")):
        verify(case.network, plan, as_dataset(inputs_of(case)), against="qdq")
