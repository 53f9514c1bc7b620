"""Constants of a step as stored tensors: each array once, by the name of its site."""

import numpy as np

from bittrue.exports.onnx.graph import FLOAT32, Constant, Graph, refused

LARGEST_SCALE = 100
"""Fraction bits of either sign."""


def stored(graph: Graph, name: str, array: np.ndarray) -> str:
    """A tensor of this name with these numbers; of another name where that one holds others."""
    place, chosen = 1, name
    while chosen in graph.constants and not _same(graph.constants[chosen], array):
        place += 1
        chosen = f"{name}.{place}"
    return graph.constant(chosen, array)


def _same(first: np.ndarray, second: np.ndarray) -> bool:
    return first.dtype == second.dtype and np.array_equal(first, second)


def require_float32(graph: Graph, constant: Constant) -> None:
    """Refuse codes that float32 doesn't hold."""
    codes = constant.codes
    if codes.size and max(-int(codes.min()), int(codes.max())) > FLOAT32:
        what = f"passes numbers on in float32, and a code of {constant.role} has more than 24 bits"
        raise refused(graph, constant.step, what, f"give {constant.site} fewer")


def require_scales(graph: Graph, constant: Constant) -> None:
    """Refuse powers of two that are no float32 numbers of full precision."""
    farthest = max(map(abs, constant.fraction_bits))
    if farthest > LARGEST_SCALE:
        what = f"scales in float32, and the binary point of {constant.role} lies {farthest} bits away"
        raise refused(graph, constant.step, what, f"give {constant.site} one of at most {LARGEST_SCALE}")


def values_of(constant: Constant) -> np.ndarray:
    """codes · 2^(−F) in float32, in the shape of the codes."""
    scales = np.ldexp(1.0, -np.array(constant.fraction_bits))
    values: np.ndarray = (constant.codes.astype(np.float64) * scales).astype(np.float32)
    return values
