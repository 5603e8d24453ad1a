"""Ink wash paintings that the project draws itself, as a kind of art to train on and to paint in.

    python -m models.ink --out DIR

No picture of anybody's is in them: paper, washes, dry brush and seal are computed, from a seed.
"""

from models.ink.paper import SIDE_PX
from models.ink.scenes import DRAWN, SCENES, painted, paintings

__all__ = ["DRAWN", "SCENES", "SIDE_PX", "painted", "paintings"]
