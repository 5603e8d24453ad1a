"""Training pictures: which files train and which are held out, and crops served from memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from models.crops import Square, cut_squares

CONTENT_SETS = ("imagenet1k_sample", "bsds500", "coco128", "afhq")
# Folder names of the data, as it spells them.
STYLE_SETS = ("oil", "reduced_colour", "yamatoe_kaokore", "cartoon")
HELD_OUT_SETS = ("cartoon",)  # a kind of art that training never sees
HOLD_OUT_EVERY = 8
SHORT_SIDE_PX = 288


def held_out(path: Path) -> bool:
    """Whether an artwork is for testing only: all cartoons, else every eighth by number."""
    return path.parent.name in HELD_OUT_SETS or int(path.stem.split("_")[-1]) % HOLD_OUT_EVERY == 0


def training_files(root: Path) -> tuple[list[Path], list[Path]]:
    """Photographs and artworks to train on, below `root/content/*` and `root/style/*`.

    Kodak-24 and the faces are never trained on; nor are the artworks that `held_out` names.

    Raises:
        FileNotFoundError: one of the two lists is empty.
        ValueError: a folder of artworks that `STYLE_SETS` doesn't know, which would go unused.
    """
    unknown = sorted({p.name for p in (root / "style").glob("*/")} - {*STYLE_SETS})
    if unknown:
        raise ValueError(
            f"{root / 'style'}: {unknown} is none of {STYLE_SETS}, and would go unused"
        )
    contents = sorted(p for s in CONTENT_SETS for p in (root / "content" / s).glob("*.jpg"))
    styles = sorted(
        p for s in STYLE_SETS for p in (root / "style" / s).glob("*.jpg") if not held_out(p)
    )
    if not contents or not styles:
        raise FileNotFoundError(
            f"{root}: {len(contents)} photographs and {len(styles)} artworks to train on"
        )
    return contents, styles


def test_artworks(root: Path) -> list[Path]:
    """The artworks that no training sees."""
    return sorted(p for s in STYLE_SETS for p in (root / "style" / s).glob("*.jpg") if held_out(p))


def read_rgb(path: Path, short_side_px: int | None = None) -> np.ndarray:
    """A picture as uint8 RGB [H, W, 3], scaled so that its short side is `short_side_px`."""
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise OSError(f"{path} is not a readable picture")
    rgb = cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB)
    return rgb if short_side_px is None else scaled(rgb, short_side_px)


def scaled(picture: np.ndarray, short_side_px: int) -> np.ndarray:
    """The picture [H, W, 3] with a short side of `short_side_px`."""
    height, width = picture.shape[:2]
    if min(height, width) == short_side_px:
        return picture
    scale = short_side_px / min(height, width)
    size = (max(short_side_px, round(width * scale)), max(short_side_px, round(height * scale)))
    return cv2.resize(picture, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)


def as_stored(picture: np.ndarray, device: torch.device) -> Tensor:
    """uint8 [H, W, 3] as uint8 [3, H, W] on the device."""
    return torch.from_numpy(picture).permute(2, 0, 1).contiguous().to(device)


class CropStore:
    """Pictures held as uint8 on the device; gives random square crops as float in [0, 1].

    Crops are 60 to 100 % of the short side, resized to `crop_px` and mirrored at random.
    """

    def __init__(
        self,
        files: Sequence[Path],
        crop_px: int,
        device: torch.device,
        drawn: Sequence[np.ndarray] = (),
    ) -> None:
        """`drawn`: pictures [H, W, 3] that are in no file."""
        self.crop_px = crop_px
        self.images = [as_stored(read_rgb(f, SHORT_SIDE_PX), device) for f in files]
        self.images += [as_stored(scaled(one, SHORT_SIDE_PX), device) for one in drawn]

    @classmethod
    def holding(
        cls, pictures: Sequence[np.ndarray], crop_px: int, device: torch.device
    ) -> CropStore:
        """A store of pictures [H, W, 3] that were read already."""
        return cls((), crop_px, device, pictures)

    def batch(
        self,
        count: int,
        rng: np.random.Generator,
        smallest: float,
        crop_px: int | None = None,
        largest: float = 1.0,
    ) -> Tensor:
        """`count` crops [count, 3, crop_px, crop_px], `smallest` to `largest` of the short side."""
        images, squares = [], []
        for index in rng.integers(len(self.images), size=count):
            image = self.images[int(index)]
            height, width = image.shape[1:]
            side = int(min(height, width) * rng.uniform(smallest, largest))
            top, left = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
            images.append(image)
            squares.append(Square(top, left, side, bool(rng.random() < 0.5)))
        return cut_squares(images, squares, crop_px or self.crop_px)
