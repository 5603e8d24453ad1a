"""The user's facial landmark model, which the app can show a face's points with."""

from __future__ import annotations

from iast_export.bundle.facts import BundleFacts
from iast_export.bundle.layout import Layout
from iast_export.errors import InputError
from iast_export.files.artifacts import read_bytes, write_atomic
from iast_export.runtimes.onnx import try_foreign_onnx
from iast_export.specs import LANDMARKS, LANDMARKS_SIDE_PX


def write_landmarks(layout: Layout, facts: BundleFacts) -> None:
    """Copies the model into the bundle, if there is one.

    Raises:
        InputError: it is missing or crashes, or its edges are not those that the app feeds.
        ToolError: ONNX Runtime can't load it.
    """
    if facts.landmarks is None:
        return
    data = read_bytes(facts.landmarks)
    inputs, outputs = try_foreign_onnx(facts.landmarks, data)
    wanted = [[1, 3, LANDMARKS_SIDE_PX, LANDMARKS_SIDE_PX]], [[1, 2 * LANDMARKS]]
    if (inputs, outputs) != wanted:
        raise InputError(
            f"{facts.landmarks} maps {inputs} to {outputs}, {wanted[0]} to {wanted[1]} is needed",
            "export it with those shapes: RGB in [0, 1], 68 points as x, y in [0, 1] of the crop",
        )
    write_atomic(layout.landmarks, data)
