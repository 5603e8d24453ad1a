"""LiteRT's GPU delegate on a software driver: golden pictures, strict, and what must not pass for
them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from iast_export.build import convert, converter
from iast_export.cli.main import run
from iast_export.errors import InputError, ToolError, UsageError
from iast_export.formats import tflite_file, tflite_write
from iast_export.metrics.fidelity import psnr_db
from iast_export.network.checkpoint import packaged_network
from iast_export.pictures.images import load_image
from iast_export.quantize.learned import of_signatures
from iast_export.quantize.litert.static import quantize_litert
from iast_export.reports.manifest import load_manifest
from iast_export.runtimes.gpu import (
    check_gpu,
    find_gpu,
    list_refusals,
    open_gpu,
    parse_refusals,
    refused_by_gpu,
)
from iast_export.runtimes.gpu_operators import left_to_cpu
from iast_export.runtimes.gpu_process import DRIVER_VARIABLE, gpu_environment
from iast_export.runtimes.half_floats import open_simulated
from iast_export.runtimes.litert import open_litert
from iast_export.specs import Tier
from iast_export.stylize.engine import BundleEngine
from tests import half_cases
from tests.gpu_driver import use_software_gpu
from tests.litert_cases import feeds, foreign, measured_ranges
from tests.tiny_networks import OneTier

FLOORS_DB = {"fp32": 50.0, "fp16": 50.0, "int8": 38.0}  # to the CPU's FP32, in FP16 arithmetic


@pytest.fixture(autouse=True)
def software_gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        use_software_gpu(patch)
        yield


def test_golden_pictures_of_every_tier_are_drawn_whole_on_the_gpu(
    small_bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["golden", str(small_bundle), "--accelerator", "gpu", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["fp16_overflows"] == {"d4-32px": [], "d1-64px": []}
    found = said["goldens"]
    assert {(one["tier"], one["precision"]) for one in found} == {
        (tier, precision) for tier in ("d4-32px", "d1-64px") for precision in FLOORS_DB
    }
    wanted = {"fp32": 8, "fp16": 8, "int8": 20}
    assert all(one["tolerance_levels"] == wanted[one["precision"]] for one in found)
    assert all(one["psnr_db"] > FLOORS_DB[one["precision"]] for one in found)


def test_the_manifest_says_what_the_delegate_says(small_bundle: Path) -> None:
    for entry in load_manifest(small_bundle).files:
        for signature, accelerators in entry.accelerators.items():
            assert entry.role == "style_encoder" or "gpu" in accelerators
            assert entry.precision in ("fp32", "dynamic_int8") or accelerators == ("cpu", "gpu")
            whole = "gpu" in accelerators
            if entry.precision in ("fp16", "dynamic_int8"):
                assert whole == (not refused_by_gpu(small_bundle / entry.path)[signature])


def test_pictures_are_drawn_on_the_gpu_and_a_golden_that_is_not_met_fails(
    bundle_copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = load_manifest(bundle_copy)
    style, content = manifest.styles[0].id, bundle_copy / manifest.golden[0].content
    made = BundleEngine(bundle_copy, "litert", "fp16", accelerator="gpu").stylize(
        load_image(content), BundleEngine(bundle_copy, "litert", "fp16").style_codes(style)[1]
    )[0]
    wanted = load_image(bundle_copy / manifest.golden[0].outputs["litert-fp32"])
    assert psnr_db(made, wanted) > FLOORS_DB["fp16"]
    with pytest.raises(UsageError, match="no GPU computes for onnxruntime"):
        BundleEngine(bundle_copy, "onnxruntime", "fp32", accelerator="gpu")
    strict = manifest.golden[0].model_copy(update={"gpu_tolerance_levels": {"fp32": 0, "int8": 0}})
    manifest.model_copy(update={"golden": (strict,)}).save(bundle_copy / "manifest.json")
    assert run(["golden", str(bundle_copy), "--accelerator", "gpu", "--tier", "d4-32px"]) in (0, 5)
    assert run(["golden", str(bundle_copy), "--tier", "d4-32px"]) == 0
    assert run(["golden", str(bundle_copy), "--tier", "d9-9px"]) == 2
    capsys.readouterr()


def test_the_packaged_network_runs_whole_in_fp32_fp16_and_int8(tmp_path: Path) -> None:
    network, tier = packaged_network(), Tier(4, 128)
    fp32 = tmp_path / "fp32.tflite"
    convert.convert_fp32(network, (tier,), fp32)
    given = {tier.signature: measured_ranges(network, fp32, tier.signature, 128)}
    for precision in ("fp16", "int8"):
        learned = of_signatures(given) if precision == "int8" else None
        quantize_litert(fp32, precision, learned, tmp_path / f"{precision}.tflite")  # type: ignore[arg-type]
    fed = feeds(network, 128, seed=3)
    wanted = open_litert(fp32).run(fed)["stylized"]
    for precision, floor_db in FLOORS_DB.items():
        with open_gpu(tmp_path / f"{precision}.tflite") as session:
            drawn = session.run(fed)["stylized"]
        assert psnr_db(picture(drawn), picture(wanted)) > floor_db
    with open_gpu(tmp_path / "fp16.tflite", fp32=True) as session:
        exact = session.run(fed)["stylized"]
    own = open_litert(tmp_path / "fp16.tflite").run(fed)["stylized"]
    assert psnr_db(picture(exact), picture(own)) > 95.0


def picture(stylized: np.ndarray) -> np.ndarray:
    return np.clip(stylized[0].transpose(1, 2, 0), 0.0, 1.0)


def test_a_foreign_network_runs_whole(tmp_path: Path) -> None:
    """Reflection, depthwise and large kernels, and adaptive normalization as published."""
    assert refused_by_gpu(foreign()[1]) == {"d1_32px": ()} == left_to_cpu(foreign()[1].read_bytes())


def test_a_tensor_that_not_every_gpu_holds_is_told(tmp_path: Path) -> None:
    """As a published network at 1024 px, 64 channels beside a reflected edge."""
    path = tmp_path / "large.tflite"
    model = tflite_file.read_model(foreign()[1])
    graph = model.subgraphs[0]
    for tensor in graph.tensors:
        shape = tflite_file.tensor_shape(tensor)
        if len(shape) == 4 and shape[1] >= 16 and not tflite_file.buffer_bytes(model, tensor):
            tensor.shape = [1, 1026, 1024, 64]
    path.write_bytes(tflite_write.serialize(model))
    (refusals,) = left_to_cpu(path.read_bytes()).values()
    assert refusals[0].reason == "a tensor of 128.2 MiB, which not every GPU holds"


def test_a_file_that_would_hop_to_the_cpu_is_refused_with_the_operators_and_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(converter.tflite_forms, "reform", lambda model: None)
    path = tmp_path / "hops.tflite"
    convert.convert_fp32(OneTier(Shuffled()), (Tier(1, 16),), path)
    (refusals,) = refused_by_gpu(path).values()
    (foretold,) = left_to_cpu(path.read_bytes()).values()
    assert {one.operator for one in foretold} == {one.operator for one in refusals}
    assert list_refusals(refusals).startswith(
        "1 RELU_0_TO_1 (Not supported op RELU_0_TO_1), 2 RESHAPE ("
    )
    with pytest.raises(ToolError, match="not run whole on the GPU; left to the CPU: 1 RELU_0_TO_1"):
        open_gpu(path)


class Shuffled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 12, 3, padding=1)

    def forward(self, content: Tensor) -> Tensor:
        return torch.pixel_shuffle(self.conv(content), 2).clamp(0.0, 1.0)


def test_an_overflow_of_fp16_is_seen_and_fp32_is_right() -> None:
    wanted = open_litert(half_cases.case("normalized")).run(half_cases.fed())["stylized"]
    with open_gpu(half_cases.case("normalized"), fp32=True) as session:
        drawn = session.run(half_cases.fed())["stylized"]
    assert psnr_db(picture(drawn), picture(wanted)) > 90.0
    assert fp16_error("normalized") > 0.2


@pytest.mark.parametrize("name", ["normalized", "sums"])
def test_the_fp16_file_of_a_network_that_would_overflow_is_right(name: str, tmp_path: Path) -> None:
    path, key = tmp_path / "fp16.tflite", half_cases.KEY
    learned = of_signatures({key: half_cases.ranges(name)})
    assert quantize_litert(half_cases.case(name), "fp16", learned, path).half_safe
    assert fp16_error(name, path) < 0.01


def test_means_are_summed_in_fp32_and_convolutions_in_fp16() -> None:
    """Which sums can overflow is what the foretelling is built on."""
    assert fp16_error("averaged") < 0.005 and not fp16_error("balanced") < 0.2


def test_the_simulation_of_fp16_agrees_with_the_gpu() -> None:
    for name in ("normalized", "quiet"):
        path, fed = half_cases.case(name), half_cases.fed()
        with open_gpu(path) as session:
            drawn = session.run(fed)["stylized"]
        simulated = open_simulated(path.read_bytes(), half_cases.KEY).run(fed)["stylized"]
        assert np.abs(drawn - simulated).max() < 0.005


def fp16_error(name: str, path: Path | None = None) -> float:
    """The largest difference of a picture on the GPU to FP32; not a number, or infinite, if it
    holds such values."""
    wanted = open_litert(half_cases.case(name)).run(half_cases.fed())["stylized"]
    with open_gpu(path or half_cases.case(name)) as session:
        return float(np.abs(session.run(half_cases.fed())["stylized"] - wanted).max())


def test_a_truncated_file_and_an_unknown_signature_are_refused(tmp_path: Path) -> None:
    whole = foreign()[1].read_bytes()
    path = tmp_path / "truncated.tflite"
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="truncated or damaged"):
        open_gpu(path)
    with pytest.raises(InputError, match="choose one of d1_32px"):
        open_gpu(foreign()[1], "d9_9px")


def test_the_gpu_is_named_and_its_absence_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = find_gpu()
    assert found.software and "llvmpipe" in found.name
    assert "its times mean nothing" in check_gpu().detail
    nothing = tmp_path / "nothing.json"
    nothing.write_text('{"ICD": {"library_path": "./nothing.so"}}')
    monkeypatch.setenv(DRIVER_VARIABLE, str(nothing))
    with pytest.raises(ToolError, match=r"found no GPU[\s\S]*install_gpu.py"):
        find_gpu()
    assert check_gpu().status == "warning" and "install_gpu.py" in check_gpu().remedy
    with pytest.raises(InputError, match="describes no Vulkan driver"):
        gpu_environment({DRIVER_VARIABLE: str(tmp_path / "missing.json")})


def test_a_process_that_dies_is_an_error_of_the_gpu() -> None:
    with open_gpu(foreign()[1]) as session:
        session.raw.kill()
        with pytest.raises(
            ToolError, match=r"process ended with signal 9 at .*foreign-fp32.tflite"
        ):
            session.run(feeds(foreign()[0], 32))


def test_operators_left_to_the_cpu_are_told_even_where_none_is_named() -> None:
    log = "3 operations will run on the GPU, and the remaining 2 operations will run on the CPU.\n"
    (refusal,) = parse_refusals(log)
    assert refusal.operator == "2 operators"
