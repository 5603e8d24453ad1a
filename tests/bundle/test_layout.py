"""Names of a bundle's files: what users see, and no two alike."""

from __future__ import annotations

from pathlib import Path

from iast_export.bundle.layout import Layout
from iast_export.specs import RUNTIMES, Tier

LAYOUT = Layout(Path("out"), "iast")
TIERS = (Tier(4, 256), Tier(3, 384))


def test_models_are_named_by_bundle_tier_and_precision() -> None:
    tier = TIERS[1]
    assert LAYOUT.onnx(tier, "int8") == Path("out/models/iast-d3-384px-int8.onnx")
    assert LAYOUT.dispatch("fp32").name == "iast-dispatch-fp32.onnx"
    assert LAYOUT.tflite("dynamic_int8").name == "iast-dynamic_int8.tflite"
    assert LAYOUT.style_encoder("litert").name == "iast-style-encoder-fp32.tflite"
    assert LAYOUT.landmarks.name == "iast-landmarks68-fp32.onnx"


def test_the_model_of_a_lane_is_the_tiers_own_or_the_one_of_all_tiers() -> None:
    assert LAYOUT.transfer("onnxruntime", "fp32", TIERS[0]) == LAYOUT.onnx(TIERS[0], "fp32")
    assert {LAYOUT.transfer("litert", "int8", tier) for tier in TIERS} == {LAYOUT.tflite("int8")}


def test_every_model_has_a_name_of_its_own_and_landmarks_are_the_users_choice() -> None:
    files = LAYOUT.model_files(TIERS)
    assert len({file.path for file in files}) == len(files) == 2 * 2 + 2 + 4 + 2
    more = LAYOUT.model_files(TIERS, landmarks=True)
    assert more[:-1] == files and more[-1].role == "landmarks"


def test_what_is_made_beside_a_bundle_is_told_apart_by_runtime_and_tier() -> None:
    names = [LAYOUT.lane("onnxruntime", "int16x8", tier).name for tier in TIERS]
    assert names == ["iast-d4-256px-int16x8.onnx", "iast-d3-384px-int16x8.onnx"]
    assert {LAYOUT.lane("litert", "int16x8", tier).name for tier in TIERS} == {
        "iast-int16x8.tflite"
    }
    mixed = [LAYOUT.mixed(runtime, TIERS[0]) for runtime in RUNTIMES]
    assert [path.name for path in mixed] == [
        "iast-d4-256px-mixed.onnx",
        "iast-d4-256px-litert-mixed.tflite",
    ]
    assert {path.parent for path in mixed} == {Path("out/search/d4-256px")}
    assert LAYOUT.mixed("litert", TIERS[0], Path("own")).parent == Path("own")


def test_paths_are_written_relative_to_the_bundle() -> None:
    goldens = [LAYOUT.relative(path) for path in LAYOUT.goldens(TIERS[0])]
    assert goldens[0] == "golden/d4-256px-content.png" and len(set(goldens)) == 5
    assert LAYOUT.relative(LAYOUT.ranges("litert", TIERS[0])) == (
        "calibration/ranges-litert-d4-256px.json"
    )
