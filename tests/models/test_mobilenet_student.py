"""The textbook MobileNetV3 student: its blocks, its depths, training, folding, building from a
run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from iast_export.build.export import export_tier
from iast_export.errors import InputError
from iast_export.network.adapters import StyleNetwork, load_network
from iast_export.network.iast import ResidualBlock
from iast_export.specs import Tier
from models.mobilenet_student import Bottleneck, MobileConfig, MobileStudent, factory
from models.trainable import Trainable

TINY = MobileConfig(
    width=8, stem_width=8, encoder_widths=(8, 8, 8, 8), encoder_hidden=16, expansion=2, kernel=3
)


@pytest.fixture
def net() -> MobileStudent:
    torch.manual_seed(0)
    made = MobileStudent(TINY)
    with torch.no_grad():  # statistics that are not 0 and 1, so that folding is put to the test
        for module in made.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(std=0.1)
                module.running_var.uniform_(0.5, 2.0)
                module.weight.uniform_(0.5, 1.5)
    return made


def render(net: MobileStudent, picture: Tensor, depth: int) -> Tensor:
    code = net.encode(picture, {})
    return net.render(picture, {}, code, torch.ones(len(picture), 1), depth).image


def test_it_is_made_of_the_textbook_blocks() -> None:
    net = MobileStudent()
    kinds = [m for m in net.blocks.modules() if isinstance(m, nn.Conv2d)]
    assert any(m.groups == m.in_channels == 320 and m.kernel_size == (5, 5) for m in kinds)
    assert all(
        isinstance(block, Bottleneck) and block.expand.act == "hswish" for block in net.blocks
    )
    count = lambda m: sum(p.numel() for p in m.parameters())  # noqa: E731
    assert count(net.blocks[0]) == pytest.approx(count(ResidualBlock(80)), rel=0.1)


def test_a_block_is_what_the_paper_draws() -> None:
    torch.manual_seed(0)
    block, x = Bottleneck(4, 4, 8, 3, 1, "hswish").eval(), torch.randn(1, 4, 6, 6)
    hswish = lambda v: v * (v + 3.0).clamp(0.0, 6.0) / 6.0  # noqa: E731
    scale = 1.0 / np.sqrt(1.0 + 1e-5)  # an untrained normalization
    wide = hswish(torch.nn.functional.conv2d(x, block.expand.conv.weight) * scale)
    deep = hswish(
        torch.nn.functional.conv2d(wide, block.depthwise.conv.weight, padding=1, groups=8) * scale
    )
    squeezed = torch.relu(block.excite.squeeze(deep.mean((2, 3), keepdim=True)))
    gates = (block.excite.excite(squeezed) + 3.0).clamp(0.0, 6.0) / 6.0
    made = x + torch.nn.functional.conv2d(deep * gates, block.project.conv.weight) * scale
    torch.testing.assert_close(block(x), made, atol=1e-5, rtol=1e-4)


def test_every_depth_renders_and_is_cut_to_an_equal_module_without_normalization(
    net: MobileStudent,
) -> None:
    assert isinstance(net, Trainable) and isinstance(net, StyleNetwork)
    net.eval()
    picture = torch.rand(1, 3, 32, 48)
    for depth in net.depths:
        cut = net.cut(depth)
        assert not any(isinstance(m, nn.BatchNorm2d) for m in cut.modules())
        expected = render(net, picture, depth).clamp(0.0, 1.0)
        torch.testing.assert_close(
            cut(picture, *net.encode_style(picture)), expected, atol=1e-4, rtol=0
        )
    assert any(
        isinstance(m, nn.BatchNorm2d) for m in net.modules()
    )  # the supernet is left as it was
    with pytest.raises(ValueError, match="depth 9"):
        net.cut(9)


def test_parameters_are_listed_once_and_all_are_trained(net: MobileStudent) -> None:
    names = list(net.state_dict())
    assert not [n for n in names if n.startswith("_shared")]
    picture = torch.rand(2, 3, 32, 32)
    sum(render(net.train(), picture, depth).square().mean() for depth in net.depths).backward()
    assert [k for k, p in net.named_parameters() if p.grad is None] == []


def test_loss_falls_in_20_steps(net: MobileStudent) -> None:
    picture = torch.nn.functional.interpolate(torch.rand(2, 3, 4, 4), (32, 32), mode="bilinear")
    optimizer = torch.optim.Adam(net.parameters(), 3e-3)
    values = []
    for _ in range(20):
        loss = (render(net.train(), picture, 4) - picture).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        values.append(loss.item())
    assert np.mean(values[-3:]) < 0.9 * np.mean(values[:3])


def test_a_run_is_built_through_the_front_door(net: MobileStudent, tmp_path: Path) -> None:
    import onnxruntime as ort

    torch.save(
        {"ema": net.state_dict(), "config": net.config.to_dict(), "step": 3},
        tmp_path / "weights.pt",
    )
    loaded = load_network("models.mobilenet_student:factory", tmp_path / "weights.pt")
    path = tmp_path / "m.onnx"
    export_tier(loaded, Tier(2, 48), path)
    picture = torch.rand(1, 3, 32, 48)
    codes = loaded.encode_style(picture)
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = [i.name for i in session.get_inputs()]
    made = session.run(None, dict(zip(names, [t.numpy() for t in (picture, *codes)], strict=True)))[
        0
    ]
    np.testing.assert_allclose(made, loaded.cut(2)(picture, *codes), atol=1e-4)


def test_a_missing_or_foreign_checkpoint_is_refused(tmp_path: Path) -> None:
    for path in (None, tmp_path / "none.pt"):
        with pytest.raises(InputError, match=r"give a run's weights.pt"):
            factory(path)
    torch.save({"ema": {}, "config": {}}, tmp_path / "w.pt")
    with pytest.raises(InputError, match=r"no run of the MobileNetV3 student"):
        factory(tmp_path / "w.pt")
