"""Metrics agree with their definitions, and refuse what can't be judged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from iast_export.errors import InputError
from iast_export.metrics.fidelity import psnr_db, ssim, ssim_content
from iast_export.metrics.identity import FaceIdentity
from iast_export.metrics.perceptual import expected_shapes, open_moments, open_perceptual
from iast_export.metrics.style import (
    GROUPS,
    LENGTH,
    statistics_distance,
    style_distance,
    style_statistics,
)
from iast_export.metrics.summaries import lower_p5
from iast_export.reports.base import PSNR_CAP_DB

PAIRS: list[Callable[..., float]] = [
    psnr_db,
    ssim,
    ssim_content,
    style_distance,
]


def _noise(seed: int = 0, height: int = 40, width: int = 52) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def _near(rgb: np.ndarray, levels: int, seed: int = 1) -> np.ndarray:
    off = np.random.default_rng(seed).integers(-levels, levels + 1, rgb.shape)
    return np.clip(rgb.astype(np.int64) + off, 0, 255).astype(np.uint8)


def _stripes(angle: float, period_px: float = 6.0, phase: float = 0.0) -> np.ndarray:
    y, x = np.mgrid[0:72, 0:72]
    wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / period_px + phase)
    return np.repeat(((wave + 1) * 127).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("levels", [1, 12, 120])
def test_psnr_and_ssim_are_those_of_scikit_image(levels: int) -> None:
    a = _noise()
    b = _near(a, levels)
    x, y = a / 255.0, b / 255.0
    assert psnr_db(a, b) == pytest.approx(peak_signal_noise_ratio(x, y, data_range=1.0), abs=1e-9)
    wanted = structural_similarity(x, y, channel_axis=2, data_range=1.0)
    assert ssim(a, b) == pytest.approx(wanted, abs=1e-9)


def test_levels_and_floats_of_one_picture_score_the_same() -> None:
    a, b = _noise(), _near(_noise(), 9)
    assert psnr_db(a / 255.0, b / 255.0) == pytest.approx(psnr_db(a, b))
    assert style_distance(a / 255.0, b) == pytest.approx(style_distance(a, b), abs=1e-6)


def test_equal_pictures_reach_the_documented_ends_and_not_infinity() -> None:
    a = _noise()
    assert psnr_db(a, a.copy()) == PSNR_CAP_DB == 100.0
    assert ssim(a, a.copy()) == pytest.approx(1.0)
    assert style_distance(a, a.copy()) == 0.0


def test_a_single_wrong_level_in_a_large_picture_stays_at_the_cap() -> None:
    a = np.zeros((512, 512, 3), np.uint8)
    b = a.copy()
    b[0, 0, 0] = 1
    assert psnr_db(a, b) == PSNR_CAP_DB


@pytest.mark.parametrize("metric", PAIRS)
def test_every_metric_refuses_nan(metric: Callable[..., float]) -> None:
    bad = _noise() / 255.0
    bad[3, 3, 1] = np.nan
    with pytest.raises(InputError, match="NaN or infinity"):
        metric(bad, _noise() / 255.0)
    with pytest.raises(InputError, match="NaN or infinity"):
        metric(_noise() / 255.0, bad)


@pytest.mark.parametrize("metric", PAIRS)
def test_every_metric_refuses_emptiness_and_foreign_shapes(metric: Callable[..., float]) -> None:
    empty = np.zeros((0, 5, 3), np.uint8)
    with pytest.raises(InputError, match="empty"):
        metric(empty, empty)
    with pytest.raises(InputError, match=r"\[H, W, 3\] was needed"):
        metric(np.zeros((8, 8, 4), np.uint8), np.zeros((8, 8, 4), np.uint8))
    with pytest.raises(InputError, match=r"0\.\.1 was needed"):
        metric(_noise().astype(np.float32), _noise() / 255.0)


@pytest.mark.parametrize("metric", PAIRS[:3])
def test_pictures_of_two_sizes_are_refused_with_both_shapes(metric: Callable[..., float]) -> None:
    with pytest.raises(InputError, match=r"\(40, 52, 3\) and \(40, 51, 3\) can't be compared"):
        metric(_noise(), _noise(0, 40, 51))


def test_pictures_too_small_for_a_window_are_refused_by_size() -> None:
    small = _noise(0, 6, 30)
    with pytest.raises(InputError, match="at least 7 px"):
        ssim(small, small)
    with pytest.raises(InputError, match="at least 16 px"):
        style_statistics(small)


@given(st.lists(st.floats(-50, 100), min_size=1, max_size=60))
@settings(max_examples=60)
def test_the_5th_percentile_is_a_measured_value_that_few_lie_below(values: list[float]) -> None:
    p5 = lower_p5(values)
    assert p5 in values
    assert sum(value < p5 for value in values) <= 0.05 * len(values)
    if len(values) <= 20:
        assert p5 == min(values)


@pytest.mark.parametrize("values", [[], [1.0, float("nan")]])
def test_a_percentile_of_nothing_or_of_nan_is_refused(values: list[float]) -> None:
    with pytest.raises(InputError):
        lower_p5(values)


def test_style_distance_tells_orientation_scale_and_color_apart() -> None:
    style = _stripes(0.0)
    tinted = style.copy()
    tinted[..., 2] //= 3
    same = style_distance(_stripes(0.0, phase=0.7), style)
    for other in (_stripes(np.pi / 2), _stripes(0.0, 16.0), tinted, _noise()):
        assert style_distance(other, style) > max(0.1, 1.4 * same)


@given(st.integers(0, 50), st.integers(51, 99))
@settings(max_examples=10, deadline=None)
def test_style_distance_is_symmetric_and_between_0_and_1(one: int, two: int) -> None:
    a, b = (
        style_statistics(_noise(one)),
        style_statistics(_near(_stripes(one), 40, two)),
    )
    assert 0.0 < statistics_distance(a, b) <= 1.0
    assert statistics_distance(a, b) == pytest.approx(statistics_distance(b, a))


def test_stored_statistics_stand_in_for_the_artwork() -> None:
    style, result = _stripes(0.4), _noise()
    stored = np.array(style_statistics(style).tolist())
    assert stored.shape == (LENGTH,) == (sum(GROUPS),)
    assert style_distance(result, stored) == style_distance(result, style)


def test_statistics_are_the_same_bits_wherever_the_picture_lies_in_memory() -> None:
    random = np.random.default_rng(0)
    picture = _noise(3, 61, 75)
    first = style_statistics(picture)
    held = []
    for _ in range(20):
        held.append(np.empty(int(random.integers(1, 100_000)), np.uint8))
        assert np.array_equal(style_statistics(picture.copy()), first)


def test_a_flat_picture_has_finite_statistics() -> None:
    flat = np.full((32, 32, 3), 90, np.uint8)
    assert np.isfinite(style_statistics(flat)).all()
    assert style_distance(flat, flat) == 0.0
    assert style_distance(flat, _noise()) > 0.3


@pytest.mark.parametrize("stored", [np.zeros(LENGTH - 1), np.full(LENGTH, np.nan)])
def test_damaged_statistics_are_refused(stored: np.ndarray) -> None:
    with pytest.raises(InputError, match="compute them again from the artwork"):
        style_distance(_noise(), stored)


# --- perceptual distance ---


@pytest.fixture(scope="module")
def squeezenet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of SqueezeNet's shapes, drawn at random."""
    generator = torch.Generator().manual_seed(3)
    state = {
        name: torch.randn(shape, generator=generator) / max(1, int(np.prod(shape[1:]))) ** 0.5
        for name, shape in expected_shapes().items()
    }
    path = tmp_path_factory.mktemp("weights") / "squeezenet.pt"
    torch.save(state | {"classifier.1.bias": torch.zeros(1000)}, path)
    return path


