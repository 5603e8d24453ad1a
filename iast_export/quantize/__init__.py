"""Static INT8 for both runtimes: `onnx_qdq` for ONNX Runtime, `litert` for LiteRT."""
