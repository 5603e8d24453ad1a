r"""Turns a training run into what the wheel ships: checkpoint, card, ready-made style codes.

    python -m models.release --run runs/student --recipe models/recipes/student.toml \
        --images DIR --csv images.csv

The card's metrics are measured here, on Kodak-24 and artworks that trained nothing.
"""

from __future__ import annotations

import argparse
import copy
import csv
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from iast_export.errors import InputError
from iast_export.files.artifacts import read_bytes, sha256_bytes, sha256_file, write_atomic
from iast_export.files.toml_text import format_toml, parse_toml
from iast_export.metrics.fidelity import ssim_content
from iast_export.metrics.style import style_distance, style_statistics
from iast_export.network.architectures import Network
from iast_export.network.checkpoint import PACKAGED_CHECKPOINT, save_checkpoint
from iast_export.network.iast2 import IAST2
from iast_export.network.safetensors_file import to_bytes
from iast_export.pictures.images import Rgb, center_square, load_image, to_levels, to_tensor
from iast_export.specs import STYLE_ENCODER_SIDE_PX
from models.card import card_of
from models.data import held_out, test_artworks, training_files
from models.ink import SCENES, painted
from models.recipe import TrainingRecipe
from models.sheet import load_weights

STYLES_DIR = PACKAGED_CHECKPOINT.parent / "styles"


@torch.no_grad()
def scores(net: Network, contents: list[Rgb], artworks: list[Rgb]) -> dict[str, Any]:
    """SSIM to the photograph and style distance per depth and strength, means over all pairs.

    Doing nothing scores SSIM 1, so neither figure means anything without the other.
    """
    codes = [net.encode_style(torch.from_numpy(to_tensor(a)))[0] for a in artworks]
    references = [style_statistics(a) for a in artworks]
    found: dict[str, Any] = {
        "photographs": len(contents),
        "artworks": len(artworks),
        "side_px": 256,
    }
    untouched = [style_distance(c, r) for c in contents for r in references]
    found["style_distance_of_the_photograph"] = round(float(np.mean(untouched)), 4)
    ends = (net.depths[0], net.depths[-1])
    for depth, strength in [
        *((d, 1.0) for d in net.depths),
        *((d, s) for s in (0.5, 0.3) for d in ends),
    ]:
        module, given = net.cut(depth), torch.full((1, 1), strength)
        ssims, distances = [], []
        for content in contents:
            for code, reference in zip(codes, references, strict=True):
                image = to_levels(module(torch.from_numpy(to_tensor(content)), code, given).numpy())
                ssims.append(ssim_content(image, content))
                distances.append(style_distance(image, reference))
        found[f"depth_{depth}_strength_{strength:g}".replace(".", "_")] = {
            "ssim_content": round(float(np.mean(ssims)), 4),
            "style_distance": round(float(np.mean(distances)), 4),
        }
    return found


def rescaled(net: Network, percent: int) -> IAST2:
    """An equal network whose strength 1 lies at `percent` of the scale that was trained.

    Raises:
        InputError: it has no such setting.
    """
    if not isinstance(net, IAST2):
        raise InputError("only a second network has full_strength_percent", "leave it out")
    made = IAST2(replace(net.config, full_strength_percent=percent))
    made.load_state_dict(net.state_dict())
    return made.eval()


def between(begun: Network, trained: Network, percent: int) -> Network:
    """A network whose every weight lies `percent` of the way from one to the other.

    Of a network and what it became in a short training (Wortsman et al., "Robust fine-tuning of
    zero-shot models", CVPR 2022): it keeps of the one what the other forgot.

    Raises:
        InputError: they are no networks of the same weights.
    """
    old, new = begun.state_dict(), trained.state_dict()
    if {k: v.shape for k, v in old.items()} != {k: v.shape for k, v in new.items()}:
        raise InputError("they have other weights", "give what the training was started from")
    share = percent / 100.0
    made = copy.deepcopy(trained)
    made.load_state_dict({k: torch.lerp(old[k], new[k], share) for k in new})
    return made