@pytest.mark.parametrize("preprocessing", ["torchvision", "caffe"])
def test_perceptual_distance_is_zero_for_equal_pictures_and_grows_with_damage(
    squeezenet: Path, preprocessing: str
) -> None:
    distance = open_perceptual(squeezenet, preprocessing)  # type: ignore[arg-type]
    a = _noise(0, 64, 48)
    values = [distance(a, b) for b in (a, _near(a, 5), _near(a, 60))]
    assert values[0] == 0.0
    assert 0.0 < values[1] < values[2]


def test_moments_are_of_features_wherever_they_lie(squeezenet: Path) -> None:
    moments = open_moments(squeezenet, "caffe")
    a = np.full((64, 64, 3), 90, np.uint8)
    a[16:48, :32] = 200
    one, mirrored, other = moments(a), moments(a[:, ::-1].copy()), moments(_noise(1, 64, 64))
    assert one.shape == (2 * (64 + 128 + 256 + 384 + 384 + 512 + 512),)
    assert np.isfinite(one).all() and np.linalg.norm(one - mirrored) < np.linalg.norm(one - other)


def test_squeezenet_has_the_published_number_of_parameters() -> None:
    assert sum(int(np.prod(shape)) for shape in expected_shapes().values()) == 722_496


def test_foreign_damaged_and_missing_perceptual_weights_are_refused(
    squeezenet: Path, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="is missing"):
        open_perceptual(tmp_path / "none.pt")
    (tmp_path / "text.pt").write_bytes(b"not weights")
    with pytest.raises(InputError, match="can't be read as weights"):
        open_perceptual(tmp_path / "text.pt")
    torch.save({"features.0.weight": torch.zeros(3)}, tmp_path / "foreign.pt")
    with pytest.raises(InputError, match=r"not SqueezeNet 1\.1"):
        open_perceptual(tmp_path / "foreign.pt")
    state = torch.load(squeezenet, weights_only=True)
    state["features.0.bias"][0] = float("nan")
    torch.save(state, tmp_path / "nan.pt")
    with pytest.raises(InputError, match="NaN"):
        open_perceptual(tmp_path / "nan.pt")


