"""What is packaged of styles: of a painting of the project's own, as of an artwork in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.numpy import load_file

from iast_export.errors import InputError
from iast_export.files.artifacts import read_bytes
from iast_export.files.toml_text import parse_toml
from iast_export.network.iast import IAST, NetworkConfig
from models import release
from models.ink import SCENES

_LISTING = Path(__file__).parents[2] / "models" / "recipes" / "styles.toml"
_STYLE = """
[[styles]]
id = "mist"
category = "ink-wash"
drawn = "ink-mountains"
title = "Mist"
captions = ["mist"]
"""


def test_a_drawn_style_needs_no_folder_and_says_who_drew_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(release, "STYLES_DIR", tmp_path)
    (tmp_path / "listing.toml").write_text(_STYLE)
    (tmp_path / "images.csv").write_text("file,licence,source_repo,path\n")
    net = IAST(NetworkConfig(width=8, stem_width=8, encoder_widths=(8, 8, 8, 8))).eval()
    release.write_styles(net, tmp_path / "listing.toml", tmp_path, tmp_path / "images.csv")
    (made,) = parse_toml(read_bytes(tmp_path / "styles.toml"), "made", InputError)["styles"]
    assert (made["id"], made["held_out"]) == ("mist", False)
    assert made["source"] == "models.ink: ink-mountains" and "Apache-2.0" in made["licence"]
    tensors = load_file(tmp_path / "codes.safetensors")
    assert {*tensors} == {"mist/style_code", "mist/statistics"}


def test_an_artwork_that_was_trained_on_is_refused(tmp_path: Path) -> None:
    style = {"file": "oil/aic_0001.jpg"}
    with pytest.raises(SystemExit, match="was trained on"):
        release._found(style, tmp_path, {})


def test_every_kind_of_art_has_a_style_that_judges_and_two_that_calibrate() -> None:
    styles = parse_toml(read_bytes(_LISTING), "listing", InputError)["styles"]
    for kind in {style["category"] for style in styles}:
        judges = [style.get("held_out", False) for style in styles if style["category"] == kind]
        assert (len(judges), sum(judges)) == (3, 1)
    assert {style["drawn"] for style in styles if "drawn" in style} == {*SCENES}


def test_weights_lie_on_the_way_from_what_a_training_started_from() -> None:
    small = NetworkConfig(width=8, stem_width=8, encoder_widths=(8, 8, 8, 8))
    begun, trained = IAST(small).eval(), IAST(small).eval()
    made = release.between(begun, trained, 25).state_dict()
    for name, old in begun.state_dict().items():
        assert torch.allclose(made[name], 0.75 * old + 0.25 * trained.state_dict()[name], atol=1e-6)
    wider = IAST(NetworkConfig(width=16, stem_width=8, encoder_widths=(8, 8, 8, 8)))
    with pytest.raises(InputError, match="other weights"):
        release.between(wider, trained, 25)
