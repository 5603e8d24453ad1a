"""Cross-layer equalization: factors that make channels alike, exactly."""
