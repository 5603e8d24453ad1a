"""What `adapt` and `refine` do, from files to files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from iast_export.errors import InputError
from iast_export.files.artifacts import write_atomic
from iast_export.network.safetensors_file import to_bytes
from iast_export.pictures.images import Rgb, center_square, load_image, to_tensor
from iast_export.pictures.imagesets import load_set
from iast_export.recipe import load_recipe
from iast_export.specs import STYLE_ENCODER_SIDE_PX
from models.styles.adapter import (
    CHECKPOINT_KEY,
    FOLDERS,
    KindAdapter,
    adapted_code,
    files_of,
    load_adapters,
    save_adapters,
)
from models.styles.kit import Kit
from models.styles.measure import scores
from models.styles.optimize import Effort, fell, refined_code, trained_adapter

_CODE = "style_code"


def make_adapters(
    kit: Kit, images: Path, kinds: Iterable[str], out: Path, effort: Effort
) -> Mapping[str, str]:
    """Trains an adapter per kind and writes them; how the loss fell, by kind.

    Raises:
        InputError: a kind without artworks, or a loss that is not finite.
    """
    made: dict[str, KindAdapter] = {}
    changes = {}
    for kind in kinds:
        files = files_of(images, kind)
        made[kind], losses = trained_adapter(
            kit.net, files, kit.contents, kit.recipe, kit.vgg, effort
        )
        changes[kind] = fell(losses)
    save_adapters(out, made, kit.checkpoint_sha256)
    return changes


def adapters_for(kit: Kit, images: Path, path: Path, effort: Effort) -> dict[str, KindAdapter]:
    """The adapters of a file, made anew where it is missing or of another checkpoint."""
    try:
        return load_adapters(path, kit.net, kit.checkpoint_sha256)
    except InputError:
        make_adapters(kit, images, FOLDERS, path, effort)
    return load_adapters(path, kit.net, kit.checkpoint_sha256)


def refine(kit: Kit, image: Path, out: Path, effort: Effort) -> str:
    """Improves a picture's code, writes it for `iast-export style add --code`; its gain.

    Raises:
        InputError: the picture is unreadable, or a loss is not finite.
    """
    rgb = center_square(load_image(image), STYLE_ENCODER_SIDE_PX)
    artwork = torch.from_numpy(to_tensor(rgb))
    with torch.no_grad():
        before = adapted_code(kit.net, None, artwork)
    after, losses = refined_code(kit.net, artwork, kit.contents, kit.recipe, kit.vgg, effort)
    save_code(out, after, kit.checkpoint_sha256)
    photographs = squares_of_set(load_recipe(None).verify.set)
    ends = [scores(kit.net, code, rgb, photographs, (1.0,))[0] for code in (before, after)]
    (style_0, ssim_0), (style_1, ssim_1) = ends
    return (
        f"{out}: {len(losses)} steps, loss {fell(losses)}\n"
        f"on {len(photographs)} other photographs: style distance {style_0:.3f} to {style_1:.3f}, "
        f"SSIM {ssim_0:.3f} to {ssim_1:.3f}"
    )


def save_code(path: Path, code: Tensor, checkpoint_sha256: str) -> None:
    """Writes a code [1, code_size] with the checkpoint that it belongs to."""
    write_atomic(
        path, to_bytes({_CODE: code.detach().numpy()}, {CHECKPOINT_KEY: checkpoint_sha256})
    )


def squares_of_set(name: str) -> list[Rgb]:
    """Middle squares of a set's photographs, at most four."""
    found = load_set(name)
    return [center_square(found[i], STYLE_ENCODER_SIDE_PX) for i in range(min(4, len(found)))]
