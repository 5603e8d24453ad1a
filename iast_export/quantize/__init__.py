"""Static INT8 for both runtimes: `onnx` for ONNX Runtime, `litert` for LiteRT."""
