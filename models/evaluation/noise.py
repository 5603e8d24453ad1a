"""How loud a sensor's noise gets in networks' pictures, on a clip and on photographs.

    python -m models.evaluation.noise --data DIR --clip bikes.mp4 \
        --network packaged=iast_export/data/iast.safetensors --network quiet=runs/quiet/weights.pt

Noise gain as `iast-export verify --video` takes it (2 levels): RMS change of the result over that
of the photograph. Style distance and SSIM stand beside it, as whoever draws less is quieter too.
The clip comes from `python -m benchmarks.clips`; no picture of it is kept.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch

from iast_export.errors import InputError
from iast_export.files.artifacts import write_atomic
from iast_export.metrics.fidelity import ssim_content
from iast_export.metrics.flicker import noise_gain
from iast_export.metrics.style import style_distance, style_statistics
from iast_export.pictures.clips import open_clip
from iast_export.pictures.images import Rgb, center_square, load_image, to_levels, to_tensor
from models.data import test_artworks
from models.sheet import load_weights

SIDE_PX, ARTWORKS = 256, 4
_FRAMES, _PHOTOGRAPHS = 2, 4
# The frames lie so far apart; chosen, half a second.
_APART = 12
# A network's picture has sides of whole cells of its coarsest maps.
_CELL_PX = 16
_ABOUT = (
    "Noise of 2 levels, RMS of what changes in the result over that of the photograph, at full "
    f"strength: {_FRAMES} frames of the clip {{clip}}, {_PHOTOGRAPHS} photographs of Kodak-24, "
    f"{ARTWORKS} artworks that trained nothing, {SIDE_PX} px."
)
COLUMNS = ("network", "depth", "gain on the clip", "on photographs", "style distance", "SSIM")

Draw = Callable[[Rgb], Rgb]


def clip_frames(path: Path, count: int = _FRAMES, apart: int = _APART) -> list[Rgb]:
    """Frames of a clip, from its first on, cut to squares of at most 256 px.

    Raises:
        InputError: it can't be read, or is too short.
    """
    clip = open_clip(path)
    side_px = min(SIDE_PX, clip.width_px, clip.height_px) // _CELL_PX * _CELL_PX
    last = (count - 1) * apart
    found = [center_square(one, side_px) for one in islice(clip.read(), 0, last + 1, apart)]
    if len(found) < count:
        raise InputError(f"{path} has fewer than {last + 1} frames", "give a longer clip")
    return found


def squares(paths: Sequence[Path], count: int) -> list[Rgb]:
    """Pictures from all over a list, cut to squares of 256 px."""
    chosen = paths[:: max(1, len(paths) // count)][:count]
    return [center_square(load_image(path), SIDE_PX) for path in chosen]


def networks_of(entries: Sequence[str]) -> dict[str, Any]:
    """Networks by name, of NAME=WEIGHTS.

    Raises:
        InputError: an entry has no name or file, or two have one name.
    """
    named = [entry.partition("=")[::2] for entry in entries]
    names = [name for name, _ in named]
    for entry, (name, path) in zip(entries, named, strict=True):
        if not (name and path) or names.count(name) > 1:
            raise InputError(f"--network {entry}", "give NAME=WEIGHTS, each name once")
    return {name: load_weights(Path(path)) for name, path in named}


def scores(
    net: Any,
    depth: int,
    frames: Sequence[Rgb],
    photographs: Sequence[Rgb],
    artworks: Sequence[Rgb],
) -> tuple[float, float, float, float]:
    """Means of a depth at full strength: gain on frames, on photographs, style distance, SSIM."""
    module, found = net.cut(depth), []
    for artwork in artworks:
        draw, wanted = drawing(net, module, artwork), style_statistics(artwork)
        results = [draw(one) for one in photographs]
        found.append(
            (
                np.mean([noise_gain(draw, one) for one in frames]),
                np.mean([noise_gain(draw, one) for one in photographs]),
                np.mean([style_distance(one, wanted) for one in results]),
                np.mean([ssim_content(a, b) for a, b in zip(results, photographs, strict=True)]),
            )
        )
    clip, still, style, ssim = np.mean(found, axis=0)
    return float(clip), float(still), float(style), float(ssim)


@torch.no_grad()
def drawing(net: Any, module: Any, artwork: Rgb, strength: float = 1.0) -> Draw:
    """What draws photographs in the artwork's style, by `module`, a depth of `net`."""
    code, *_ = net.encode_style(torch.from_numpy(to_tensor(artwork)))
    alpha = torch.full((1, 1), strength)

    @torch.no_grad()
    def draw(rgb: Rgb) -> Rgb:
        return to_levels(module(torch.from_numpy(to_tensor(rgb)), code, alpha).numpy())

    return draw


def table(rows: Sequence[tuple[str, int, tuple[float, float, float, float]]]) -> str:
    """A line per network and depth, in Markdown."""
    lines = [f"| {' | '.join(COLUMNS)} |", f"| --- |{' ---: |' * (len(COLUMNS) - 1)}"]
    for name, depth, (clip, still, style, ssim) in rows:
        lines.append(f"| {name} | {depth} | {clip:.2f} | {still:.2f} | {style:.3f} | {ssim:.3f} |")
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with images/")
    parser.add_argument("--clip", type=Path, required=True)
    parser.add_argument(
        "--network", action="append", required=True, metavar="NAME=WEIGHTS", help="may be repeated"
    )
    parser.add_argument(
        "--depths", type=int, nargs="+", metavar="N", help="default: the deepest, the shallowest"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="write noise.md there as well")
    args = parser.parse_args(argv)
    if args.out:
        args.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    images, rows = args.data / "images", []
    kodak = sorted((images / "content" / "kodak24").glob("*.jpg"))
    photographs, artworks = squares(kodak, _PHOTOGRAPHS), squares(test_artworks(images), ARTWORKS)
    frames = clip_frames(args.clip)
    for name, net in networks_of(args.network).items():
        for depth in args.depths or (net.depths[-1], net.depths[0]):
            rows.append((name, depth, scores(net, depth, frames, photographs, artworks)))
    told = table(rows)
    if args.out:
        about = _ABOUT.format(clip=args.clip.stem)
        write_atomic(args.out / "noise.md", f"{about}\n\n{told}\n".encode())
    print(told)


if __name__ == "__main__":
    main()
