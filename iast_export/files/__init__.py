"""Files, paths and texts: read within limits, written whole or not at all."""
