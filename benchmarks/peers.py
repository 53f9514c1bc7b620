"""The same rounding with other tools, as their users would write it; none is exact, and none proves anything.

PyTorch's FakeQuantize and Brevitas take their place in the eager model: a quantizer for each weight, one after each
node. QONNX executes a graph of Quant nodes; fxpmath and APyTypes multiply a matrix of fixed-point numbers.
"""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from eager import Eager
from torch import nn

from bittrue.network import Network

Run = Callable[[], object]


def naive(network: Network, x: torch.Tensor, word_length: int, fraction_bits: int) -> Run:
    """Scale, round, clamp, scale back: each a tensor of its own."""
    scale, limit = 2.0**fraction_bits, 2.0 ** (word_length - 1)

    def quantize(values: torch.Tensor) -> torch.Tensor:
        return torch.clamp(torch.round(values * scale), -limit, limit - 1) / scale

    model = Eager(network, quantize)
    return lambda: model(x)


def fake_quantize(network: Network, x: torch.Tensor, word_length: int, fraction_bits: int) -> Run:
    """PyTorch's FakeQuantize in evaluation, its observers off."""
    from torch.ao.quantization import FakeQuantize, FixedQParamsObserver

    limit = 1 << word_length - 1
    fake = FakeQuantize.with_args(
        observer=FixedQParamsObserver,
        scale=2.0**-fraction_bits,
        zero_point=0,
        quant_min=-limit,
        quant_max=limit - 1,
        dtype=torch.qint32,
    )()
    fake.disable_observer()
    model = Eager(network, fake.eval())
    return lambda: model(x)


def brevitas(network: Network, x: torch.Tensor, word_length: int, fraction_bits: int) -> Run:
    """Layers of Brevitas with power-of-two scales, its weights quantized at every call, as evaluation does it."""
    model = _brevitas(network, x, word_length)
    return lambda: model(x)


def brevitas_inference(network: Network, x: torch.Tensor, word_length: int, fraction_bits: int) -> Run:
    """The same in Brevitas's inference mode: weights quantized once and kept, activations without its QuantTensors."""
    from brevitas.export.inference import quant_inference_mode

    model = _brevitas(network, x, word_length)
    quant_inference_mode(model, cache_quant_weight=True).__enter__()  # for as long as the model lives
    return lambda: model(x)


def _brevitas(network: Network, x: torch.Tensor, word_length: int) -> Eager:
    from brevitas import nn as layers
    from brevitas.quant import Int8ActPerTensorFixedPoint, Int8WeightPerTensorFixedPoint

    def quantized(module: nn.Module) -> nn.Module:
        weight = {"weight_quant": Int8WeightPerTensorFixedPoint, "weight_bit_width": word_length}
        if isinstance(module, nn.Conv2d):
            made = layers.QuantConv2d(
                module.in_channels,
                module.out_channels,
                module.kernel_size,
                module.stride,
                module.padding,
                module.dilation,
                module.groups,
                bias=module.bias is not None,
                **weight,
            )
        elif isinstance(module, nn.Linear):
            made = layers.QuantLinear(module.in_features, module.out_features, bias=module.bias is not None, **weight)
        else:
            return module
        made.load_state_dict(module.state_dict(), strict=False)
        return made

    identity = layers.QuantIdentity(act_quant=Int8ActPerTensorFixedPoint, bit_width=word_length)
    model = Eager(network, identity)
    for name, layer in model.layers.items():
        parts = list(layer) if isinstance(layer, nn.Sequential) else [layer]
        model.layers[name] = nn.Sequential(*map(quantized, parts)) if len(parts) > 1 else quantized(parts[0])
    identity.train()
    model(x)
    return model.eval().to(memory_format=torch.channels_last)


EAGER = {
    "naive fake quantization": naive,
    "PyTorch FakeQuantize": fake_quantize,
    "Brevitas": brevitas,
    "Brevitas in inference mode": brevitas_inference,
}
"""By name, what runs a whole network."""


def onnxruntime_float(network: Network, x: np.ndarray, threads: int) -> Run:
    """The float model in onnxruntime, all its optimizations on."""
    return _session(_onnx(network, x), x, threads)


