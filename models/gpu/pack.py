r"""Packs what one training on a GPU needs: code, recipe, frozen networks and shrunken pictures.

    python -m models.gpu.pack --data DIR --out runs/gpu/pack
    python -m models.gpu.pack --data DIR --out runs/gpu/pack --resume runs/iast_gpu      (to go on)

DIR holds images/, weights/ and images.csv. The pack is a folder, or one file if OUT ends in .tar;
the same inputs give the same bytes. It runs where torch, numpy, OpenCV, safetensors and tqdm are
installed.
"""

from __future__ import annotations

import argparse
import io
import json
import shutil
import sys
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save as save_safetensors
from torch import Tensor

from iast_export.errors import IastExportError, InputError, UsageError
from iast_export.files.artifacts import json_bytes, read_bytes, sha256_bytes, write_atomic
from models.data import SHORT_SIDE_PX, training_files
from models.faces.crops import find_faces
from models.faces.listing import listed_faces, listing_bytes
from models.gpu.packed import FACTS, SCHEMA_VERSION
from models.gpu.pictures import (
    KINDS,
    Picture,
    artworks,
    drawn_artworks,
    encoded,
    joined,
    photographs,
    shrunk,
)
from models.gpu.record import STATE
from models.ink import DRAWN
from models.journal import SHEET_PX, sheet_files
from models.perceptual import DistilledVgg
from models.recipe import TrainingRecipe
from models.sheet import square, to_tensor
from models.telling import aloud, tell

# 64 MiB may travel in all, and 17 of them are left to a working tree that travels along.
LIMIT_MIB = 47.0
_ROOT = Path(__file__).resolve().parents[2]
_CODE = ("models", "iast_export")
_VGG = Path("vgg19_16x_distilled") / "5SE.pt"
_DETECTOR = Path("face") / "retinaface_mnet025_FaceDetector.onnx"
_LANDMARKS = Path("face") / "face_landmark68_faceapi.npz"
_HALF_ERROR = 2e-3  # of features, relative; bfloat16 in the training itself costs more
_SHEET_QUALITY = 94

Files = dict[str, bytes]


def code() -> Files:
    """Every module of the project: architectures and losses go by recipe, so none is left out."""
    paths = (p for package in _CODE for p in sorted((_ROOT / package).rglob("*.py")))
    return {p.relative_to(_ROOT).as_posix(): p.read_bytes() for p in paths}


@torch.no_grad()
def half_error(net: DistilledVgg, samples: Sequence[np.ndarray]) -> float:
    """What half precision of weights changes features by: the largest relative distance."""
    rounded = DistilledVgg()
    rounded.load_state_dict({k: v.half().float() for k, v in net.state_dict().items()})
    worst = 0.0
    for rgb in samples:
        exact, other = net(to_tensor(rgb)), rounded(to_tensor(rgb))
        worst = max(worst, *(float((exact[k] - other[k]).norm() / exact[k].norm()) for k in exact))
    return worst


def vgg_file(weights: Path, samples: Sequence[np.ndarray]) -> bytes:
    """The perceptual network as safetensors, in half precision where that is exact enough."""
    net = DistilledVgg.load(weights)
    error = half_error(net, samples)
    half = error <= _HALF_ERROR
    state: dict[str, Tensor] = {k: (v.half() if half else v) for k, v in net.state_dict().items()}
    tell(
        f"perceptual network: half precision changes features by {error:.1e}, "
        f"{'kept' if half else 'not'}"
    )
    return save_safetensors(state)


def _torch_bytes(state: Mapping[str, Any]) -> bytes:
    stream = io.BytesIO()
    torch.save(dict(state), stream)
    return stream.getvalue()


