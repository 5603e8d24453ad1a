"""Training pictures: what is held out, how pictures are scaled, and crops that lie inside them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from models.crops import Square, cut_squares
from models.data import CropStore, held_out, read_rgb, scaled, training_files
from models.data import test_artworks as unseen_artworks
from models.sheet import square_of, to_tensor

CPU = torch.device("cpu")


def ramp(height: int, width: int) -> np.ndarray:
    """Red rises downward, green to the right."""
    rows, columns = np.mgrid[0:height, 0:width]
    return np.stack([rows, columns, np.full_like(rows, 7)], 2).astype(np.uint8)


@pytest.mark.parametrize(
    ("path", "is_held_out"),
    [
        ("style/oil/oil_0008.jpg", True),
        ("style/oil/oil_0007.jpg", False),
        ("style/oil/oil_0000.jpg", True),
        ("style/cartoon/toon_0001.jpg", True),
        ("style/reduced_colour/print_of_a_wave_0016.jpg", True),
    ],
)
def test_every_eighth_artwork_and_a_whole_kind_are_held_out(path: str, is_held_out: bool) -> None:
    assert held_out(Path(path)) is is_held_out


def test_files_to_train_on_and_to_test_on_share_none(tmp_path: Path) -> None:
    for name in ("content/bsds500/1.jpg", "content/kodak24/1.jpg", "content/faces/1.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    for kind, number in (("oil", 1), ("oil", 8), ("cartoon", 3), ("yamatoe_kaokore", 9)):
        (tmp_path / "style" / kind).mkdir(parents=True, exist_ok=True)
        (tmp_path / "style" / kind / f"x_{number:04d}.jpg").touch()
    contents, styles = training_files(tmp_path)
    assert [path.parent.name for path in contents] == ["bsds500"]
    assert {path.parent.name for path in styles} == {"oil", "yamatoe_kaokore"}
    unseen = unseen_artworks(tmp_path)
    assert len(unseen) == 2 and not set(unseen) & set(styles)


@pytest.mark.parametrize(
    ("size", "short_side_px", "wanted"),
    [
        ((40, 60), 20, (20, 30)),
        ((60, 40), 20, (30, 20)),
        ((40, 61), 40, (40, 61)),
        ((7, 9), 14, (14, 18)),
    ],
)
def test_a_picture_is_scaled_by_its_short_side(
    size: tuple[int, int], short_side_px: int, wanted: tuple[int, int]
) -> None:
    assert scaled(ramp(*size), short_side_px).shape == (*wanted, 3)


def test_a_long_thin_picture_keeps_its_short_side() -> None:
    assert min(scaled(ramp(3, 200), 2).shape[:2]) == 2


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "x.jpg"
    path.write_text("no picture")
    with pytest.raises(OSError, match="is not a readable picture"):
        read_rgb(path)


def test_colors_of_a_file_come_as_rgb(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "x.png"), np.full((4, 4, 3), (255, 0, 9), np.uint8))
    assert read_rgb(tmp_path / "x.png")[0, 0].tolist() == [9, 0, 255]


def test_crops_lie_inside_their_pictures_and_are_floats_up_to_1() -> None:
    store = CropStore.holding([np.full((300, 400, 3), 255, np.uint8)], 16, CPU)
    crops = store.batch(12, np.random.default_rng(0), 0.3)
    assert crops.shape == (12, 3, 16, 16)
    assert torch.allclose(crops, torch.ones(()), atol=1e-5), "beyond the picture it would be 0"


def test_the_same_seed_draws_the_same_crops_at_the_size_asked() -> None:
    store = CropStore.holding([ramp(300, 290), ramp(288, 500)], 16, CPU)
    first, second = (store.batch(5, np.random.default_rng(3), 0.6, 24) for _ in range(2))
    assert first.shape[2:] == (24, 24) and torch.equal(first, second)


def test_a_crop_of_its_own_size_is_the_picture_and_a_mirrored_one_its_mirror() -> None:
    picture = torch.from_numpy(ramp(20, 30)).permute(2, 0, 1)
    places = [Square(2, 5, 8, False), Square(2, 5, 8, True)]
    plain, mirrored = cut_squares([picture, picture], places, 8)
    assert torch.allclose(plain, picture[:, 2:10, 5:13] / 255.0, atol=1e-6)
    assert torch.allclose(mirrored, plain.flip(2), atol=1e-6)


def test_a_shrunk_crop_keeps_its_mean() -> None:
    picture = torch.from_numpy(ramp(64, 64)).permute(2, 0, 1)
    (small,) = cut_squares([picture], [Square(0, 0, 64, False)], 16)
    assert torch.allclose(small.mean((1, 2)), picture.float().mean((1, 2)) / 255.0, atol=2e-3)


def test_a_square_of_a_sheet_is_the_middle() -> None:
    rgb = ramp(10, 20)
    assert np.array_equal(square_of(rgb, 10), rgb[:, 5:15])
    assert to_tensor(rgb).shape == (1, 3, 10, 20) and float(to_tensor(rgb).max()) <= 1.0
