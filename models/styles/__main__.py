"""Codes closer to a kind of art or to one artwork, and by how much; the network stays.

    python -m models.styles adapt --data ../shared/data --out runs/adapters.safetensors
    python -m models.styles refine --image painting.jpg --vgg 5SE.pt --out code.safetensors
    python -m models.styles measure --data ../shared/data --adapters runs/adapters.safetensors \\
        --out benchmarks/quality

`--data` holds `images/` and `weights/`. `measure` makes the adapters itself where the file is
missing or of another checkpoint.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import torch

from iast_export.errors import IastExportError
from iast_export.network.checkpoint import PACKAGED_CHECKPOINT
from models.styles.adapter import FOLDERS
from models.styles.kit import VGG, Kit, crops_of, training_crops
from models.styles.measure import SampleCounts, measure
from models.styles.optimize import Effort
from models.styles.report import write
from models.styles.verbs import adapters_for, make_adapters, refine

_ADAPTER_RATE = (
    1e-3  # of a head that every artwork of its kind shares; one code alone bears ten times that
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m models.styles",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    verbs = parser.add_subparsers(dest="verb", required=True)
    adapt = verbs.add_parser("adapt", help="train one adapter per kind of art")
    adapt.add_argument("--data", type=Path, required=True, help="folder with images/ and weights/")
    adapt.add_argument("--out", type=Path, required=True, help="safetensors file")
    adapt.add_argument("--kinds", nargs="+", choices=tuple(FOLDERS), default=list(FOLDERS))
    one = verbs.add_parser(
        "refine", help="improve the code of one picture, for `iast-export style add --code`"
    )
    one.add_argument("--image", type=Path, required=True)
    one.add_argument("--vgg", type=Path, required=True, help="5SE.pt of the distilled VGG-19")
    one.add_argument("--out", type=Path, required=True, help="safetensors file")
    one.add_argument("--photographs", help="folder of photographs; default: the packaged ones")
    one.add_argument("--steps", type=int, default=Effort().steps)
    one.add_argument("--seconds", type=float, default=60.0, help="stop earlier, at this much time")
    gain = verbs.add_parser(
        "measure", help="the gain of adapters and refined codes on unseen pictures"
    )
    gain.add_argument("--data", type=Path, required=True, help="folder with images/ and weights/")
    gain.add_argument(
        "--adapters", type=Path, required=True, help="made here where missing or out of date"
    )
    gain.add_argument(
        "--out", type=Path, required=True, help="folder for styles.md and styles.json"
    )
    gain.add_argument(
        "--artworks", type=int, default=SampleCounts().artworks, help="unseen ones of each kind"
    )
    gain.add_argument(
        "--refined",
        type=int,
        default=SampleCounts().refined,
        help="of these, with a refined code too",
    )
    gain.add_argument(
        "--photographs", type=int, default=SampleCounts().photographs, help="of Kodak-24"
    )
    gain.add_argument("--refine-steps", type=int, default=Effort().steps)
    for verb in (adapt, gain):
        verb.add_argument("--steps", type=int, default=300, help="of each adapter")
    for verb in (adapt, one, gain):
        verb.add_argument("--checkpoint", type=Path, default=PACKAGED_CHECKPOINT)
    return parser


def _run(args: Any) -> None:
    if args.verb == "refine":
        kit = Kit.load(args.checkpoint, args.vgg, crops_of(args.photographs))
        effort = Effort(args.steps, limit_s=args.seconds)
        print(refine(kit, args.image, args.out, effort))
        return
    images = args.data / "images"
    kit = Kit.load(args.checkpoint, args.data / VGG, training_crops(images))
    effort = Effort(args.steps, learning_rate=_ADAPTER_RATE)
    if args.verb == "adapt":
        for kind, change in make_adapters(kit, images, args.kinds, args.out, effort).items():
            print(f"{kind}: loss {change}")
        return
    plan = SampleCounts(args.artworks, args.refined, args.photographs)
    adapters = adapters_for(kit, images, args.adapters, effort)
    found = measure(kit, images, adapters, plan, Effort(args.refine_steps))
    print(write(args.out, found, {"adapter": effort.steps, "refined": args.refine_steps}))


def main(argv: list[str] | None = None) -> None:
    args = _parser().parse_args(argv)
    torch.set_num_threads(1)
    try:
        _run(args)
    except IastExportError as error:
        raise SystemExit(f"{error}") from error


if __name__ == "__main__":
    main()
