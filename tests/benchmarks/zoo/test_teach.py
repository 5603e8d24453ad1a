"""Networks of the zoo learn to draw what another one draws, and keep it in a file."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from benchmarks.zoo import __main__ as command
from benchmarks.zoo.adapter import Adapter
from benchmarks.zoo.catalog import ENTRIES
from benchmarks.zoo.networks import convnext, msgnet, transposed
from benchmarks.zoo.teach import slopes, spread, taught, teach

STYLE = torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """A photograph and an artwork where training looks for them."""
    rng = np.random.default_rng(0)
    for name in ("content/bsds500/a.jpg", "style/oil/oil_1.jpg"):
        (tmp_path / name).parent.mkdir(parents=True)
        rough = rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / name), cv2.resize(rough, (300, 300)))
    return tmp_path


def drawn(network: Adapter) -> torch.Tensor:
    with torch.no_grad():
        return network.cut(1)(STYLE[:, :, :64, :64], *network.encode_style(STYLE))


@pytest.mark.parametrize("made", [transposed, msgnet], ids=["one style", "codes"])
def test_a_network_comes_nearer_to_its_teacher(
    made: Any, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.zoo.teach.RATE", 0.02)
    lost = teach(made.tiny(None), convnext.tiny(None), images, steps=16)
    assert np.mean(lost[-3:]) < 0.9 * np.mean(lost[:3])


def test_what_was_learned_is_the_network_again(tmp_path: Path) -> None:
    learned = msgnet.tiny(None)
    with torch.no_grad():
        learned.transfer.network.match.weight.mul_(0.5)
    save_file(learned.state(), tmp_path / "w.safetensors")
    assert not torch.equal(drawn(msgnet.tiny(None)), drawn(learned))
    again = msgnet.tiny(None).taught(tmp_path / "w.safetensors")
    assert torch.equal(drawn(again), drawn(learned))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    save_file(msgnet.tiny(None).state(), tmp_path / "w.safetensors")
    with pytest.raises(RuntimeError, match="Missing key"):
        convnext.tiny(None).taught(tmp_path / "w.safetensors")


def test_a_network_that_learned_nothing_is_not_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.zoo.teach.teach", lambda *_: [0.1] * 9 + [0.2])
    bilateral = next(entry for entry in ENTRIES if entry.name == "bilateral")
    with pytest.raises(ArithmeticError, match=r"nothing: 0\.100 at first, 0\.200"):
        taught(bilateral, Path("no data"), 10)


def test_slopes_see_a_moved_edge_and_no_shift_of_tone() -> None:
    edge = torch.zeros(1, 3, 8, 8)
    edge[..., 4:] = 1.0
    assert float(slopes(edge - edge - 0.3)) == 0.0
    assert float(slopes(edge - edge.roll(1, 3))) > 0.1


def test_files_are_taken_at_equal_distances() -> None:
    files = [Path(str(number)) for number in range(100)]
    assert [one.name for one in spread(files, 4)] == ["0", "25", "50", "75"]
    assert spread(files[:3], 4) == files[:3]


def test_a_folder_without_weights_is_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["zoo", "--only", "msgnet", "--taught", str(tmp_path)])
    with pytest.raises(SystemExit, match="2"):
        command.main()
    assert "weights of none of ['msgnet']" in capsys.readouterr().err
