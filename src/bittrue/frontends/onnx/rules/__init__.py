"""What each ONNX operator means, by families."""
