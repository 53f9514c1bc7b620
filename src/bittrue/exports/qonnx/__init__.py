"""The export to QONNX: float nodes with a Quant wherever the plan rounds."""