class _Payload:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (Path("/tmp/iast-export-must-not-exist"),)  # type: ignore[return-value]


def test_code_hidden_in_perceptual_weights_does_not_run(tmp_path: Path) -> None:
    torch.save({"x": _Payload()}, tmp_path / "evil.pt")
    with pytest.raises(InputError, match="can't be read as weights"):
        open_perceptual(tmp_path / "evil.pt")
    assert not Path("/tmp/iast-export-must-not-exist").exists()


# --- identity ---


@pytest.fixture(scope="module")
def embedder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A face embedding of a kind: colors of a coarse grid."""
    nodes = [
        helper.make_node(
            "AveragePool", ["face"], ["small"], kernel_shape=[28, 28], strides=[28, 28]
        ),
        helper.make_node("Flatten", ["small"], ["embedding"]),
    ]
    graph = helper.make_graph(
        nodes,
        "embed",
        [helper.make_tensor_value_info("face", TensorProto.FLOAT, [1, 3, 112, 112])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, 48])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = tmp_path_factory.mktemp("faces") / "embed.onnx"
    onnx.save(model, path)
    return path


def test_identity_looks_at_the_face_alone(embedder: Path) -> None:
    judge = FaceIdentity(embedder)
    a = np.kron(_noise(2, 4, 4), np.ones((16, 16, 1), np.uint8))
    outside, inside = a.copy(), a.copy()
    outside[:16] = 255 - outside[:16]
    inside[32:] = 255 - inside[32:]
    box = (0.25, 0.5, 0.75, 1.0)
    assert judge.similarity(a, outside, box) == pytest.approx(1.0)
    assert judge.similarity(a, inside, box) < 0.5


def test_identity_refuses_bad_boxes_and_foreign_networks(embedder: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not inside the picture"):
        FaceIdentity(embedder).similarity(_noise(), _noise(), (0.5, 0.0, 0.4, 1.0))
    with pytest.raises(InputError, match="is missing"):
        FaceIdentity(tmp_path / "none.onnx")
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(InputError, match="no ONNX model"):
        FaceIdentity(tmp_path / "bad.onnx")
