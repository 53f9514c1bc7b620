"""Keras's MultiHeadAttention as the nodes that compute it."""

import numpy as np

from bittrue.errors import ModelError
from bittrue.frontends.keras.config import shown
from bittrue.frontends.keras.use import Graph, LayerUse
from bittrue.network import Operator, Parameter, format_shape
from bittrue.operators import Dense, Mask, MatMul, Reshape, ScaleOffset, Softmax, Transpose
from bittrue.shapes import Shape

INNER_LAYERS = (
    ("query_dense", "query"),
    ("key_dense", "key"),
    ("value_dense", "value"),
    ("output_dense", "attention_output"),
)
"""The layers that hold its weights, in the order in which its rule asks for them: (attribute, name)."""


def multi_head_attention(use: LayerUse) -> Graph:
    """softmax(Q·Kᵀ/√key_dim)·V for each head, causal or without a mask: `name_query`, `name_scores`, `name_softmax`, ….

    Inputs: (positions, features) of query and value, and of key where it isn't the value. Keras multiplies by the
    float32 number next to 1/√key_dim, and so does the node `name_scaled`.
    """
    settings = use.settings
    query, value, key = (*use.shapes, use.shapes[-1])[:3]
    if len(use.shapes) not in (2, 3) or any(len(shape) != 2 for shape in use.shapes):
        found = " and ".join(map(format_shape, use.shapes))
        raise ModelError(f"attention needs a query and a value of positions×features and reads {found}")
    for setting in ("use_gate", "sliding_window"):
        if settings.values.get(setting):
            raise ModelError(f"{setting} is {shown(settings.values[setting])}, which is not supported: leave it out")
    heads, size = settings.integer("num_heads"), settings.integer("key_dim")
    value_size = settings.integer("value_dim")
    outputs = _output_size(use, query[-1])
    bias = settings.flag("use_bias")
    shapes: dict[str, Shape | None] = {}
    for part, features, width in (("query", query, size), ("key", key, size), ("value", value, value_size)):
        shapes[f"{part}.weight"] = (features[-1], heads, width)
        shapes[f"{part}.bias"] = (heads, width) if bias else None
    shapes["weight"], shapes["bias"] = (heads, value_size, outputs), (outputs,) if bias else None
    parameters = use.parameters(shapes)

    def dense(prefix: str, inner: int, width: int) -> Dense:
        stored, added = parameters[f"{prefix}weight"], parameters.get(f"{prefix}bias")
        return Dense(
            Parameter(stored.name, stored.value.reshape(inner, width)),
            None if added is None else Parameter(added.name, added.value.reshape(width)),
        )

    scale = Parameter(use.parameter_name("scaled.scale"), np.array(size**-0.5, np.float32))
    last = len(use.shapes) - 1
    rows, columns = query[0], value[0]
    mask = Mask(np.tri(rows, columns, dtype=np.bool_)) if settings.values.get("use_causal_mask") else None
    parts: tuple[tuple[str, Operator, tuple[str | int, ...]], ...] = (
        ("query", dense("query.", query[-1], heads * size), (0,)),
        ("scaled", ScaleOffset(scale, None), ("query",)),
        ("query_split", Reshape((rows, heads, size)), ("scaled",)),
        ("query_heads", Transpose((1, 0, 2)), ("query_split",)),
        ("key", dense("key.", key[-1], heads * size), (last,)),
        ("key_split", Reshape((columns, heads, size)), ("key",)),
        ("key_heads", Transpose((1, 2, 0)), ("key_split",)),
        ("scores", MatMul(), ("query_heads", "key_heads")),
        ("softmax", Softmax(mask), ("scores",)),
        ("value", dense("value.", value[-1], heads * value_size), (1,)),
        ("value_split", Reshape((columns, heads, value_size)), ("value",)),
        ("value_heads", Transpose((1, 0, 2)), ("value_split",)),
        ("attended", MatMul(), ("softmax", "value_heads")),
        ("attended_split", Transpose((1, 0, 2)), ("attended",)),
        ("attended_joined", Reshape((rows, heads * value_size)), ("attended_split",)),
    )
    return Graph(parts, dense("", heads * value_size, outputs))


def _output_size(use: LayerUse, absent: int) -> int:
    value = use.settings.values.get("output_shape")
    if value is None:
        return absent
    return (
        use.settings.integers("output_shape", 1)[0] if isinstance(value, list) else use.settings.integer("output_shape")
    )
