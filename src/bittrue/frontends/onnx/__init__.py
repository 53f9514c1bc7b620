"""ONNX models into Networks: the file, the batch and the layout of its tensors, and one conversion's state."""
