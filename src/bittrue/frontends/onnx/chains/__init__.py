"""Chains of ONNX nodes that exporters write for one function."""