def card(net: Network, run: Path, images: Path, recipe: Path, note: str) -> dict[str, Any]:
    """The checkpoint's facts: what it was trained on, under which terms, and how it scores."""
    kodak = sorted((images / "content" / "kodak24").glob("*.jpg"))
    unseen = test_artworks(images)
    unseen = unseen[:: max(1, len(unseen) // 12)][:12]
    pictures = [[center_square(load_image(p), 256) for p in paths] for paths in (kodak, unseen)]
    state = torch.load(run / "weights.pt", map_location="cpu", weights_only=True)
    facts = state.get("facts") or counted(images, recipe)
    training = {
        "recipe": recipe.as_posix(),
        "steps": int(state["step"]),
        **facts["training"],
        "note": note,
    }
    return card_of(net, facts["data"], training, scores(net, *pictures))


def counted(images: Path, recipe: Path) -> dict[str, Any]:
    """The facts of a run that kept none: one on two cores, on all training pictures."""
    photographs, artworks = training_files(images)
    drawn = len(SCENES) * TrainingRecipe.read(recipe).drawn_artworks
    counts = {"photographs": len(photographs), "artworks": len(artworks) + drawn}
    return {
        "data": {**counts, **({"drawn_artworks": drawn} if drawn else {})},
        "training": {"device": "2 CPU cores"},
    }


def write_styles(net: Network, listing: Path, images: Path, csv_file: Path) -> None:
    """Encodes the listed artworks into STYLES_DIR: codes, statistics, sources and licences."""
    facts = {row["file"]: row for row in csv.DictReader(csv_file.read_text().splitlines())}
    tensors: dict[str, np.ndarray] = {}
    entries = []
    for style in parse_toml(read_bytes(listing), str(listing), InputError)["styles"]:
        artwork, origin = _drawn(style) if "drawn" in style else _found(style, images, facts)
        rgb = center_square(artwork, STYLE_ENCODER_SIDE_PX)
        tensors[f"{style['id']}/style_code"] = net.encode_style(torch.from_numpy(to_tensor(rgb)))[
            0
        ].numpy()
        tensors[f"{style['id']}/statistics"] = style_statistics(rgb)
        entries.append(
            {
                "id": style["id"],
                "category": style["category"],
                "title": style["title"],
                "held_out": style.get("held_out", False),
                **origin,
                "captions": style["captions"],
            }
        )
    codes = to_bytes(tensors, {})
    write_atomic(STYLES_DIR / "codes.safetensors", codes)
    blocks = [
        f'checkpoint_sha256 = "{sha256_file(PACKAGED_CHECKPOINT)}"\n',
        f'codes_sha256 = "{sha256_bytes(codes)}"\n',
    ]
    blocks += [
        "\n[[styles]]\n"
        + "".join(f"{k} = {json.dumps(v, ensure_ascii=False)}\n" for k, v in entry.items())
        for entry in entries
    ]
    write_atomic(STYLES_DIR / "styles.toml", "".join(blocks).encode())


def _found(
    style: Mapping[str, Any], images: Path, facts: Mapping[str, Mapping[str, str]]
) -> tuple[Rgb, dict[str, str]]:
    """A listed artwork of the image folder, its licence and where it is from."""
    path = images / "style" / style["file"]
    if not held_out(path):
        raise SystemExit(f"{path} was trained on; choose a held-out artwork")
    fact = facts[f"style/{style['file']}"]
    source = f"{fact['source_repo']}: {fact['path']}"
    return load_image(path), {"licence": fact["licence"], "source": source}


def _drawn(style: Mapping[str, Any]) -> tuple[Rgb, dict[str, str]]:
    """A listed painting of the project's own, as it was not trained on."""
    licence = "Apache-2.0 (drawn by the project, which no training saw)"
    return painted(style["drawn"]), {"licence": licence, "source": f"models.ink: {style['drawn']}"}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument(
        "--csv", type=Path, help="images.csv, for the sources of the ready-made styles"
    )
    parser.add_argument(
        "--checkpoint", type=Path, help="write this .safetensors, and leave the package as it is"
    )
    parser.add_argument("--recipe", type=Path, required=True, help="of the run, for the card")
    parser.add_argument(
        "--full-strength-percent",
        type=int,
        help="where strength 1 lies on the scale that was trained, of a second network",
    )
    parser.add_argument(
        "--between",
        type=Path,
        metavar="CHECKPOINT",
        help="what the run started from: release weights on the way from it to the run's",
    )
    parser.add_argument(
        "--share-percent", type=int, default=100, help="how far on that way", metavar="N"
    )
    parser.add_argument("--note", default="", help="what the run started from, for the card")
    parser.add_argument("--styles", type=Path, default=Path("models/recipes/styles.toml"))
    args = parser.parse_args()
    if not (args.csv or args.checkpoint):
        parser.error(
            "give --csv images.csv for the package's styles, or --checkpoint FILE to leave it alone"
        )
    net = load_weights(args.run / "weights.pt")
    if args.between:
        net = between(load_weights(args.between), net, args.share_percent)
    if args.full_strength_percent:
        net = rescaled(net, args.full_strength_percent)
    facts = card(net, args.run, args.images, args.recipe, args.note)
    save_checkpoint(net, args.checkpoint or PACKAGED_CHECKPOINT, facts)
    if not args.checkpoint:
        write_styles(net, args.styles, args.images, args.csv)
    print(format_toml(facts["metrics"]))


if __name__ == "__main__":
    main()
