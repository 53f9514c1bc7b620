"""A small network with quantizers, as QDQ and as QONNX write it."""

import numpy as np
import onnx

from frontends.onnx_zoo import Step, model, random, step

QONNX = "qonnx.custom_op.general"
SHAPE = (1, 2, 6, 5)
KERNEL, BIAS = random(3, 2, 3, 3, seed=3), random(3, seed=4)
MATRIX, TERMS = random(18, 4, seed=5), random(4, seed=6)


def scale(fraction_bits: int) -> np.ndarray:
    return np.float32(2.0**-fraction_bits)


def codes(value: np.ndarray, fraction_bits: int | np.ndarray, kind: str) -> np.ndarray:
    limits = np.iinfo(kind)
    return np.clip(np.round(value * 2.0**fraction_bits), limits.min, limits.max).astype(kind)


def stored(name: str, value: np.ndarray, fraction_bits: int, kind: str) -> Step:
    return step("DequantizeLinear", codes(value, fraction_bits, kind), scale(fraction_bits), name=name)


def rounded(fraction_bits: int, kind: str) -> list[Step]:
    zero = np.zeros((), kind)
    return [
        step("QuantizeLinear", "last", scale(fraction_bits), zero),
        step("DequantizeLinear", "last", scale(fraction_bits), zero),
    ]


def qdq() -> onnx.ModelProto:
    per_channel = np.array([6, 5, 6])
    kernel = codes(KERNEL, per_channel.reshape(3, 1, 1, 1), "int8")
    steps = [
        step("DequantizeLinear", kernel, (2.0**-per_channel).astype(np.float32), np.zeros(3, "int8"), name="w", axis=0),
        stored("b", BIAS, 10, "int32"),
        stored("m", MATRIX, 5, "int8"),
        stored("t", TERMS, 9, "int32"),
        step("QuantizeLinear", "x", scale(5), np.int8(0)),
        *rounded(5, "int8")[1:],
        step("Conv", "last", "w", "b", name="conv", pads=[1, 1, 1, 1]),
        step("Relu", "last", name="relu"),
        *rounded(4, "uint8"),
        step("MaxPool", "last", kernel_shape=[2, 2], strides=[2, 2], name="pool"),
        step("Flatten", "last"),
        step("Gemm", "last", "m", "t", name="dense"),
        *rounded(2, "int8"),
    ]
    return model(SHAPE, steps)


def quant(value: str | np.ndarray, fraction_bits: int | np.ndarray, bits: int, signed: int = 1, **more: object) -> Step:
    width = np.float32(bits)
    scales = (2.0 ** -np.asarray(fraction_bits, float)).astype(np.float32)
    return step(f"{QONNX}:Quant", value, scales, np.float32(0), width, signed=signed, **more)


def qonnx() -> onnx.ModelProto:
    steps = [
        quant(KERNEL, np.array([6, 5, 6]).reshape(3, 1, 1, 1), 8, name="w"),
        quant(BIAS, 10, 32, name="b"),
        quant(MATRIX, 5, 8, name="m"),
        quant(TERMS, 9, 32, name="t"),
        quant("x", 5, 8),
        step("Conv", "last", "w", "b", name="conv", pads=[1, 1, 1, 1]),
        step("Relu", "last", name="relu"),
        quant("last", 4, 8, 0),
        step("MaxPool", "last", kernel_shape=[2, 2], strides=[2, 2], name="pool"),
        step("Flatten", "last"),
        step("Gemm", "last", "m", "t", name="dense"),
        quant("last", 2, 8),
    ]
    return model(SHAPE, steps, domains=[QONNX])
