"""What ONNX can't have with the plan's bits, and why."""

from bittrue.exports.onnx.graph import STOP
from bittrue.exports.onnx.table import export_onnx
from bittrue.program import (
    Bypass,
    Divide,
    LogSoftmax,
    Lookup,
    Normalize,
    NormalizeTable,
    Softmax,
    SoftmaxTable,
)

_FLOATS = "onnxruntime computes it in float32, whose last bits aren't the plan's"
_HOST = f"{STOP}, and let the host compute it"

export_onnx.unsupported(
    Bypass, reason="FLOAT is no fixed-point arithmetic; give its sites formats, or stop before it with --until"
)
export_onnx.unsupported(
    Lookup, reason=f"{_FLOATS}; plan batch norms with --batch-norm affine, and stop before other functions with --until"
)
export_onnx.unsupported(Softmax, reason=f"{_FLOATS}; {_HOST}")
export_onnx.unsupported(SoftmaxTable, reason=f"it has no node whose parts are rounded; {_HOST}")
export_onnx.unsupported(LogSoftmax, reason=f"{_FLOATS}; {_HOST}")
export_onnx.unsupported(Normalize, reason=f"{_FLOATS}; {STOP}")
export_onnx.unsupported(NormalizeTable, reason=f"it has no node whose parts are rounded; {STOP}")
export_onnx.unsupported(Divide, reason=f"a quotient is rounded to float32 before the plan rounds it; {STOP}")
