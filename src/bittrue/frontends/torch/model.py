"""PyTorch models into Networks: modules with an example input, and exported programs.

The model is exported to ONNX in memory and read like a file, so that both doors give one Network.
"""

import contextlib
import logging
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bittrue.errors import ModelError
from bittrue.network import Network, check_parameters

if TYPE_CHECKING:
    from onnx import ModelProto

WITHOUT_ONNX = (
    "PyTorch models are read by way of ONNX, and its packages are not installed: run `pip install 'bittrue[onnx]'`"
)


def from_torch(source: Any, example_input: Any = None) -> Network:
    """The Network of a PyTorch model in evaluation mode.

    source: an nn.Module, or what torch.export.export made of one (which is exported as it is: call `eval()` before), or
    the path of a .pt2 file that torch.export.save wrote.
    example_input: a tensor (batch, …) or a tuple of one, whose shape alone counts; a module needs it, an exported
    program has its own. Functional code is followed as torch.export follows it. Nodes bear the modules' paths:
    `layer1.0.conv1` becomes `layer1_0_conv1`. Images are channels last in the Network, as from_onnx has them.

    Raises: ModelError, in one sentence that names the model, and the module.
    """
    is_path = isinstance(source, str | os.PathLike)
    where, name = os.fspath(source) if is_path else f"the PyTorch model {type(source).__name__}", type(source).__name__
    try:
        if is_path:
            source, name = _load_program(Path(source)), Path(source).stem
        network = _read(_exported(source, example_input), name)
    except ModelError as error:
        raise ModelError(f"{where}: {str(error).rstrip('.')}.") from error
    check_parameters(network, where)
    return network


def _read(model: "ModelProto", name: str) -> Network:
    from bittrue.frontends.onnx.file import read_proto
    from bittrue.frontends.onnx.model import network_of

    model.graph.name = name
    return network_of(read_proto(model, None))[0]


def _load_program(path: Path) -> Any:
    import torch

    from bittrue.frontends.torch.archive import safe_archive

    archive = safe_archive(path)
    try:
        with _quiet():
            return torch.export.load(archive)
    except Exception as error:  # the loader meets damage with exceptions of all kinds
        raise ModelError(f"PyTorch can't load it ({_reason(error)}): export the program again") from error


def _exported(source: Any, example_input: Any) -> "ModelProto":
    """The model in ONNX, nothing fused: what an exporter folds into a weight can't have its own format."""
    import torch

    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ModelError(WITHOUT_ONNX) from error
    program = isinstance(source, torch.export.ExportedProgram)
    if not program and not isinstance(source, torch.nn.Module):
        raise ModelError("it is neither an nn.Module nor an exported program: pass one of these")
    with torch.no_grad(), _quiet(), contextlib.nullcontext() if program else _evaluating(source):
        try:
            inputs = () if program else _one_image(example_input)
            exported = torch.onnx.export(
                source, inputs, dynamo=True, optimize=False, verbose=False, custom_translation_table=_translations()
            )
        except ModelError:
            raise
        except Exception as error:  # the exporter meets what it can't follow with exceptions of all kinds
            raise ModelError(
                f"PyTorch can't export it to ONNX ({_reason(error)}): simplify its forward method"
            ) from error
    assert exported is not None
    return exported.model_proto


def _translations() -> dict[Any, Any]:
    """What PyTorch would write as hundreds of index computations, in operators of `onnx_windows.DOMAIN`."""
    import torch

    aten, average_pool, max_pool = torch.ops.aten, _operator("AdaptiveAveragePool"), _operator("AdaptiveMaxPool")

    def average(x: Any, output_size: Any) -> Any:
        return average_pool(x, output_size=list(output_size))

    def maximum(x: Any, output_size: Any) -> Any:
        values = max_pool(x, output_size=list(output_size))
        return values, values  # the second are the maxima's places, which nothing may read

    return {
        aten.adaptive_avg_pool1d.default: average,
        aten.adaptive_avg_pool2d.default: average,
        aten.adaptive_max_pool1d.default: maximum,
        aten.adaptive_max_pool2d.default: maximum,
    }


def _operator(name: str) -> Any:
    """An operator of one tensor, with the attribute `output_size`, as the exporter calls it."""
    from onnx.defs import OpSchema
    from onnxscript.values import Op, Opset

    from bittrue.frontends.onnx.rules.windows import DOMAIN

    schema = OpSchema(
        *(name, DOMAIN, 1),
        inputs=[OpSchema.FormalParameter("x", "T")],
        outputs=[OpSchema.FormalParameter("y", "T")],
        type_constraints=[("T", ["tensor(float)", "tensor(float16)", "tensor(bfloat16)", "tensor(double)"], "")],
        attributes=[OpSchema.Attribute("output_size", OpSchema.AttrType.INTS, required=True)],
    )
    return Op(Opset(DOMAIN, 1), name, schema)


def _one_image(example_input: Any) -> tuple[Any, ...]:
    """The example with a batch of one: sizes that the model reads from it are then those of one image."""
    import torch

    inputs = tuple(example_input) if isinstance(example_input, tuple | list) else (example_input,)
    if len(inputs) != 1 or not isinstance(inputs[0], torch.Tensor) or inputs[0].dim() < 2:
        raise ModelError(
            "it needs an example input, one tensor with a batch axis: from_torch(module, torch.zeros(1, 3, 32, 32))"
        )
    return (inputs[0][:1].detach(),)


@contextlib.contextmanager
def _evaluating(module: Any) -> Iterator[None]:
    """The module in evaluation mode, and afterwards as it was."""
    training = [inner for inner in module.modules() if inner.training]
    module.eval()
    try:
        yield
    finally:
        for inner in training:
            inner.training = True


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns and logs of its own inner workings; what concerns the user comes as an exception."""
    disabled = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)


def _reason(error: BaseException) -> str:
    """The innermost cause in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return str(error).strip().partition("\n")[0].rstrip(".") or type(error).__name__
