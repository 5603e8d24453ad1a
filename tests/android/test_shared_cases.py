"""The case files that the Android core reads too: current, and fulfilled by the Python side."""

from __future__ import annotations

import io
import json
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image
from pydantic import ValidationError

from iast_export.errors import InputError
from iast_export.pictures.images import fit_longest_side, pad_to, to_levels, to_tensor
from iast_export.pictures.picture_reader import read_picture
from iast_export.pictures.resize import resize
from iast_export.pictures.tiling import run_tiled, tile_axes
from iast_export.reports.manifest import Manifest
from iast_export.runtimes.litert import _dequantize_edge, _quantize_edge
from iast_export.shapes.table import read_table
from iast_export.stylize.bands import affine_bands, preview_bands
from iast_export.stylize.cover import CoverAxis
from iast_export.stylize.moving import MovingMoments, is_cut
from tests.shared_cases import FOLDER, all_files


def cases(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def floats(patterns: list[int]) -> np.ndarray:
    return np.asarray(patterns, np.int32).view(np.float32)


def rgb(rows: Any) -> np.ndarray:
    return np.asarray(rows, np.uint8)


@pytest.mark.parametrize("name", sorted(all_files()))
def test_the_files_are_what_the_generator_makes(name: str) -> None:
    assert (FOLDER / name).read_text(encoding="utf-8") == all_files()[name], (
        "python -m tests.shared_cases"
    )


@pytest.mark.parametrize(
    "case",
    cases("shape_cases.json")["cases"],
    ids=lambda c: f"{c['height_px']}x{c['width_px']}",
)
def test_a_model_is_re_shaped_to_the_byte(case: Any) -> None:
    given = cases("shape_cases.json")
    model = bytes.fromhex(given["model"])
    table = read_table(json.dumps(given["table"]).encode(), model, "the table")
    size = case["height_px"], case["width_px"]
    if case["expect"] is None:
        with pytest.raises(InputError):
            table.reshape(model, given["key"], *size)
    else:
        assert table.reshape(model, given["key"], *size).hex() == case["expect"]


@pytest.mark.parametrize(
    "case", cases("shape_cases.json")["twice"], ids=lambda case: str(case["what"])
)
def test_a_table_that_says_one_thing_twice_is_refused(case: Any) -> None:
    model = bytes.fromhex(cases("shape_cases.json")["model"])
    with pytest.raises(InputError, match=r"twice|in one place") as raised:
        read_table(case["table"].encode(), model, "the table")
    assert raised.value.exit_code == 3


@pytest.mark.parametrize(
    "case", cases("resize_cases.json"), ids=lambda c: f"{c['height_px']}x{c['width_px']}"
)
def test_resize_gives_the_exact_levels(case: Any) -> None:
    assert (
        resize(rgb(case["picture"]), case["height_px"], case["width_px"]).tolist() == case["expect"]
    )


@pytest.mark.parametrize(
    "case", cases("photograph_cases.json"), ids=lambda c: str(c["orientation"])
)
def test_a_photograph_stands_upright_over_white(case: Any) -> None:
    argb = (
        np.asarray(case["argb"], np.int32)
        .view(np.uint32)
        .reshape(case["height_px"], case["width_px"])
    )
    rgba = np.stack([argb >> shift & 255 for shift in (16, 8, 0, 24)], 2).astype(np.uint8)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = case["orientation"]
    stream = io.BytesIO()
    Image.fromarray(rgba).save(stream, "PNG", exif=exif.tobytes())
    assert read_picture(stream.getvalue(), "x").tolist() == case["expect"]


@pytest.mark.parametrize(
    "case", cases("fit_cases.json"), ids=lambda c: f"{c['width_px']}x{c['height_px']}"
)
def test_fitting_gives_the_sizes(case: Any) -> None:
    picture = np.zeros((case["height_px"], case["width_px"], 3), np.uint8)
    assert list(fit_longest_side(picture, case["side_px"]).shape[1::-1]) == case["expect"]


def test_padding_reads_the_mirrored_positions() -> None:
    for case in cases("padding_cases.json"):
        row = np.repeat(np.arange(case["size"], dtype=np.uint8)[None, :, None], 3, 2)
        assert pad_to(row, 1, case["padded"])[0, :, 0].tolist() == case["expect"]


def test_pixels_become_the_same_bits_and_levels() -> None:
    case = cases("codec_cases.json")
    levels = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, 2)
    assert to_tensor(levels)[0, 0, 0].view(np.int32).tolist() == case["level_to_value_bits"]
    values = np.repeat(floats(case["values_bits"])[None, None, None], 3, 1)
    assert to_levels(values)[0, :, 0].tolist() == case["levels"]


