"""Pictures: read in every format, scaled, padded, cut, and sets of them."""
