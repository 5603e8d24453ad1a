"""The runtimes behind one Protocol, and LiteRT's GPU delegate."""
