"""INT8 for LiteRT: which operators, their scales, the file."""
