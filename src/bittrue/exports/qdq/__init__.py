"""The export to QDQ: float nodes between QuantizeLinear and DequantizeLinear, as onnxruntime reads them."""
