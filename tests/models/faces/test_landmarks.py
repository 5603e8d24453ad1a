"""The landmark network: loaded with care, exported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from iast_export.errors import InputError
from models.faces.landmarks import LandmarkNetwork, _names, export_landmarks


@pytest.fixture
def net() -> LandmarkNetwork:
    torch.manual_seed(0)
    return LandmarkNetwork().eval()


def stored(net: LandmarkNetwork) -> dict[str, np.ndarray]:
    """The network's parameters in TensorFlow's layout and names."""
    made = {}
    for own, value in net.state_dict().items():
        array = value.numpy()
        if array.ndim == 4:
            array = (
                array.transpose(2, 3, 0, 1) if "depthwise" in own else array.transpose(2, 3, 1, 0)
            )
        made[_names()[own]] = array.T if array.ndim == 2 else array
    return made


def test_weights_come_back_from_an_npz_file(net: LandmarkNetwork, tmp_path: Path) -> None:
    np.savez(tmp_path / "w.npz", **stored(net))
    loaded = LandmarkNetwork.load(tmp_path / "w.npz")
    crop = torch.rand(2, 3, 112, 112)
    torch.testing.assert_close(loaded(crop), net(crop))
    assert loaded.points(crop).shape == (2, 68, 2)
    torch.testing.assert_close(loaded.points(crop)[0, 3, 1], loaded(crop)[0, 7])
    assert not any(p.requires_grad for p in loaded.parameters())


def test_files_that_do_not_fit_are_refused_with_what_to_do(
    net: LandmarkNetwork, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="leave the face terms out"):
        LandmarkNetwork.load(tmp_path / "none.npz")
    values = stored(net)
    np.savez(tmp_path / "w.npz", **{k: v for k, v in values.items() if k != "fc/bias"})
    with pytest.raises(InputError, match=r"lacks fc/bias(.|\n)*68-landmark"):
        LandmarkNetwork.load(tmp_path / "w.npz")
    np.savez(tmp_path / "w.npz", **{**values, "fc/bias": np.full(136, np.nan)})
    with pytest.raises(InputError, match="not finite"):
        LandmarkNetwork.load(tmp_path / "w.npz")
    np.savez(tmp_path / "w.npz", **{**values, "fc/bias": np.zeros(10)})
    with pytest.raises(InputError, match=r"does not fit(.|\n)*check the file"):
        LandmarkNetwork.load(tmp_path / "w.npz")


def test_padding_is_tensorflows(net: LandmarkNetwork) -> None:
    conv = net.blocks[0].convs[0].conv
    x = torch.rand(1, 3, 112, 112)
    made = net.blocks[0].convs[0](x)
    assert made.shape[2:] == (56, 56)
    corner = (x[0, :, :3, :3] * conv.weight[5]).sum() + conv.bias[5]
    torch.testing.assert_close(made[0, 5, 0, 0], corner)  # nothing is padded at the beginning


def test_the_network_is_exported_for_a_bundle(net: LandmarkNetwork, tmp_path: Path) -> None:
    import onnxruntime as ort

    path = tmp_path / "models" / "landmarks.onnx"
    export_landmarks(net, path)
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [(i.name, i.shape) for i in session.get_inputs()] == [("crop", [1, 3, 112, 112])]
    assert [(o.name, o.shape) for o in session.get_outputs()] == [("landmarks", [1, 136])]
    crop = torch.rand(1, 3, 112, 112)
    np.testing.assert_allclose(
        session.run(None, {"crop": crop.numpy()})[0], net(crop).detach(), atol=1e-4
    )
