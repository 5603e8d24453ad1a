"""Draws a sheet of photographs x artworks for chosen depths, none of them trained on.

python -m models.sheet --weights runs/iast/weights.pt --images DIR --out sheet.png --depths 4 1
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from models.data import read_rgb, test_artworks
from models.networks import load_trainable, style_network
from models.perceptual import DistilledVgg


def load_weights(path: Path, vgg: Path | None = None) -> Any:
    """A `StyleNetwork`: the moving average of a training run, or a released safetensors checkpoint.

    A teacher's needs the distilled VGG's weights.
    """
    if path.suffix == ".safetensors":
        from iast_export.network.checkpoint import load_checkpoint

        return load_checkpoint(path)
    return style_network(load_trainable(path), DistilledVgg.load(vgg) if vgg else None)


def square(path: Path, side_px: int) -> np.ndarray:
    """The picture's central square, scaled to `side_px`."""
    return square_of(read_rgb(path), side_px)


def square_of(rgb: np.ndarray, side_px: int) -> np.ndarray:
    """The central square of a picture [H, W, 3], scaled to `side_px`."""
    side = min(rgb.shape[:2])
    top, left = (rgb.shape[0] - side) // 2, (rgb.shape[1] - side) // 2
    return cv2.resize(
        rgb[top : top + side, left : left + side], (side_px, side_px), interpolation=cv2.INTER_AREA
    )


def to_tensor(rgb: np.ndarray) -> torch.Tensor:
    """uint8 [H, W, 3] to float [1, 3, H, W] in [0, 1]."""
    return torch.from_numpy(rgb).permute(2, 0, 1)[None].float() / 255.0


@torch.no_grad()
def draw_sheet(
    net: Any, contents: list[np.ndarray], styles: list[np.ndarray], depth: int, strength: float
) -> np.ndarray:
    """Rows are photographs, columns artworks; the first row and column show the originals."""
    module = net.cut(depth)
    codes = [net.encode_style(to_tensor(s))[0] for s in styles]
    rows = [np.hstack([np.full_like(contents[0], 255), *styles])]
    for content in contents:
        row = [content]
        for code in codes:
            image = module(to_tensor(content), code, torch.full((1, 1), strength))[0]
            row.append((image * 255.0 + 0.5).byte().permute(1, 2, 0).numpy())
        rows.append(np.hstack(row))
    return np.vstack(rows)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument(
        "--images", type=Path, required=True, help="folder with content/kodak24, faces and style"
    )
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--depths", type=int, nargs="+", help="by default deepest and shallowest")
    parser.add_argument("--vgg", type=Path, help="5SE.pt of the distilled VGG-19, for a teacher")
    parser.add_argument("--count", type=int, default=6)
    parser.add_argument("--side-px", type=int, default=256)
    parser.add_argument("--strength", type=float, default=1.0)
    args = parser.parse_args()
    net = load_weights(args.weights, args.vgg)
    depths = args.depths or sorted({net.depths[-1], net.depths[0]}, reverse=True)
    photographs = sorted((args.images / "content" / "kodak24").glob("*.jpg"))
    faces = sorted((args.images / "faces").glob("*/*.jpg"))
    chosen = (
        photographs[3 :: max(1, len(photographs) // (args.count - 2))][: args.count - 2] + faces[:2]
    )
    artworks = test_artworks(args.images)
    artworks = artworks[:: max(1, len(artworks) // args.count)][: args.count]
    contents, styles = ([square(p, args.side_px) for p in paths] for paths in (chosen, artworks))
    sheets = [draw_sheet(net, contents, styles, depth, args.strength) for depth in depths]
    cv2.imwrite(str(args.out), cv2.cvtColor(np.hstack(sheets), cv2.COLOR_RGB2BGR))


if __name__ == "__main__":
    main()
