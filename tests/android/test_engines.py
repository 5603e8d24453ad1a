"""The app's engines, run: their own classes on a desktop JVM, LiteRT and ONNX Runtime behind the
bridge.

The bridge is not Android's runtime: it shows that names, signatures, types, order, threads and
closing are right, and that pictures equal Python's. What a phone's runtime does, only a phone
tells.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from iast_export.build.pipeline import Build, Request, run_stages
from iast_export.device import import_result
from iast_export.errors import AccuracyError
from iast_export.pictures.images import Rgb, load_image, save_png
from iast_export.pictures.imagesets import picture_path
from iast_export.reports.device import DeviceResult
from iast_export.reports.manifest import load_manifest
from iast_export.runtimes.onnx import open_onnx
from iast_export.stylize.engine import BundleEngine
from tests.android_bridge import bridge
from tests.android_core import read_ppm, write_ppm
from tests.bundle.test_bundle import landmark_model
from tests.sealing import reseal

# runtime, precision, how the engine is opened, width and height of the picture, strength, too large
# pictures
RUNS = [
    ("litert", "int8", "cpu", 32, 32, 1.0, "refuse"),
    ("litert", "int8", "cpu", 61, 17, 0.5, "refuse"),
    ("litert", "int8", "cpu", 130, 90, 1.0, "tile"),
    ("litert", "int8", "cpu", 130, 90, 1.0, "scale_down"),
    ("litert", "fp32", "cpu", 20, 31, 0.75, "refuse"),
    ("litert", "fp16", "cpu", 20, 31, 1.0, "refuse"),
    ("litert", "dynamic_int8", "cpu", 50, 31, 1.0, "refuse"),
    ("litert", "int8", "fallback", 32, 32, 0.0, "refuse"),
    ("onnxruntime", "int8", "cpu", 61, 17, 0.5, "refuse"),
    ("onnxruntime", "int8", "cpu", 130, 90, 1.0, "tile"),
    ("onnxruntime", "fp32", "cpu", 9, 31, 1.0, "refuse"),
]


def photograph(width: int, height: int) -> Rgb:
    return np.ascontiguousarray(
        load_image(picture_path("skimage:astronaut.png"))[40 : 40 + height, 180 : 180 + width]
    )


def command(
    bundle: Path,
    tmp_path: Path,
    i: int,
    lane: str,
    mode: str,
    style: object,
    strength: float,
    oversize: str,
) -> tuple[object, ...]:
    """One `stylize` of the bridge: IN is i.ppm, OUT is i.out.ppm."""
    end = (strength, oversize.upper(), tmp_path / f"{i}.ppm", tmp_path / f"{i}.out.ppm")
    return ("stylize", bundle, lane, mode, style, *end)


def test_the_engines_paint_what_python_paints(small_bundle: Path, tmp_path: Path) -> None:
    style = load_manifest(small_bundle).styles[1].id
    commands, wanted = [], []
    for i, (runtime, precision, mode, width, height, strength, oversize) in enumerate(RUNS):
        engine = BundleEngine(small_bundle, runtime, precision)  # type: ignore[arg-type]
        rgb = photograph(width, height)
        write_ppm(tmp_path / f"{i}.ppm", rgb)
        wanted.append(engine.stylize(rgb, engine.style_codes(style)[1], strength, oversize))  # type: ignore[arg-type]
        lane = f"{runtime}-{precision}"
        commands.append(command(small_bundle, tmp_path, i, lane, mode, style, strength, oversize))
    said, runtimes = bridge(tmp_path, commands)
    assert len(said) == len(RUNS) == len(wanted)
    for i, ((picture, tier), line) in enumerate(zip(wanted, said, strict=True)):
        assert line.startswith(f"done {tier.id} "), RUNS[i]
        made = read_ppm(tmp_path / f"{i}.out.ppm")
        assert np.array_equal(made, picture), RUNS[i]
    assert said[7].endswith("cpu (the GPU refused: no GPU in this machine)")
    assert [line.split()[2] for line in (said[0], said[2], said[3])] == [
        "SMALLEST_THAT_FITS",
        "TILED",
        "SCALED_DOWN",
    ]
    made_once = [request for request in runtimes.requests if request[0] == "litert-buffer"]
    runs = [request for request in runtimes.requests if request[0] == "litert-run"]
    assert len(made_once) == 8 * 4 and len(runs) > 8, "four buffers per engine, however many tiles"


def test_the_dispatching_file_paints_every_size(small_bundle: Path, tmp_path: Path) -> None:
    manifest = load_manifest(small_bundle)
    entry = next(f for f in manifest.files if (f.role, f.precision) == ("dispatch", "int8"))
    session = open_onnx(small_bundle / entry.path)
    engine = BundleEngine(small_bundle, "onnxruntime", "int8")
    _, codes = engine.style_codes(manifest.styles[0].id)
    commands, wanted = [], []
    for i, (width, height) in enumerate(((32, 32), (64, 40))):
        rgb = photograph(width, height)
        write_ppm(tmp_path / f"{i}.ppm", rgb)
        wanted.append(engine.stylize(rgb, codes)[0])
        style = manifest.styles[0].id
        commands.append(
            command(small_bundle, tmp_path, i, "onnxruntime-int8", "dispatch", style, 1.0, "refuse")
        )
    _, runtimes = bridge(tmp_path, commands)
    for i, picture in enumerate(wanted):
        assert np.array_equal(read_ppm(tmp_path / f"{i}.out.ppm"), picture)
    opened = {Path(request[1]).name for request in runtimes.requests if request[0] == "onnx-open"}
    assert opened == {Path(entry.path).name} and session.input_names


def test_ones_own_artwork_is_encoded_as_in_python(small_bundle: Path, tmp_path: Path) -> None:
    artwork = load_image(picture_path("skimage:coffee.png"))[:200, :260]
    save_png(tmp_path / "artwork.png", artwork)
    write_ppm(tmp_path / "artwork.ppm", artwork)
    commands, wanted = [], []
    for i, runtime in enumerate(("litert", "onnxruntime")):
        engine = BundleEngine(small_bundle, runtime, "int8")  # type: ignore[arg-type]
        _, codes = engine.style_codes(str(tmp_path / "artwork.png"))
        rgb = photograph(30, 25)
        write_ppm(tmp_path / f"{i}.ppm", rgb)
        wanted.append(engine.stylize(rgb, codes)[0])
        own = tmp_path / "artwork.ppm"
        commands.append(
            command(small_bundle, tmp_path, i, f"{runtime}-int8", "cpu", own, 1.0, "refuse")
        )
    bridge(tmp_path, commands)
    for i, picture in enumerate(wanted):
        assert np.array_equal(read_ppm(tmp_path / f"{i}.out.ppm"), picture)


def test_int8_edges_and_a_landmark_network_are_served(
    small_request: Request, bundle_copy: Path, tmp_path: Path
) -> None:
    """A bundle whose TFLite INT8 models take and give int8: the engine's own quantization
    counts."""
    own = str(landmark_model(tmp_path / "own.onnx"))
    recipe = small_request.recipe
    recipe = recipe.model_copy(
        update={
            "quantize": recipe.quantize.model_copy(update={"edges": "int8"}),
            "bundle": recipe.bundle.model_copy(update={"landmarks": own}),
        }
    )
    run_stages(Build(replace(small_request, out=bundle_copy, recipe=recipe)))
    manifest = load_manifest(bundle_copy)
    int8 = next(
        f
        for f in manifest.files
        if (f.role, f.runtime, f.precision) == ("transfer", "litert", "int8")
    )
    assert {
        edge.dtype for edge in manifest.io if edge.path == int8.path and edge.name == "content"
    } == {"int8"}
    engine = BundleEngine(bundle_copy, "litert", "int8")
    style = manifest.styles[2].id
    rgb = photograph(61, 64)
    write_ppm(tmp_path / "0.ppm", rgb)
    wanted, _ = engine.stylize(rgb, engine.style_codes(style)[1], 0.5)
    face = np.full((40, 40, 3), 51, np.uint8)
    write_ppm(tmp_path / "face.ppm", face)
    said, _ = bridge(
        tmp_path,
        [
            command(bundle_copy, tmp_path, 0, "litert-int8", "cpu", style, 0.5, "refuse"),
            ("landmarks", bundle_copy, tmp_path / "face.ppm"),
        ],
    )
    assert np.array_equal(read_ppm(tmp_path / "0.out.ppm"), wanted)
    points = np.array([word.split(",") for word in said[1].split()], float)
    assert points.shape == (68, 2) and np.allclose(points, 40 * 3 * 0.1 * 0.2, atol=1e-4)


def test_self_test_and_benchmark_come_back_as_a_phone_s_result(
    bundle_copy: Path, tmp_path: Path
) -> None:
    tests, times = tmp_path / "selftest.json", tmp_path / "benchmark.json"
    commands = [("selftest", bundle_copy, "", tests), ("benchmark", bundle_copy, "", 3, times)]
    bridge(tmp_path, commands)
    for path in (tests, times):
        assert import_result(path, bundle_copy).is_file()
    manifest = load_manifest(bundle_copy)
    result = DeviceResult.load(tests)
    on_cpu = [row for row in result.selftest if row.asked == "cpu"]
    lanes = {(f.runtime, f.precision) for f in manifest.files if f.role == "transfer"}
    both = {(runtime, "tiers") for runtime in ("litert", "onnxruntime")} | {
        ("onnxruntime", "dispatch")
    }
    assert {(row.runtime, row.files) for row in on_cpu} == both
    assert {row.max_level_difference for row in on_cpu} == {0}
    refused = [row for row in result.selftest if row.asked == "gpu"]
    assert refused and all(row.status == "error" for row in refused)
    assert all("no GPU in this machine" in row.message for row in refused)
    measured = DeviceResult.load(times).benchmark
    assert {(row.runtime, row.precision, row.tier) for row in measured} == {
        (*lane, tier.id) for lane in lanes for tier in manifest.tiers
    }
    for row in measured:
        counts = (len(row.samples_ms), len(row.warmup_ms), bool(row.message))
        assert counts == ((0, 0, True) if row.asked == "gpu" else (3, 2, False))
    report = (bundle_copy / "reports" / "report.html").read_text(encoding="utf-8")
    assert "desktop JVM" in report


def test_a_phone_that_computes_otherwise_fails_the_self_test(
    bundle_copy: Path, tmp_path: Path
) -> None:
    """An INT8 model of other bytes, honestly listed: the goldens tell that it isn't what was
    verified."""
    manifest = load_manifest(bundle_copy)
    entries = {
        f.precision: f for f in manifest.files if (f.role, f.runtime) == ("transfer", "litert")
    }
    shutil.copy(bundle_copy / entries["dynamic_int8"].path, bundle_copy / entries["int8"].path)
    reseal(bundle_copy)
    bridge(tmp_path, [("selftest", bundle_copy, "cpu", tmp_path / "selftest.json")])
    with pytest.raises(AccuracyError, match="did not pass, first litert int8"):
        import_result(tmp_path / "selftest.json", bundle_copy)


def test_what_can_t_be_opened_is_refused_in_words_and_left_closed(
    bundle_copy: Path, tmp_path: Path
) -> None:
    style = load_manifest(bundle_copy).styles[0].id
    for i in range(2):
        write_ppm(tmp_path / f"{i}.ppm", photograph(20, 20))
    said, _ = bridge(
        tmp_path, [command(bundle_copy, tmp_path, 0, "litert-int8", "gpu", style, 1.0, "refuse")]
    )
    refused = (
        "refused the GPU refuses models/tiny-int8.tflite: no GPU in this machine; choose the CPU"
    )
    assert said == [refused]
    kept = tmp_path / "cache" / "gpu"
    asked = command(bundle_copy, tmp_path, 0, "litert-int8", f"gpu:{kept}", style, 1.0, "refuse")
    said, runtimes = bridge(tmp_path, [asked])
    model = next(f for f in load_manifest(bundle_copy).files if f.path == "models/tiny-int8.tflite")
    assert said == [refused] and kept.is_dir()
    assert runtimes.requests[0][-1] == f"{kept} {model.sha256} true", (
        "programs are kept under the model's hash"
    )
    model = bundle_copy / "models" / "tiny-d4-32px-int8.onnx"
    model.write_bytes(model.read_bytes()[:-1] + b"x")
    said, runtimes = bridge(
        tmp_path,
        [command(bundle_copy, tmp_path, 1, "onnxruntime-int8", "cpu", style, 1.0, "refuse")],
    )
    assert len(said) == 1 and said[0].startswith(
        "refused models/tiny-d4-32px-int8.onnx was altered"
    )
    assert not runtimes.requests, "an altered file reached the runtime"
    assert not (tmp_path / "1.out.ppm").exists()


def test_a_file_that_is_not_promised_for_the_gpu_is_not_opened_there_in_silence(
    bundle_copy: Path, tmp_path: Path
) -> None:
    path, style = bundle_copy / "manifest.json", load_manifest(bundle_copy).styles[0].id
    write_ppm(tmp_path / "0.ppm", photograph(20, 20))

    def opened(mode: str) -> tuple[str, set[str]]:
        asked = command(bundle_copy, tmp_path, 0, "litert-int8", mode, style, 1.0, "refuse")
        folder = Path(tempfile.mkdtemp(dir=tmp_path))
        (said,), runtimes = bridge(folder, [asked], has_gpu=True)
        opens = [request[2] for request in runtimes.requests if request[0] == "litert-open"]
        return " ".join(said.split()[4:]), set(opens)

    assert opened("fallback") == ("gpu", {"GPU"})
    manifest = json.loads(path.read_text(encoding="utf-8"))
    (entry,) = (f for f in manifest["files"] if f["path"] == "models/tiny-int8.tflite")
    entry["accelerators"]["d4_32px"] = ["cpu"]
    path.write_text(json.dumps(manifest), encoding="utf-8")
    doubt = "(the bundle promises no GPU for d4_32px)"
    assert opened("fallback") == (f"cpu {doubt}", {"CPU"})
    assert opened("gpu") == (f"gpu {doubt}", {"GPU"})
    entry["accelerators"] = {}
    path.write_text(json.dumps(manifest), encoding="utf-8")
    unsaid = "(the bundle doesn't say what runs it whole)"
    assert opened("fallback") == (f"gpu {unsaid}", {"GPU"})


def test_the_plain_face_has_its_68_points_inside_its_box(tmp_path: Path) -> None:
    """What handles start from, and what the face mock-up shows."""
    said, _ = bridge(tmp_path, [("template", 10, 20, 100)])
    words = said[0].split()
    points = np.array([word.split(",") for word in words if "," in word], float)
    assert points.shape == (68, 2)
    assert (
        points.min(0).tolist() >= [10, 20]
        and points.max() <= 120
        and len(set(map(tuple, points))) == 68
    )
    runs = [list(map(int, word.split("-")[:2])) for word in words if "," not in word]
    assert [i for first, last in runs for i in range(first, last + 1)] == list(range(68))
    eyes, mouth = points[36:48].mean(0), points[48:].mean(0)
    assert (
        eyes[1] < points[27:36, 1].mean() < mouth[1] < points[8, 1] and abs(eyes[0] - mouth[0]) < 1
    )
