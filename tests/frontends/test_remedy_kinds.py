"""What every refusal of a model tells the user to do, by kind, and the test that does it.

A refusal has its remedy behind a colon. A new kind of remedy has no row here until a test has tried it.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import bittrue

SOURCE = Path(bittrue.__file__).parent
TESTS = Path(__file__).parent

TRIED = {
    # The same model, written whole and as it was trained, passes through every door with the same bits.
    r"(.*; )?(copy|save|export|build|load|train|write).*\b(again|folded|dense ones|in one folder|data files|too)\b": (
        "test_doors.py::test_files_of_keras"
    ),
    r"\{(EXPORT_AGAIN|SAVE_AGAIN|error)\}|export (it|the model|the trained model|one program|again)\b.*": (
        "test_doors.py::test_doors_of_pytorch_and_onnx"
    ),
    r"save (the|a|it) .*(model\.save|\.keras|weights|inference|folder).*|copy the whole folder|put it beside .*": (
        "test_doors.py::test_a_saved_model"
    ),
    r"build the model as the saved one was built|name (one by its|the layers as).*": (
        "test_doors.py::test_a_checkpoint"
    ),
    r"(check the path|correct (it|its arguments).*|install bittrue again|name a folder with more room in TMPDIR)": (
        "test_load.py::test_files_and_objects"
    ),
    r"give (\{READABLE\}|an \.onnx file|it fewer|the models in it fewer).*|pass (one of these|the model's path)": (
        "test_load.py::test_files_and_objects"
    ),
    r"(leave (it|the weights) out|give weights only .*|write \{path\}:function|add one that .*|\{_named.*)": (
        "test_python_file.py::test_a_function_that_builds_the_model"
    ),
    r"(write model\.to_json\(\)|write them with model\.save_weights|give the (file of model\.save_w|model's own).*)": (
        "keras/test_json_file.py::test_of_keras_3"
    ),
    r"give the nested layers names of their own.*": (
        "keras/test_h5.py::test_nested_layers_whose_arrays_cannot_be_told_apart"
    ),
    r"(give the folder that|\{AS_A_FOLDER\}).*": "test_doors.py::test_a_saved_model_by_its_folder",
    r"\{(PACKED|remedy)\}|.*(one tensor for them|returns the one that the hardware computes).*": (
        "test_several.py::test_keras_inputs_are_packed_and_an_output_is_chosen"
    ),
    r"choose (it, as in|with) --output.*": "test_several.py::test_an_output_of_a_file_is_chosen",
    r"from_torch\(module.*|simplify its forward method": "torch/test_modules.py::test_functional_code",
    r"\{REMEDY\}|export the program .*": "torch/test_modules.py::test_programs_and_their_files",
    r"put keras\.Input.*|build the model on keras\.Input.*|call it on .*|use layers of keras\.layers": (
        "keras/test_names.py::test_names_come_from_the_model"
    ),
    # Ways to write a network otherwise, with the numbers of the refused one.
    r"(put it behind|replace it by layers|take keras\.ops|use a Dense layer|use a function of|use 2, 0\.5).*": (
        "test_remedies.py::test_a_remedy_for_a_keras_model"
    ),
    r"(keep the axes|subtract the mean|multiply by the dev|write (it with keras\.ops|maximum)).*": (
        "test_remedies.py::test_a_remedy_for_a_keras_model"
    ),
    r"(resize the images before|only constants are supported, so concatenate|\{advice\}).*": (
        "test_remedies.py::test_a_remedy_for_a_keras_model"
    ),
    r"use finite numbers": "test_remedies.py::test_a_remedy_for_a_keras_model",
    r"use relu": "test_remedies.py::test_a_celu_whose_alpha_is_0_is_a_relu",
    r"reshape one of them": "test_remedies.py::test_ranks_are_made_equal",
    r"pad one": "onnx/test_remedies.py::test_a_remedy_for_an_onnx_model",
    r"crop the images before": "test_remedies.py::test_images_are_cropped_before",
    r"build the model from layers.*": "test_remedies.py::test_a_subclassed_model_is_built_again",
    r".*\{IN_ONNX\}": "test_remedies.py::test_channels_first_comes_as_onnx",
    r"put them last with Permute": "test_remedies.py::test_squares_of_rows_are_put_last",
    r"\{(kind\.remedy|remedy\(.*)\}|\{remedy.*": (
        "test_remedies.py::test_spectral_normalization_leaves_normalized_weights"
    ),
    r"convert it with onnx\.version_converter.*": "test_remedies.py::test_an_old_operator_set_is_converted",
    r"(export it without them, or inline).*": "test_remedies.py::test_functions_of_a_file_are_inlined",
    r"(concatenate|use (2, 3|matmul|one or two sp)|take them with sl|write (x \*|Max)|reshape it to|\{BY_MAT).*": (
        "onnx/test_remedies.py::test_a_remedy_for_an_onnx_model"
    ),
    r"(whole factors|.*is not supported: \{BY_MATRICES\}).*": "onnx/test_remedies.py::test_a_remedy_for_an_onnx_model",
    r"leave that axis out|keep (that axis first|one)|begin with .*|give that axis .*|name the axes of one image": (
        "onnx/test_batch.py::test_what_works_beside_it_is_read"
    ),
    r"leave (it to the host|out what reads it)": "onnx/test_remedies.py::test_a_network_ends_at_a_value_on_the_way",
    r"\{(END_BEFORE|OPERATION_ADVICE\['Argmax'\])\}": "test_classes.py::test_another_argmax_is_left_out",
    r"end the model at the values that its ArgMax": "test_classes.py::test_other_classes_than_the_models_are_refused",
    r"use spatial=1": "onnx/test_versions.py::test_operator_sets",
    r"use unbind or slices": "onnx/test_remedies.py::test_a_remedy_for_an_onnx_model",
    r"use Cropping2D or ZeroPadding2D": "test_remedies.py::test_a_remedy_for_a_keras_model",
    # Other quantizers, which mean that the network is trained or quantized otherwise: those named are read.
    r".*(power-of-two scales|one scale|to \{MAXIMUM|4 to 16 bits|ROUNDINGS|signed, or not|with two bits|symmetric).*": (
        "onnx/test_quantized.py::test_the_quantizers_are_the_plan"
    ),
    r"clip (them first|to 0).*|add its negative|use one|resize height and width by the same factor": (
        "onnx/test_quantized.py::test_words_below_8_bits_are_clipped_codes"
    ),
    r"(train with|use (alpha|quantized_relu|two bits|QConv2D)|make one with `bittrue plan).*": (
        "keras/test_quantized.py::test_the_same_numbers_as_qkeras"
    ),
    r"(train without scaler|use (kif|WRAP|one of)|put hgq|run hgq|take the layer out).*": (
        "keras/test_quantized.py::test_the_same_bits_as_hgq2"
    ),
    r"\{STATE\}": "torch/test_modules.py::test_a_plain_recurrent_layer_is_named",
    r"use 1 to \{MAXIMUM_POSITIONS\}": "test_live.py::test_sums_over_windows_have_the_divisor_of_the_module",
    r"(give the model (in floating|the larger)|save the float model|train or export the model with weights).*": (
        "test_doors.py::test_files_of_keras"
    ),
}
"""Remedies, and the test that runs them, or that reads what they ask for."""


def text(node: ast.expr) -> str:
    """A message as it stands in the source, with the names of what is put in."""
    if isinstance(node, ast.Constant):
        return str(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(map(text, node.values))
    if isinstance(node, ast.FormattedValue):
        return f"{{{ast.unparse(node.value)}}}"
    return f"{{{ast.unparse(node)}}}"


def messages(folder: Path) -> Iterator[tuple[str, str]]:
    """(where, message) of every exception that is made."""
    for path in sorted(folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and node.args:
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                if name.endswith("Error"):
                    yield f"{path.relative_to(folder)}:{node.lineno}", text(node.args[0])


def remedies() -> list[tuple[str, str]]:
    found = ((where, message.rstrip(".").rpartition(": ")) for where, message in messages(SOURCE / "frontends"))
    return [(where, remedy) for where, (before, _, remedy) in found if before and remedy != "{str(error).rstrip('.')}"]


def untried(found: list[tuple[str, str]]) -> list[str]:
    return [f"{where} {remedy}" for where, remedy in found if not any(re.match(kind, remedy) for kind in TRIED)]


def test_every_remedy_is_of_a_kind_that_a_test_tries() -> None:
    found = remedies()
    assert len(found) > 250
    assert not untried(found)


def test_another_remedy_would_be_noticed() -> None:
    """The canary."""
    assert untried([("here.py:1", "pray")]) == ["here.py:1 pray"]


@pytest.mark.parametrize("test", sorted(set(TRIED.values())))
def test_the_tests_are_there(test: str) -> None:
    file, _, name = test.partition("::")
    assert f"def {name}(" in (TESTS / file).read_text()


def test_no_message_is_longer_than_forty_words() -> None:
    """What is put in counts as one word."""
    lengths = {where: len(re.sub(r"\{.*?\}", "X", message).split()) for where, message in messages(SOURCE)}
    assert not {where: length for where, length in lengths.items() if length > 40}