def _average_of(path: Path) -> bytes:
    """A run's moving average alone, with what builds its network."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    kept = ("kind", "config", "block_norm", "ema")
    if "ema" not in state:
        raise InputError(f"{path} is not the weights.pt of a run", "give the weights.pt of a run")
    return _torch_bytes({k: state[k] for k in kept if k in state})


def networks(args: Any, recipe: TrainingRecipe) -> Files:
    """Frozen networks, and the weights to begin or go on with."""
    files: Files = {}
    if recipe.loss.distills:
        if args.teacher is None:
            raise UsageError(f"{args.recipe} distils from a teacher", "give --teacher WEIGHTS.pt")
        files["teacher.pt"] = _average_of(args.teacher)
    if recipe.loss.faces:
        files["landmarks.npz"] = read_bytes(args.data / "weights" / _LANDMARKS)
    if args.resume is not None:
        kept = [*STATE, *(name for name in ("log.csv",) if (args.resume / name).is_file())]
        files |= {f"state/{name}": read_bytes(args.resume / name) for name in kept}
    elif args.init is not None:
        released = args.init.suffix == ".safetensors"
        files[f"init{args.init.suffix}"] = (
            read_bytes(args.init) if released else _average_of(args.init)
        )
    return files


def faces(args: Any, chosen: Sequence[Path]) -> Files:
    """The listing of faces in the chosen photographs: given, or found here."""
    images = args.data / "images"
    try:
        found = (
            listed_faces(args.faces)
            if args.faces
            else find_faces(images, args.data / "weights" / _DETECTOR)
        )
    except (OSError, ValueError) as error:
        raise InputError(
            str(error), "give --faces a listing of models.faces.crops, or leave it out"
        ) from error
    names = {path.relative_to(images).as_posix() for path in chosen}
    kept = {name: face for name, face in sorted(found.items()) if name in names}
    if not kept:
        raise InputError("no face in the photographs of the pack", "take more with --photographs N")
    return {"faces.json": listing_bytes(kept)}


def chosen_files(images: Path, count: int | None) -> tuple[list[Path], list[Path]]:
    """Photographs, `count` of them spread evenly over the list, and all artworks to train on."""
    contents, styles = training_files(images)
    if count is not None and count < len(contents):
        contents = [contents[i] for i in np.linspace(0, len(contents) - 1, count).astype(int)]
    return contents, styles


def sheet_pictures(images: Path) -> list[Picture]:
    """What sheets show: photographs, up to two faces, and artworks, none trained on."""
    contents, styles = sheet_files(images)
    contents = contents + sorted((images / "faces").glob("*/*.jpg"))[:2]
    return [
        Picture(
            path.relative_to(images).as_posix(),
            kind,
            encoded(square(path, SHEET_PX), _SHEET_QUALITY),
        )
        for kind, paths in (("sheet_photographs", contents), ("sheet_artworks", styles))
        for path in paths
    ]


def assembled(args: Any) -> Files:
    """All files of the pack but its list.

    Raises:
        UsageError: it can't be made to fit.
    """
    images, table = args.data / "images", args.data / "images.csv"
    try:
        recipe = TrainingRecipe.read(args.recipe)
        contents, styles = chosen_files(images, args.photographs)
        shown = sheet_pictures(images)
    except (ValueError, OSError) as error:
        raise InputError(
            str(error), "give --data the folder of images/ and weights/, and a recipe"
        ) from error
    files = {**code(), "recipe.toml": read_bytes(args.recipe), **networks(args, recipe)}
    if recipe.loss.faces:
        files |= faces(args, contents)
    samples = [shrunk(path, 192) for path in contents[:: max(1, len(contents) // 3)][:3]]
    files["vgg.safetensors"] = vgg_file(args.data / "weights" / _VGG, samples)
    drawn = drawn_artworks(recipe.drawn_artworks, args.short_side_px)
    fixed = [*artworks(images, styles, args.short_side_px), *drawn, *shown]
    taken = sum(map(len, files.values())) + sum(len(p.data) for p in fixed)
    listed_bytes = 160 * (len(contents) + len(fixed) + len(files))  # a row of a listing each
    budget = int(args.limit_mib * 2**20) - taken - listed_bytes
    quality, made = photographs(images, contents, args.short_side_px, budget)
    tell(f"photographs: WebP of quality {quality}, short side at most {args.short_side_px} px")
    files["pictures.bin"], rows = joined([*made, *fixed])
    source = (
        {"file": table.name, "sha256": sha256_bytes(read_bytes(table))} if table.is_file() else {}
    )
    files["listing.json"] = json_bytes(
        {
            "quality": quality,
            "licences": source,
            "pictures": rows,
            "short_side_px": args.short_side_px,
        }
    )
    return files


def _listed(files: Files, recipe: Path) -> bytes:
    rows = json.loads(files["listing.json"])["pictures"]
    counts = {kind: sum(row["kind"] == kind for row in rows) for kind in KINDS}
    counts["drawn_artworks"] = sum(row["name"].startswith(DRAWN) for row in rows)
    counts["faces"] = len(json.loads(files["faces.json"])) if "faces.json" in files else 0
    known = {
        name: {"bytes": len(data), "sha256": sha256_bytes(data)} for name, data in files.items()
    }
    return json_bytes(
        {"schema_version": SCHEMA_VERSION, "recipe": recipe.name, "counts": counts, "files": known}
    )


def by_kind(files: Files) -> dict[str, int]:
    """Bytes of code, of each kind of picture, and of every other file."""
    sizes: dict[str, int] = {}
    for row in json.loads(files["listing.json"])["pictures"]:
        sizes[row["kind"]] = sizes.get(row["kind"], 0) + row["bytes"]
    for name, data in files.items():
        if name != "pictures.bin":
            kind = "code" if name.endswith(".py") else name
            sizes[kind] = sizes.get(kind, 0) + len(data)
    return sizes


def write(files: Files, out: Path) -> int:
    """Writes the pack in place of an earlier one; its bytes.

    Raises:
        UsageError: something else lies there.
    """
    if out.suffix == ".tar":
        write_atomic(out, _archive(files))
        return out.stat().st_size
    if out.exists() and not (out / FACTS).is_file():
        raise UsageError(f"{out} exists and is no pack", "give --out another folder")
    if out.exists():
        shutil.rmtree(out)
    for name, data in files.items():
        write_atomic(out / name, data)
    return sum(map(len, files.values()))


def _archive(files: Files) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


def pack(args: Any) -> None:
    """Makes the pack and says what it holds.

    Raises:
        UsageError: it is above the limit, or can't be made to fit.
    """
    files = assembled(args)
    files[FACTS] = _listed(files, args.recipe)
    for kind, size in by_kind(files).items():
        tell(f"{kind:>20} {size:>11,} bytes")
    total, limit = sum(map(len, files.values())), int(args.limit_mib * 2**20)
    if total > limit:
        raise UsageError(
            f"the pack takes {total:,} bytes, {limit:,} are allowed",
            "take fewer with --photographs N",
        )
    written = write(files, args.out)
    tell(f"{json.loads(files[FACTS])['counts']}")
    tell(
        f"{args.out}: {written:,} bytes of {limit:,}. Next, there: python3 -m models.gpu.run --out "
        "OUT"
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and weights/")
    parser.add_argument("--out", type=Path, required=True, help="a folder, or FILE.tar")
    parser.add_argument(
        "--recipe", type=Path, default=_ROOT / "models" / "recipes" / "iast_gpu.toml"
    )
    parser.add_argument("--init", type=Path, help="weights.pt of a run, or a released .safetensors")
    parser.add_argument("--resume", type=Path, help="a run's folder, to go on with")
    parser.add_argument(
        "--teacher", type=Path, help="weights.pt of a teacher's run, to distil from"
    )
    parser.add_argument(
        "--faces", type=Path, help="listing of models.faces.crops; by default made here"
    )
    parser.add_argument("--photographs", type=int, help="take so many; by default all")
    parser.add_argument("--short-side-px", type=int, default=SHORT_SIDE_PX)
    parser.add_argument("--limit-mib", type=float, default=LIMIT_MIB)
    return parser


def main(argv: list[str] | None = None) -> int:
    """Runs the command; its exit code."""
    try:
        with aloud():
            pack(_parser().parse_args(argv))
    except IastExportError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
