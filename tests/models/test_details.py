"""A sheet of details: the right pixels, three times as large, under the right captions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from iast_export.pictures.images import Rgb
from models.evaluation.details import CROP_PX, DETAILS, TIMES, enlarged, rows_of


class Blank:
    """Draws one level."""

    name, strengths, parameters, size_multiple_px, fingerprint = "x", (1.0,), 0, 1, "x"

    def pictures(
        self, content: Rgb, style: Rgb, strengths: Sequence[float]
    ) -> Iterator[tuple[float, Rgb]]:
        for strength in strengths:
            yield strength, np.full_like(content, round(100 * strength))


def test_a_detail_is_its_own_pixels_three_times_as_large() -> None:
    rgb = np.arange(512 * 512 * 3, dtype=np.int64).reshape(512, 512, 3).astype(np.uint8)
    made = enlarged(rgb, (190, 130))
    assert made.shape == (CROP_PX * TIMES, CROP_PX * TIMES, 3)
    assert (made[::TIMES, ::TIMES] == rgb[130 : 130 + CROP_PX, 190 : 190 + CROP_PX]).all()
    assert (made[0, 0] == made[TIMES - 1, TIMES - 1]).all()


def test_every_detail_has_a_row_per_artwork_and_a_column_per_method_at_its_strength() -> None:
    artworks = [np.full((512, 512, 3), level, np.uint8) for level in (10, 20)]
    rows, labels = rows_of({"old": (Blank(), 1.0), "new": (Blank(), 0.55)}, artworks)
    assert len(rows) == len(DETAILS) * 2 and {len(row) for row in rows} == {3}
    assert (rows[0][1] == 100).all() and (rows[0][2] == 55).all()
    assert labels[0] == ["sky", "old, strength 1.00", "new, strength 0.55"]
    assert [label[0] for label in labels[::2]] == list(DETAILS)
