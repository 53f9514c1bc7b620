"""What hls4ml can't have with the plan's bits, and why."""

from bittrue.exports.hls4ml.table import STOP, export_hls4ml
from bittrue.program import (
    Bypass,
    Divide,
    LogSoftmax,
    Lookup,
    Normalize,
    NormalizeTable,
    Quantize,
    Select,
    Softmax,
    SoftmaxTable,
)

_TABLES = "hls4ml fills its tables by float arithmetic, whose last bits aren't the plan's"

export_hls4ml.unsupported(
    Bypass, reason="FLOAT is no fixed-point arithmetic; give its sites formats, or stop before it with --until"
)
export_hls4ml.unsupported(Quantize, reason="hls4ml rounds images at a network's input alone")
export_hls4ml.unsupported(
    Lookup, reason=f"{_TABLES}; plan batch norms with --batch-norm affine, and stop before other functions with --until"
)
export_hls4ml.unsupported(Softmax, reason=f"{_TABLES}; {STOP}, and let the host compute it")
export_hls4ml.unsupported(SoftmaxTable, reason=f"{_TABLES}; {STOP}, and let the host compute it")
export_hls4ml.unsupported(LogSoftmax, reason=f"{_TABLES}; {STOP}, and let the host compute it")
export_hls4ml.unsupported(Normalize, reason=f"{_TABLES}; {STOP}")
export_hls4ml.unsupported(NormalizeTable, reason=f"{_TABLES}; {STOP}")
export_hls4ml.unsupported(Divide, reason=f"hls4ml has no layer that divides; {STOP}")
export_hls4ml.unsupported(Select, reason=f"hls4ml has no layer that picks single rows and columns; {STOP}")
