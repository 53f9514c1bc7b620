"""Random small networks under random plans through QDQ: `python tests/exports/qdq/sweep.py [NETWORKS]`.

As `tests/exports/qonnx/sweep.py`, with what onnxruntime computes where every node is taken as ONNX defines it. Networks
whose sums float32 isn't proven to hold are drawn again.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from bittrue.exports.qdq.quantizers import DIALECT
from bittrue.fixed import Rounding
from exports.qonnx.sweep import sweep

ROUNDINGS = [Rounding.NEAREST_EVEN]

if __name__ == "__main__":
    sweep("qdq", DIALECT, ROUNDINGS)
