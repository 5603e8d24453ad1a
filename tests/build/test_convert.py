import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from iast_export.build import convert
from iast_export.errors import ToolError
from iast_export.formats import tflite_file
from iast_export.forms.litert_forms import FORMS, LiteRtForms
from iast_export.runtimes.litert import open_litert
from iast_export.specs import Tier
from tests.litert_cases import (
    TIERS,
    activation_tensors,
    converted,
    feeds,
    folder,
    foreign,
    operators,
)
from tests.tiny_networks import OneTier


def test_every_signature_equals_its_own_pytorch_tier() -> None:
    network, path, summary = converted()
    assert set(summary.max_difference) == {t.signature for t in TIERS}
    for tier in TIERS:
        fed = feeds(network, tier.max_side_px, seed=9)
        wanted = network.cut(tier.depth)(*[torch.from_numpy(fed[k]) for k in fed]).numpy()
        got = open_litert(path, tier.signature).run(fed)["stylized"]
        assert np.abs(got - wanted).max() <= 1e-4


def test_weights_are_stored_once_for_all_signatures() -> None:
    _, path, summary = converted()
    weights = tflite_file.count_bytes(tflite_file.read_model(path)).signature_weight_bytes
    assert summary.unique_weight_bytes < 1.1 * max(weights.values()) < sum(weights.values())
    assert summary.shared_weight_bytes > 0.8 * min(weights.values())
    assert summary.file_bytes == path.stat().st_size


def test_converting_twice_gives_the_same_bytes_and_names() -> None:
    network, path, _ = foreign()
    again = folder() / "again.tflite"
    convert.convert_fp32(network, (Tier(1, 32),), again)
    assert again.read_bytes() == path.read_bytes()
    assert {"d1_32px/content", "d1_32px/stylized"} <= activation_tensors(path, "d1_32px")


def test_no_operator_leaves_the_fast_kernels() -> None:
    for _, path, summary in (converted(), foreign()):
        for key in summary.max_difference:
            assert not {"MIRROR_PAD", "GATHER_ND", "GATHER"} & set(operators(path, key))
    for tier in TIERS:
        found = operators(converted()[1], tier.signature)
        assert found["DEPTH_TO_SPACE"] == 2
        assert not {"TRANSPOSE", "RELU_0_TO_1"} & set(found)


def test_the_places_that_were_traced_in_another_form_are_counted() -> None:
    assert foreign()[2].rewrites == {"edge-pads": 5, "large-kernels": 2, "mean-by-rows": 4}
    assert converted()[2].rewrites["pixel-shuffle"] > 0
    assert {*foreign()[2].rewrites, *converted()[2].rewrites} <= {form.name for form in FORMS}


def test_a_foreign_network_with_reflection_padding_converts() -> None:
    network, path, _ = foreign()
    assert operators(path, "d1_32px")["DEPTHWISE_CONV_2D"] == 2
    fed = feeds(network, 32, seed=4)
    wanted = network.cut(1)(*[torch.from_numpy(fed[k]) for k in fed]).numpy()
    assert np.abs(open_litert(path, "d1_32px").run(fed)["stylized"] - wanted).max() <= 1e-4


def test_the_style_encoder_converts_without_the_strength() -> None:
    network, _, _ = converted()
    path = folder() / "style.tflite"
    summary = convert.convert_style_encoder(network, path)
    assert summary.max_difference["style_encoder"] <= 1e-4
    assert set(tflite_file.signatures(tflite_file.read_model(path))[0].outputs) == {"style_code"}


@pytest.mark.parametrize("mode", ["reflect", "replicate"])
def test_mirrored_padding_is_exact(mode: str) -> None:
    x = torch.rand(1, 3, 9, 7)
    with LiteRtForms():
        rewritten = F.pad(x, (3, 1, 2, 4), mode=mode)
    assert torch.equal(rewritten, F.pad(x, (3, 1, 2, 4), mode=mode))


def test_pixel_shuffle_in_block_order_is_exact_with_and_without_a_convolution() -> None:
    conv, x = nn.Conv2d(4, 12, 3), torch.rand(1, 4, 8, 6)
    with torch.no_grad():
        wanted = F.pixel_shuffle(conv(x), 2)
        with LiteRtForms():
            assert torch.allclose(F.pixel_shuffle(conv(x), 2), wanted, atol=1e-6)
            assert torch.equal(F.pixel_shuffle(x, 2), F.pixel_shuffle(x.clone(), 2))
        assert torch.equal(F.pixel_shuffle(x, 2), nn.PixelShuffle(2)(x))


class _Moody(nn.Module):
    """Behaves differently while it is converted."""

    def forward(self, content: torch.Tensor) -> torch.Tensor:
        return content * (0.5 if torch.compiler.is_exporting() else 1.0)


class _MoodyNetwork:
    depths, size_multiple_px = (1,), 4
    code_shapes: dict[str, tuple[int, ...]] = {}  # noqa: RUF012

    def cut(self, depth: int) -> nn.Module:
        return _Moody()

    def encode_style(self, style: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return ()


def test_a_signature_that_differs_from_pytorch_is_refused_and_leaves_no_file() -> None:
    path = folder() / "moody.tflite"
    with pytest.raises(ToolError, match="differs from PyTorch"):
        convert.convert_fp32(_MoodyNetwork(), (Tier(1, 16),), path)
    assert not path.exists()


class _Whitened(nn.Module):
    def forward(self, content: torch.Tensor) -> torch.Tensor:
        u, _, _ = torch.linalg.svd(content[0, :, :3, :3])
        return content * u.mean()


def test_what_the_converter_refuses_is_told_in_one_line() -> None:
    path = folder() / "whitened.tflite"
    with pytest.raises(ToolError, match=r"can't convert .*svd") as caught:
        convert.convert_fp32(OneTier(_Whitened()), (Tier(1, 16),), path)
    assert "\n" not in caught.value.message
    assert not path.exists()
