"""A PyTorch model through PyTorch's own ONNX exporter, in memory, to the front end that reads ONNX."""

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from onnx import ModelProto
from onnx.defs import OpSchema
from onnxscript import opset18
from onnxscript.values import Op, Opset

from bittrue.errors import ModelError
from bittrue.frontends.onnx.file import read_proto
from bittrue.frontends.onnx.model import network_of
from bittrue.frontends.onnx.rules.windows import DOMAIN
from bittrue.frontends.torch.quiet import quiet, reason
from bittrue.network import Network
from bittrue.wording import counted

PACKED = (
    "wrap it in a module whose forward slices one tensor, as in return self.model(x[:, :8], x[:, 8:]), and pack the "
    "data alike"
)


def exported_network(source: Any, example_input: Any, name: str) -> Network:
    """The Network of a module with its example input, or of an exported program. Raises: ModelError."""
    model = _exported(source, example_input)
    model.graph.name = name
    counts = len(model.graph.input), len(model.graph.output)
    if counts != (1, 1):
        raise several(*counts)
    return network_of(read_proto(model, None))[0]


def several(inputs: int, outputs: int) -> ModelError:
    """The error for a model with so many of each."""
    remedy = PACKED if inputs != 1 else "wrap it in a module whose forward returns the one that the hardware computes"
    return ModelError(
        f"it has {counted(inputs, 'input')} and {counted(outputs, 'output')}, and bittrue takes one of each: {remedy}"
    )


def _exported(source: Any, example_input: Any) -> ModelProto:
    """The model in ONNX, nothing fused: what an exporter folds into a weight can't have its own format."""
    program = isinstance(source, torch.export.ExportedProgram)
    if not program and not isinstance(source, torch.nn.Module):
        raise ModelError("it is neither an nn.Module nor an exported program: pass one of these")
    with torch.no_grad(), quiet(), contextlib.nullcontext() if program else _evaluating(source):
        try:
            inputs = () if program else _one_image(example_input)
            exported: Any = torch.onnx.export(  # never None, but where it writes a file
                source, inputs, dynamo=True, optimize=False, verbose=False, custom_translation_table=_translations()
            )
        except ModelError:
            raise
        except Exception as error:  # the exporter meets what it can't follow with exceptions of all kinds
            raise ModelError(
                f"PyTorch can't export it to ONNX ({reason(error)}): simplify its forward method"
            ) from error
    model: ModelProto = exported.model_proto
    return model


def _translations() -> dict[Any, Any]:
    """What PyTorch would write as hundreds of index computations, in operators of `windows.DOMAIN`."""
    aten, average_pool, max_pool = torch.ops.aten, _operator("AdaptiveAveragePool"), _operator("AdaptiveMaxPool")

    def average(x: Any, output_size: Any) -> Any:
        return average_pool(x, output_size=list(output_size))

    def maximum(x: Any, output_size: Any) -> Any:
        values = max_pool(x, output_size=list(output_size))
        return values, values  # the second are the maxima's places, which nothing may read

    def softplus(x: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
        """Beyond the threshold PyTorch returns x, from which this differs by less than float32's rounding."""
        return opset18.Softplus(x) if beta == 1 else opset18.Div(opset18.Softplus(opset18.Mul(x, beta)), beta)

    return {
        aten.softplus.default: softplus,
        aten.adaptive_avg_pool1d.default: average,
        aten.adaptive_avg_pool2d.default: average,
        aten.adaptive_max_pool1d.default: maximum,
        aten.adaptive_max_pool2d.default: maximum,
    }


def _operator(name: str) -> Any:
    """An operator of one tensor, with the attribute `output_size`, as the exporter calls it."""
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
    inputs = tuple(example_input) if isinstance(example_input, tuple | list) else (example_input,)
    if len(inputs) > 1:
        raise ModelError(f"{len(inputs)} example inputs were given, and bittrue takes one: {PACKED}")
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
