"""What C can't have by its nature."""

from bittrue.exports.c.table import export_c
from bittrue.program import Bypass, Quantize

export_c.unsupported(
    Bypass, reason="FLOAT is no integer arithmetic; give its sites formats, or stop before it with --until"
)
export_c.unsupported(Quantize, reason="an exported network takes codes in, so this stands at its input alone")
