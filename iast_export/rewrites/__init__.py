"""Exact rewrites of float ONNX graphs into forms that stay fast, or whole, in integers."""
