"""A TFLite file for pictures of any shape: which of its numbers follow the picture's sides."""
