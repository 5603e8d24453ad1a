"""INT8 for ONNX Runtime: which operators, their scales, the file."""
