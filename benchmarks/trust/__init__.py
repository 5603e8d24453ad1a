"""Proof that a build harms nothing, and that damaged inputs and killed processes harm no build."""
