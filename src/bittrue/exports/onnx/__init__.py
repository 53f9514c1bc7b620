"""What the exports to QONNX and to QDQ share: a network's nodes in ONNX, each proven to be exact in floating point."""
