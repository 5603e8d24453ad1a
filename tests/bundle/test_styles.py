"""Styles: packed as the manifest promises, refused where they are altered or too few."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from iast_export.bundle.styles import (
    encoded_styles,
    feeds_of,
    pack,
    packaged_styles,
    style_id,
    unpack,
)
from iast_export.errors import InputError
from iast_export.files.artifacts import sha256_file
from iast_export.metrics.style import style_statistics
from iast_export.network.checkpoint import PACKAGED_CHECKPOINT
from iast_export.pictures.images import save_png
from iast_export.pictures.procedural import softened, style_pictures
from tests.tiny_networks import tiny_adain_factory, tiny_iast

SHAPES = {"style_code": (1, 4), "strength": (1, 1)}


def test_packaged_styles_belong_to_the_packaged_checkpoint() -> None:
    styles = packaged_styles(sha256_file(PACKAGED_CHECKPOINT))
    assert len({s.id for s in styles}) == len(styles) >= 12
    assert len({s.category for s in styles}) >= 4
    assert any(s.held_out for s in styles) and not all(s.held_out for s in styles)
    assert all(s.licence and s.source and np.isfinite(s.codes["style_code"]).all() for s in styles)
    with pytest.raises(InputError, match="another checkpoint"):
        packaged_styles("0" * 64)


def test_codes_survive_packing(tmp_path: Path) -> None:
    codes = {"style_code": np.arange(4, dtype=np.float32).reshape(1, 4)}
    path = tmp_path / "a.f32"
    path.write_bytes(pack(codes, SHAPES))
    assert path.stat().st_size == 16
    np.testing.assert_array_equal(
        unpack(path.read_bytes(), SHAPES, path)["style_code"], codes["style_code"]
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"\0" * 15, "15 bytes"), (np.full(4, np.nan, "<f4").tobytes(), "not finite")],
)
def test_a_damaged_style_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "a.f32"
    path.write_bytes(data)
    with pytest.raises(InputError, match=message):
        unpack(path.read_bytes(), SHAPES, path)


def test_a_network_of_ones_own_gets_styles_from_drawn_pictures() -> None:
    styles = encoded_styles(tiny_adain_factory(None))
    assert len(styles) >= 12
    assert set(styles[0].codes) == {"mean", "std"}
    assert sum(s.held_out for s in styles) == len(styles) // 3


def test_of_drawn_pictures_those_that_judge_are_softened() -> None:
    for style, (name, rgb) in zip(
        encoded_styles(tiny_adain_factory(None)), style_pictures(), strict=True
    ):
        seen = softened(rgb) if style.held_out else rgb
        np.testing.assert_array_equal(style.statistics, style_statistics(seen), err_msg=name)


def test_too_few_or_unreadable_style_pictures_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no picture"):
        encoded_styles(tiny_iast(), tmp_path)
    save_png(tmp_path / "x.png", np.zeros((8, 8, 3), np.uint8))
    (tmp_path / "y.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0")
    with pytest.raises(InputError, match=r"1 style pictures.*y\.heic \(an HEIC picture\)"):
        encoded_styles(tiny_iast(), tmp_path)
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.png").write_bytes(b"\x89PNG\r\n\x1a\n no picture")
    with pytest.raises(InputError, match=r"a\.png"):
        encoded_styles(tiny_iast(), tmp_path)


@pytest.mark.parametrize(
    "names", [("Starry Night.png", "starry-night.jpg"), ("Foo.jpg", "foo.png")]
)
def test_two_style_pictures_of_one_id_are_refused_by_name(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    for name in (*names, "other.png"):
        save_png(tmp_path / name, np.zeros((8, 8, 3), np.uint8))
    first, second = sorted(names)
    with pytest.raises(InputError, match=f"{first} and .*{second} would both be the style"):
        encoded_styles(tiny_iast(), tmp_path)


def test_strength_is_fed_only_to_networks_that_take_it() -> None:
    style = encoded_styles(tiny_iast())[0]
    assert feeds_of(style, tiny_iast().code_shapes, 0.5)["strength"].item() == 0.5
    assert "strength" not in feeds_of(style, {"style_code": (1, 96)})
    assert style_id(Path("My Style (1).JPG")) == "my-style-1"
