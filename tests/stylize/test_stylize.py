"""Pictures from a bundle: right tier, any lane, strength, golden outputs, refusals."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from iast_export.errors import InputError, UsageError
from iast_export.lanes.default_lane import padding_fault
from iast_export.pictures.images import load_image, save_png
from iast_export.reports.base import VERIFY_PATH
from iast_export.reports.manifest import load_manifest
from iast_export.reports.verify import VerifyReport
from iast_export.specs import Tier
from iast_export.stylize.engine import BundleEngine, ChosenByShape, Oversize
from iast_export.stylize.stylize import stylize

LANES = [
    (r, p)
    for r, ps in {
        "onnxruntime": ("fp32", "int8"),
        "litert": ("fp32", "fp16", "dynamic_int8", "int8"),
    }.items()
    for p in ps
]


def photo(width: int, height: int) -> np.ndarray:
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([x * 255 // width, y * 255 // height, (x + y) % 256], 2).astype(np.uint8)


@pytest.mark.parametrize(("runtime", "precision"), LANES)
def test_every_lane_stylizes_odd_sizes(small_bundle: Path, runtime: str, precision: str) -> None:
    engine = BundleEngine(small_bundle, runtime, precision)  # type: ignore[arg-type]
    _, codes = engine.style_codes(engine.manifest.styles[0].id)
    for width, height, tier in (
        (32, 17, "d4-32px"),
        (33, 3, "d1-64px"),
        (9, 64, "d1-64px"),
        (1, 1, "d4-32px"),
    ):
        image, chosen = engine.stylize(photo(width, height), codes)
        assert (image.shape, chosen.id) == ((height, width, 3), tier)


def test_lanes_agree_with_each_other(small_bundle: Path) -> None:
    picture, images = photo(32, 32), {}
    for runtime, precision in LANES:
        engine = BundleEngine(small_bundle, runtime, precision)  # type: ignore[arg-type]
        _, codes = engine.style_codes(engine.manifest.styles[0].id)
        images[runtime, precision] = engine.stylize(picture, codes)[0].astype(int)
    reference = images["onnxruntime", "fp32"]
    assert np.abs(images["litert", "fp32"] - reference).max() <= 1
    assert all(np.abs(image - reference).mean() < 4 for image in images.values())


@pytest.mark.parametrize("lane", LANES[:1] + LANES[1:2] + LANES[2:3] + LANES[-1:])
def test_golden_pictures_come_out_again_within_tolerance(
    small_bundle: Path, lane: tuple[str, str]
) -> None:
    engine = BundleEngine(small_bundle, *lane)  # type: ignore[arg-type]
    manifest = load_manifest(small_bundle)
    assert len(manifest.golden) == len(manifest.tiers)
    for golden in manifest.golden:
        _, codes = engine.style_codes(golden.style)
        image, tier = engine.stylize(
            load_image(small_bundle / golden.content), codes, golden.strength
        )
        wanted = load_image(small_bundle / golden.outputs["-".join(lane)])
        assert tier.id == golden.tier
        assert np.abs(image.astype(int) - wanted).max() <= golden.tolerance_levels[lane[0]]  # type: ignore[index]


def test_a_style_picture_is_encoded_by_the_bundle(small_bundle: Path, style_folder: Path) -> None:
    picture = sorted(style_folder.glob("*.png"))[0]
    for runtime in ("onnxruntime", "litert"):
        engine = BundleEngine(small_bundle, runtime, "fp32")  # type: ignore[arg-type]
        _, encoded = engine.style_codes(str(picture))
        _, stored = engine.style_codes(picture.stem)
        np.testing.assert_allclose(encoded["style_code"], stored["style_code"], atol=1e-4)


def test_strength_zero_ignores_the_style(small_bundle: Path) -> None:
    engine = BundleEngine(small_bundle, "onnxruntime", "fp32")
    first, second = (engine.style_codes(s.id)[1] for s in engine.manifest.styles[:2])
    picture = photo(32, 32)
    assert np.array_equal(
        engine.stylize(picture, first, 0.0)[0], engine.stylize(picture, second, 0.0)[0]
    )


def test_every_content_meets_every_style(small_bundle: Path, tmp_path: Path) -> None:
    for name, size in (("a", (20, 30)), ("b", (64, 40))):
        save_png(tmp_path / f"{name}.png", photo(*size))
    engine = BundleEngine(small_bundle, "litert", "int8")
    styles = [s.id for s in engine.manifest.styles[:2]]
    made = stylize(engine, [tmp_path / "a.png", tmp_path / "b.png"], styles, tmp_path / "out")
    assert {(m.content, m.style) for m in made} == {(c, s) for c in "ab" for s in styles}
    assert all(m.path.is_file() for m in made) and (tmp_path / "out" / "sheet.png").is_file()


def test_what_cannot_be_stylized_is_refused_before_anything_is_written(
    small_bundle: Path, tmp_path: Path
) -> None:
    save_png(tmp_path / "big.png", photo(65, 20))
    engine = BundleEngine(small_bundle, "litert", "int8")
    style = engine.manifest.styles[0].id
    with pytest.raises(InputError, match="largest tier takes 64"):
        stylize(engine, [tmp_path / "big.png"], [style], tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert stylize(engine, [tmp_path / "big.png"], [style], tmp_path / "out", oversize="scale_down")
    with pytest.raises(UsageError, match="outside 0"):
        stylize(engine, [tmp_path / "big.png"], [style], tmp_path / "out", strength=1.5)
    with pytest.raises(UsageError, match="neither a style"):
        engine.style_codes("no-such-style")


def test_an_altered_model_is_refused(bundle_copy: Path) -> None:
    model = bundle_copy / "models" / "tiny-int8.tflite"
    model.write_bytes(model.read_bytes() + b"x")
    for precision in ("int8", "fp32"):  # whichever is asked for: the folder is no bundle any more
        with pytest.raises(InputError, match=r"tiny-int8.tflite was altered"):
            BundleEngine(bundle_copy, "litert", precision)  # type: ignore[arg-type]


def test_an_altered_style_is_refused_and_a_model_that_is_not_used_may_be_gone(
    bundle_copy: Path,
) -> None:
    (bundle_copy / "models" / "tiny-fp16.tflite").unlink()
    engine = BundleEngine(bundle_copy, "litert", "int8")
    style = engine.manifest.styles[0]
    path = bundle_copy / style.path
    path.write_bytes(bytes(len(path.read_bytes())))
    with pytest.raises(InputError, match="was altered"):
        engine.style_codes(style.id)


def test_a_model_altered_after_the_check_is_refused_when_it_is_opened(bundle_copy: Path) -> None:
    engine = BundleEngine(bundle_copy, "onnxruntime", "fp32")
    _, codes = engine.style_codes(engine.manifest.styles[0].id)
    model = bundle_copy / "models" / "tiny-d4-32px-fp32.onnx"
    model.write_bytes(model.read_bytes() + b"x")
    with pytest.raises(InputError, match="was altered"):
        engine.stylize(photo(20, 20), codes)


def test_a_large_picture_is_tiled_at_its_own_size(small_bundle: Path, tmp_path: Path) -> None:
    save_png(tmp_path / "big.png", photo(150, 40))
    engine = BundleEngine(small_bundle, "litert", "int8")
    style = engine.manifest.styles[0].id
    made = stylize(engine, [tmp_path / "big.png"], [style], tmp_path / "out", oversize="tile")
    image = load_image(made[0].path)
    assert image.shape == (40, 150, 3) and made[0].tier == "d1-64px"
    _, codes = engine.style_codes(style)
    first, _ = engine.stylize(photo(150, 40)[:, :64].copy(), codes)
    assert np.array_equal(
        image[:, :40], first[:, :40]
    )  # before the overlap the first tile stands alone


def test_a_thumbnail_shows_every_style(small_bundle: Path) -> None:
    manifest = load_manifest(small_bundle)
    pictures = [load_image(small_bundle / str(style.thumbnail)) for style in manifest.styles]
    assert all(picture.shape == (32, 32, 3) for picture in pictures)
    assert len({picture.tobytes() for picture in pictures}) == len(pictures)


def _of_fixed_shapes(folder: Path) -> Path:
    """A bundle whose LiteRT files can't be re-shaped, and whose report says what padding loses."""
    listing, verified = folder / "manifest.json", folder / VERIFY_PATH
    found = json.loads(listing.read_text())
    for entry in found["files"]:
        entry["shapes"] = entry["shapes_sha256"] = None
    for tier in found["tiers"]:
        tier["any_shape"] = False
    found["preprocess"]["pad_to"]["litert"] = "shape_px"
    listing.write_text(json.dumps(found))
    report = json.loads(verified.read_text())
    for row in report["rows"]:
        if row["runtime"] == "litert":
            row["own_shape"]["psnr_db"]["mean"] = row["psnr_db"]["mean"] / 2
    verified.write_text(json.dumps(report))
    return folder


