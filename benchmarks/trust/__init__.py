"""Proof that a build harms nothing and survives what happens to processes."""
