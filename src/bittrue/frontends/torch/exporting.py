"""A PyTorch model through PyTorch's own ONNX exporter, in memory, to the front end that reads ONNX."""

from collections.abc import Callable
from typing import Any

import torch
from onnx import ModelProto
from onnx.defs import OpSchema
from onnxscript import opset18
from onnxscript.values import Op, Opset

from bittrue.errors import ModelError
from bittrue.frontends.live import check_live
from bittrue.frontends.onnx.file import read_proto
from bittrue.frontends.onnx.model import network_of
from bittrue.frontends.onnx.rules.windows import DIVISOR, DOMAIN
from bittrue.frontends.torch.example import evaluating, one_image, several
from bittrue.frontends.torch.live import torch_live
from bittrue.frontends.torch.quiet import innermost, quiet, reason
from bittrue.network import Network

LEAST_THRESHOLD = 17
"""Of a softplus, above which exp(−threshold) is less than float32's rounding of the result."""


def exported_network(
    source: Any, example_input: Any, name: str, where: str, check: bool, told: Callable[[str], None] | None
) -> Network:
    """The Network of a module with its example input, or of an exported program.

    name: the Network's. where: what texts call the model. check: whether the model is run beside it; where that can't
    be, it is told. Raises: ModelError.
    """
    exported = _exported(source, example_input)
    model: ModelProto = exported.model_proto
    model.graph.name = name
    counts = len(model.graph.input), len(model.graph.output)
    if counts != (1, 1):
        raise several(*counts)
    reading = network_of(read_proto(model, None))
    if check:
        live = torch_live(source, example_input, exported.exported_program, reading)
        check_live(reading.network, live, where, told)
    return reading.network


def _exported(source: Any, example_input: Any) -> Any:
    """The model in ONNX, nothing fused: what an exporter folds into a weight can't have its own format."""
    program = isinstance(source, torch.export.ExportedProgram)
    if not program and not isinstance(source, torch.nn.Module):
        raise ModelError("it is neither an nn.Module nor an exported program: pass one of these")
    with torch.no_grad(), quiet(), evaluating(source):
        try:
            inputs = () if program else one_image(example_input)
            return torch.onnx.export(
                source, inputs, dynamo=True, optimize=False, verbose=False, custom_translation_table=_translations()
            )
        except ModelError:
            raise
        except Exception as error:  # the exporter meets what it can't follow with exceptions of all kinds
            if isinstance(innermost(error), ModelError):  # of a translation below
                raise innermost(error) from error
            raise ModelError(
                f"PyTorch can't export it to ONNX ({reason(error)}): simplify its forward method"
            ) from error


def _translations() -> dict[Any, Any]:
    """What PyTorch would write as hundreds of index computations, in operators of `windows.DOMAIN`."""
    aten = torch.ops.aten
    average_pool, max_pool = (
        _operator(name, output_size="INTS") for name in ("AdaptiveAveragePool", "AdaptiveMaxPool")
    )
    lists, numbers = ("kernel_shape", "strides", "pads"), ("ceil_mode", "count_include_pad", DIVISOR)
    divided = _operator("AveragePool", **dict.fromkeys(lists, "INTS"), **dict.fromkeys(numbers, "INT"))

    def average(x: Any, output_size: Any) -> Any:
        return average_pool(x, output_size=list(output_size))

    def maximum(x: Any, output_size: Any) -> Any:
        values = max_pool(x, output_size=list(output_size))
        return values, values  # the second are the maxima's places, which nothing may read

    def softplus(x: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
        """Beyond the threshold PyTorch returns x, from which this differs by less than float32's rounding.

        Raises: ModelError for one that is so low that it is a step.
        """
        if threshold < LEAST_THRESHOLD:
            raise ModelError(
                f"the threshold {threshold:g} of a softplus makes a step, which no table follows: "
                "train or export the model again with PyTorch's own, 20"
            )
        beta = float(beta)  # it may be a whole number, which ONNX doesn't multiply by
        return opset18.Softplus(x) if beta == 1 else opset18.Div(opset18.Softplus(opset18.Mul(x, beta)), beta)

    def windows(
        x: Any,
        kernel_size: Any,
        stride: Any = (),
        padding: Any = (0, 0),
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> Any:
        size, pads = list(kernel_size), list(padding)
        pool: dict[str, Any] = {
            "kernel_shape": size * (2 // len(size)),
            "strides": (list(stride) or size) * (2 // len(list(stride) or size)),
            "pads": pads * (4 // len(pads)),
            "ceil_mode": int(ceil_mode),
            "count_include_pad": int(count_include_pad),
        }
        return (
            opset18.AveragePool(x, **pool) if divisor_override is None else divided(x, divisor=divisor_override, **pool)
        )

    return {
        aten.avg_pool2d.default: windows,
        aten.softplus.default: softplus,
        aten.adaptive_avg_pool1d.default: average,
        aten.adaptive_avg_pool2d.default: average,
        aten.adaptive_max_pool1d.default: maximum,
        aten.adaptive_max_pool2d.default: maximum,
    }


def _operator(name: str, **attributes: str) -> Any:
    """An operator of one tensor, with attributes of these types, as the exporter calls it."""
    schema = OpSchema(
        *(name, DOMAIN, 1),
        inputs=[OpSchema.FormalParameter("x", "T")],
        outputs=[OpSchema.FormalParameter("y", "T")],
        type_constraints=[("T", ["tensor(float)", "tensor(float16)", "tensor(bfloat16)", "tensor(double)"], "")],
        attributes=[
            OpSchema.Attribute(each, getattr(OpSchema.AttrType, kind), required=True)
            for each, kind in attributes.items()
        ],
    )
    return Op(Opset(DOMAIN, 1), name, schema)
