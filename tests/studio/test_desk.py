"""The desk draws what `stylize` draws, beside FP32's, of pictures that the same reader takes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from iast_export.errors import InputError, UsageError
from iast_export.metrics.fidelity import psnr_db
from iast_export.pictures.images import encode_png, fit_longest_side
from iast_export.studio import desk as module
from iast_export.studio.desk import Desk, Wish
from iast_export.stylize.engine import BundleEngine, ChosenByShape

PHOTOGRAPH = np.random.default_rng(3).integers(0, 256, (24, 30, 3), np.uint8)
ART = np.random.default_rng(4).integers(0, 256, (40, 40, 3), np.uint8)


@pytest.fixture(scope="module")
def desk(small_bundle: Path) -> Desk:
    return Desk(small_bundle)


@pytest.fixture
def style(desk: Desk) -> str:
    return desk.manifest.styles[0].id


def test_it_draws_what_stylize_draws(desk: Desk, style: str, small_bundle: Path) -> None:
    made = desk.paint(encode_png(PHOTOGRAPH), "me.png", Wish(style, 0.5))
    engine = ChosenByShape(small_bundle)
    codes = engine.style_codes(style)[1]
    drawn, tier = engine.engine_for(PHOTOGRAPH, "refuse")[0].stylize(PHOTOGRAPH, codes, 0.5)
    assert np.array_equal(made.picture, drawn) and made.tier == tier
    assert np.array_equal(made.photograph, PHOTOGRAPH)
    assert made.size_px == (30, 24) and made.milliseconds > 0 and made.clock == "processor"
    assert made.file == f"me--{style}.png"


def test_every_lane_is_drawn_and_held_to_fp32(desk: Desk, style: str, small_bundle: Path) -> None:
    reference = BundleEngine(small_bundle, "onnxruntime", "fp32")
    codes = reference.style_codes(style)[1]
    wanted, _ = reference.stylize(PHOTOGRAPH, codes)
    for lane in desk.lanes():
        made = desk.paint(encode_png(PHOTOGRAPH), "me.png", Wish(style, lane=lane))
        if made.lane == "ONNX Runtime FP32":
            assert made.reference is None and np.array_equal(made.picture, wanted)
        else:
            assert made.reference is not None and np.array_equal(made.reference, wanted)
            assert made.psnr_db == psnr_db(wanted, made.picture)
    assert {"", "litert", "litert int8", "onnxruntime fp32"} <= set(desk.lanes())


def test_a_tier_that_is_chosen_draws_and_a_larger_picture_is_scaled_down_to_it(
    desk: Desk, style: str
) -> None:
    small, large = desk.manifest.depth_plan
    assert desk.paint(encode_png(PHOTOGRAPH), "me.png", Wish(style, tier=large.id)).tier == large
    photograph = np.random.default_rng(5).integers(0, 256, (50, 100, 3), np.uint8)
    for tier, wish in ((small, Wish(style, tier=small.id)), (large, Wish(style))):
        made = desk.paint(encode_png(photograph), "me.png", wish)
        assert made.tier == tier and made.size_px == (100, 50)
        assert np.array_equal(made.photograph, fit_longest_side(photograph, tier.max_side_px))
        assert made.picture.shape == made.photograph.shape


def test_an_artwork_becomes_a_style_as_for_stylize(desk: Desk, small_bundle: Path) -> None:
    added = desk.add_artwork(encode_png(ART), "my art.png")
    made = desk.paint(encode_png(PHOTOGRAPH), "me.png", Wish(added.id, lane="litert fp32"))
    engine = BundleEngine(small_bundle, "litert", "fp32")
    assert np.array_equal(made.picture, engine.stylize(PHOTOGRAPH, engine.encode(ART))[0])
    assert made.style == added.title == "my art" and made.file == "me--my-art.png"


def test_styles_are_mixed_as_by_stylize(desk: Desk, small_bundle: Path) -> None:
    first, second = desk.manifest.styles[:2]
    one, two = first.id, second.id
    made = desk.paint(
        encode_png(PHOTOGRAPH), "me.png", Wish(f"{one}:1+{two}:1", lane="litert fp32")
    )
    engine = BundleEngine(small_bundle, "litert", "fp32")
    name, codes = engine.style_codes(f"{one}:0.5+{two}:0.5")
    assert np.array_equal(made.picture, engine.stylize(PHOTOGRAPH, codes)[0])
    titles = [style.title or style.id for style in (first, second)]
    assert made.style == f"50% {titles[0]} + 50% {titles[1]}"
    assert made.file == f"me--{name}.png"


def test_the_oldest_artworks_go_first(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ARTWORKS", 2)
    first, _, last = (desk.add_artwork(encode_png(ART), "art.png") for _ in range(3))
    with pytest.raises(UsageError, match="add the artwork again"):
        desk.paint(encode_png(PHOTOGRAPH), "me.png", Wish(first.id))
    assert desk.paint(encode_png(PHOTOGRAPH), "me.png", Wish(last.id)).style == "art"


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ({"strength": 1.5}, "outside 0..1"),
        ({"strength": float("nan")}, "outside 0..1"),
        ({"tier": "d9-9px"}, "choose of d4-32px"),
        ({"lane": "tvm"}, "there is no runtime 'tvm'"),
        ({"lane": "litert int3"}, "there is no precision 'int3'"),
        ({"lane": "onnxruntime fp16"}, "has no onnxruntime model in fp16"),
        ({"style": "/etc/passwd"}, "is no style of the bundle"),
        ({"style": "own/1:1+sea:1"}, "is no style of the bundle"),
        ({"style": "sea:1"}, "'sea' of 'sea:1' is no style of the bundle"),
    ],
)
def test_what_can_not_be_drawn_is_said(
    wish: dict[str, object], said: str, desk: Desk, style: str
) -> None:
    with pytest.raises(UsageError, match=said):
        desk.paint(encode_png(PHOTOGRAPH), "me.png", Wish(**{"style": style, **wish}))  # type: ignore[arg-type]


def test_a_file_that_is_no_picture_is_refused_by_the_reader_of_stylize(
    desk: Desk, style: str
) -> None:
    with pytest.raises(InputError, match=r"me\.txt"):
        desk.paint(b"no picture", "me.txt", Wish(style))
    with pytest.raises(InputError, match=r"cut short|damaged"):
        desk.paint(encode_png(PHOTOGRAPH)[:200], "me.png", Wish(style))


def test_what_is_done_to_a_photograph_is_said_with_it(desk: Desk, style: str) -> None:
    import cv2

    clear = np.dstack([PHOTOGRAPH, np.zeros((24, 30), np.uint8)])
    made = desk.paint(cv2.imencode(".png", clear)[1].tobytes(), "me.png", Wish(style))
    assert made.notes == ["me.png: what is transparent is laid over white"]
    assert desk.paint(encode_png(PHOTOGRAPH), "me.png", Wish(style)).notes == []
