"""The words of a checkpoint's card: what it was trained on, and under which terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# What a card counts of the pictures; the last are among the artworks.
COUNTED = ("photographs", "artworks", "drawn_artworks")
_COUNTS = {1: "one depth", 2: "two depths", 3: "three depths", 4: "four depths"}


def card_of(
    net: Any, counts: Mapping[str, int], training: Mapping[str, Any], metrics: Mapping[str, Any]
) -> dict[str, Any]:
    """The card of a student; `counts` are those of `COUNTED`."""
    depths = len(net.depths)
    drawn = "; ink wash drawn by this project (models/ink)" if counts.get(COUNTED[-1]) else ""
    return {
        "name": f"IAST student, integer-first, {_COUNTS.get(depths, f'{depths} depths')}",
        "licence": "Apache-2.0 for the weights; "
        "see data for the terms of what they were trained on",
        "value_range": "float RGB in [0, 1], NCHW",
        "data": {
            **counts,
            "sources": "ImageNet sample, BSDS500, COCO-128, AFHQ (research, non-commercial and "
            "mixed terms); "
            "Art Institute of Chicago and other open-access oils (CC0), KaoKore (CC BY-SA 4.0)"
            f"{drawn}",
            "held_out": "Kodak-24, all faces, all cartoon scenes, every eighth other artwork",
            "perceptual_network": "VGG-19 distilled by Collaborative-Distillation (CVPR 2020, MIT)",
            "face_network": "68 landmarks of face-api.js (MIT), in the training of recipes with "
            "face terms; where its listing of faces says so, moved from Dlib's (learned from iBUG "
            "300-W: research) and the outlines of MediaPipe's face mesh (Apache-2.0)",
        },
        "training": dict(training),
        "metrics": dict(metrics),
    }
