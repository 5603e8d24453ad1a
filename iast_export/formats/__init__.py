"""ONNX and TFLite files: read, checked, written. No torch."""
