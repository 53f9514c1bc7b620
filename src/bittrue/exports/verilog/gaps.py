"""What has no module."""

from bittrue.exports.verilog.table import export_verilog
from bittrue.program import (
    Bypass,
    Divide,
    LogSoftmax,
    Normalize,
    NormalizeTable,
    Quantize,
    Softmax,
    SoftmaxTable,
)

_NO_MODULE = "it has no module yet; stop before it with --until"
_NO_INTEGERS = "its exponentials have no integer form; stop before it with --until"
export_verilog.unsupported(
    Bypass, reason="FLOAT is no integer arithmetic; give its sites formats, or stop before it with --until"
)
export_verilog.unsupported(Divide, reason=_NO_MODULE)
export_verilog.unsupported(LogSoftmax, reason=_NO_INTEGERS)
export_verilog.unsupported(Normalize, reason="its root has no integer form; stop before it with --until")
export_verilog.unsupported(NormalizeTable, reason=_NO_MODULE)
export_verilog.unsupported(Quantize, reason="an exported network takes codes in, so this stands at its input alone")
export_verilog.unsupported(Softmax, reason=_NO_INTEGERS)
export_verilog.unsupported(SoftmaxTable, reason=_NO_MODULE)