def onnxruntime_int8(network: Network, x: np.ndarray, threads: int) -> Run:
    """The model quantized by onnxruntime itself, QDQ, 8 bits: its scales are any numbers, and its bits its own."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self._batches = iter([{"x": np.ascontiguousarray(np.moveaxis(x, -1, 1))}])

        def get_next(self) -> dict[str, np.ndarray] | None:
            return next(self._batches, None)

    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        source.write_bytes(_onnx(network, x))
        kinds = {"activation_type": QuantType.QUInt8, "weight_type": QuantType.QInt8}
        quantize_static(source, target, Reader(), quant_format=QuantFormat.QDQ, per_channel=True, **kinds)
        return _session(target.read_bytes(), x, threads)


def _onnx(network: Network, x: np.ndarray) -> bytes:
    example = torch.from_numpy(np.ascontiguousarray(np.moveaxis(x, -1, 1)))
    program = torch.onnx.export(Eager(network), (example,), input_names=["x"], dynamo=True, verbose=False)
    return program.model_proto.SerializeToString()


def _session(model: bytes, x: np.ndarray, threads: int) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    feed = {"x": np.ascontiguousarray(np.moveaxis(x, -1, 1))}
    return lambda: session.run(None, feed)


def compiled_float(network: Network, x: np.ndarray, threads: int) -> Run:
    """The float model by torch.compile, which needs a C++ compiler."""
    model = torch.compile(Eager(network))
    image = torch.from_numpy(x).movedim(-1, 1)
    return lambda: model(image)


WHOLE = {
    "torch.compile, float": compiled_float,
    "onnxruntime, float": onnxruntime_float,
    "onnxruntime, int8 (inexact)": onnxruntime_int8,
}
"""By name, what runs a whole network in its own way."""


def qonnx(weights: list[np.ndarray], x: np.ndarray, word_length: int, fraction_bits: int) -> Run:
    """QONNX's execution of dense layers with ReLU: a Quant node for each weight and after each layer."""
    from onnx import TensorProto, helper, numpy_helper
    from qonnx.core.modelwrapper import ModelWrapper
    from qonnx.core.onnx_exec import execute_onnx
    from qonnx.transformation.infer_shapes import InferShapes

    constants = {"scale": np.float32(2.0**-fraction_bits), "zero": np.float32(0), "bits": np.float32(word_length)}
    nodes, last = [], "x"

    def quantized(name: str) -> str:
        inputs = [name, "scale", "zero", "bits"]
        made = helper.make_node(
            "Quant", inputs, [f"{name}_q"], domain="qonnx.custom_op.general", signed=1, narrow=0, rounding_mode="ROUND"
        )
        nodes.append(made)
        return f"{name}_q"

    for index, weight in enumerate(weights):
        constants[f"w{index}"] = weight.astype(np.float32)
        nodes.append(helper.make_node("MatMul", [quantized(last), quantized(f"w{index}")], [f"m{index}"]))
        nodes.append(helper.make_node("Relu", [f"m{index}"], [f"r{index}"]))
        last = f"r{index}"
    last = quantized(last)
    graph = helper.make_graph(
        nodes,
        "dense layers",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, x.shape)],
        [helper.make_tensor_value_info(last, TensorProto.FLOAT, (len(x), weights[-1].shape[1]))],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    imports = [helper.make_opsetid("", 13), helper.make_opsetid("qonnx.custom_op.general", 1)]
    model = ModelWrapper(helper.make_model(graph, opset_imports=imports)).transform(InferShapes())
    return lambda: execute_onnx(model, {"x": x})


def fxpmath(weight: np.ndarray, x: np.ndarray, word_length: int, fraction_bits: int) -> Run:
    from fxpmath import Fxp

    made = {"signed": True, "n_word": word_length, "n_frac": fraction_bits, "rounding": "around"}
    inputs, weights = Fxp(x, **made), Fxp(weight, **made)
    return lambda: Fxp(inputs.dot(weights), **made)


def apytypes(weight: np.ndarray, x: np.ndarray, word_length: int, fraction_bits: int) -> Run:
    from apytypes import OverflowMode, QuantizationMode, fx

    bits = {"int_bits": word_length - fraction_bits, "frac_bits": fraction_bits}
    inputs, weights = fx(x, **bits), fx(weight, **bits)
    return lambda: (inputs @ weights).cast(**bits, quantization=QuantizationMode.RND_CONV, overflow=OverflowMode.SAT)