def test_pictures_keep_their_shape_in_litert(
    small_bundle: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    engine = ChosenByShape(small_bundle)
    rgb, codes = photo(64, 40), engine.style_codes(engine.usual.manifest.styles[0].id)[1]
    assert engine.engine_for(rgb, "refuse") == (engine.usual, "")
    for size in ((64, 40), (20, 18), (9, 64)):
        drawn, wanted = (
            BundleEngine(small_bundle, name, "fp32").stylize(photo(*size), codes)[0].astype(int)
            for name in ("litert", "onnxruntime")
        )
        assert np.abs(drawn - wanted).max() <= 1, size
    assert not caplog.text


def test_a_picture_that_litert_would_pad_goes_to_onnx_runtime_which_says_why(
    bundle_copy: Path, tmp_path: Path
) -> None:
    small_bundle = _of_fixed_shapes(bundle_copy)
    rule = VerifyReport.load(small_bundle / VERIFY_PATH)
    engine = ChosenByShape(small_bundle)
    sizes = {
        "square": (32, 32),
        "large": (64, 64),
        "wide": (64, 40),
        "small": (20, 20),
        "over": (90, 64),
    }
    for name, size in sizes.items():
        save_png(tmp_path / f"{name}.png", photo(*size))
    style = engine.usual.manifest.styles[0].id
    made = stylize(
        engine,
        [tmp_path / f"{name}.png" for name in sizes],
        [style],
        tmp_path / "out",
        oversize="tile",
    )
    for picture in made:
        fault = padding_fault(
            rule, "litert", engine.usual.precision(_tier(engine, picture.tier)), picture.tier
        )
        padded = picture.content in ("wide", "small") and fault is not None
        assert (picture.runtime == "onnxruntime") == padded == bool(picture.reason), picture
    assert "pads a picture of 64x40 px to 64x64 px" in made[2].reason
    assert np.array_equal(
        load_image(made[2].path),
        BundleEngine(small_bundle, "onnxruntime").stylize(
            photo(64, 40), engine.style_codes(style)[1]
        )[0],
    )


def _tier(engine: ChosenByShape, name: str) -> Tier:
    return next(tier for tier in engine.tiers if tier.id == name)


def test_a_precision_that_only_litert_has_stays_there_and_litert_named_is_obeyed(
    bundle_copy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    small_bundle = _of_fixed_shapes(bundle_copy)
    for engine in (
        ChosenByShape(small_bundle, "fp16"),
        BundleEngine(small_bundle, "litert", "fp32"),
    ):
        caplog.clear()
        chosen, reason = engine.engine_for(photo(64, 40), "refuse")
        assert (chosen.target.name, reason) == ("litert", "")
        assert "pads a picture of 64x40 px" in caplog.text
        caplog.clear()
        assert engine.engine_for(photo(64, 64), "refuse")[0] is chosen and not caplog.text


@pytest.mark.parametrize("oversize", ["scale_down", "tile"])
def test_what_the_network_sees_of_a_large_picture_decides(
    small_bundle: Path, oversize: Oversize
) -> None:
    engine = BundleEngine(small_bundle, "litert", "fp32")
    assert engine.seen(photo(200, 100), oversize)[1:] == (
        (32, 64) if oversize == "scale_down" else (64, 64)
    )
    assert engine.seen(photo(200, 50), oversize)[1:] == (
        (16, 64) if oversize == "scale_down" else (50, 64)
    )


@pytest.mark.parametrize(
    "names", [("a.png", "a.jpg"), ("Foo.png", "foo.jpg"), ("é.png", "e\u0301.png")]
)
def test_contents_or_styles_of_one_name_are_refused_by_both_names(
    small_bundle: Path, tmp_path: Path, names: tuple[str, str]
) -> None:
    for name in names:
        save_png(tmp_path / name, photo(20, 30))
    paths = [tmp_path / name for name in names]
    engine = ChosenByShape(small_bundle)
    style = engine.usual.manifest.styles[0].id
    with pytest.raises(UsageError, match=f"{names[0]} and .*{names[1]} share one name"):
        stylize(engine, paths, [style], tmp_path / "out")
    if names[0].isascii():
        with pytest.raises(UsageError, match=f"{names[0]} and .*{names[1]} share one name"):
            stylize(engine, paths[:1], [str(path) for path in paths], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_two_results_are_never_one_file(small_bundle: Path, tmp_path: Path) -> None:
    for name in ("a", "a--b", "c", "b--c"):
        save_png(tmp_path / f"{name}.png", photo(20, 30))
    pairs = (("a", "a--b"), ("b--c", "c"))
    contents, styles = ([tmp_path / f"{name}.png" for name in pair] for pair in pairs)
    with pytest.raises(UsageError, match=r"two pictures would be .*a--b--c\.png"):
        stylize(
            ChosenByShape(small_bundle), contents, [str(path) for path in styles], tmp_path / "out"
        )


def test_names_that_are_not_utf_8_come_out_as_they_went_in(
    small_bundle: Path, tmp_path: Path
) -> None:
    content = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    save_png(content, photo(32, 32))
    engine = BundleEngine(small_bundle, "litert", "int8")
    (made,) = stylize(engine, [content], [engine.manifest.styles[0].id], tmp_path / "out")
    assert os.fsencode(made.path.name).startswith(b"caf\xe9--") and made.path.is_file()
    assert load_image(tmp_path / "out" / "sheet.png").any()
