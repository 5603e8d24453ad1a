"""A page in the browser of this machine alone, that draws what a bundle draws."""
