"""What computes in integers, at which scale, and why: decided once, over one form of graph."""
