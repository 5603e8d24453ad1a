"""How pictures are judged. Every metric refuses NaN, emptiness and unequal shapes."""