def test_int8_edges_round_halves_to_even() -> None:
    case = cases("codec_cases.json")["int8"]
    detail = {
        "dtype": np.int8,
        "quantization": (float(floats([case["scale_bits"]])[0]), case["zero_point"]),
    }
    assert _quantize_edge(floats(case["values_bits"]), detail).tolist() == case["levels"]
    back = _dequantize_edge(np.arange(-128, 128).astype(np.int8), detail)
    assert back.view(np.int32).tolist() == case["dequantized_bits"]


@pytest.mark.parametrize("case", cases("tiling_cases.json"), ids=lambda c: f"{c['tile_px']}")
def test_tiles_are_cut_and_blended_to_the_level(case: Any) -> None:
    picture = rgb(case["picture"])
    down, across = tile_axes(*picture.shape[:2], case["tile_px"], case["size_multiple_px"])
    assert (list(down.starts), list(across.starts)) == (case["tops"], case["lefts"])
    assert [down.weights(top).tolist() for top in down.starts] == case["down"]
    assert [across.weights(left).tolist() for left in across.starts] == case["across"]
    made = iter(range(1000))
    blended, count = run_tiled(
        picture,
        case["tile_px"],
        case["size_multiple_px"],
        lambda tile: ((tile.astype(int) + 7 * next(made)) % 256).astype(np.uint8),
    )
    assert (blended.tolist(), count) == (case["expect"], len(case["tops"]) * len(case["lefts"]))


@pytest.mark.parametrize("case", cases("cover_cases.json"), ids=lambda c: str(c["length_px"]))
def test_pictures_are_cut_into_tiles_that_lie_inside(case: Any) -> None:
    given = [case[f"{name}_px"] for name in ("length", "largest", "halo", "multiple")]
    if case["expect"] is None:
        with pytest.raises(InputError):
            CoverAxis(*given)
        return
    axis = CoverAxis(*given)
    spans = [[span.start_px, span.first_px, span.last_px] for span in axis.spans]
    assert {"side_px": axis.side_px, "spans": spans} == case["expect"]


@pytest.mark.parametrize("case", cases("band_cases.json"), ids=lambda c: str(c["bands"]))
def test_bands_and_photographs_are_drawn_along_a_preview_to_a_level(case: Any) -> None:
    picture, preview = rgb(case["picture"]), rgb(case["preview"])
    ends = np.cumsum([0, *case["bands"]])
    bands = [picture[a:b] for a, b in pairwise(ends)]
    made = np.concatenate(list(preview_bands(bands, preview, picture.shape[:2])))
    assert np.abs(made.astype(int) - case["expect_preview"]).max() <= 1
    guided = np.concatenate(list(affine_bands(picture, rgb(case["small"]), preview)))
    assert np.abs(guided.astype(int) - case["expect_guided"]).max() <= 1
    assert np.abs(guided.astype(int) - picture).max() > 20


@pytest.mark.parametrize("case", cases("moving_cases.json"), ids=lambda c: str(len(c["frames"])))
def test_statistics_move_to_the_bit_and_begin_anew_at_cuts(case: Any) -> None:
    moving, frames = MovingMoments(), [rgb(one["frame"]) for one in case["frames"]]
    for frame, one in zip(frames, case["frames"], strict=True):
        made = moving.add(frame, {"moment_0": floats(one["own_bits"])})
        assert made["moment_0"].view(np.int32).tolist() == one["expect_bits"]
    assert [is_cut(a, b) for a, b in pairwise(frames)] == case["cuts"]
    assert len(moving.cuts) == sum(case["cuts"])


@pytest.mark.parametrize("case", cases("manifest_cases.json"), ids=lambda c: c["wrong"] or "good")
def test_a_manifest_is_read_or_refused(case: Any) -> None:
    text = json.dumps(case["manifest"])
    if case["wrong"] is None:
        assert Manifest.model_validate_json(text).name == "small"
        return
    with pytest.raises(ValidationError):
        Manifest.model_validate_json(text)
