"""Judges our networks beside the methods they claim to beat: same pictures, same run, same scores.

    python -m models.evaluate --data ../shared/data --out benchmarks/quality
    python -m models.evaluate --data DIR --out DIR --methods adain student --photographs 6 --faces 0

`--data` holds `images/` and `weights/`. What was judged before is read from the cache, so that a
killed run goes on and only a changed network is judged anew. Writes quality.md, quality.json and
Pareto plots; a sheet goes into the cache, for it shows pictures that are not the project's.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch

from iast_export.errors import IastExportError, InputError
from iast_export.files.artifacts import read_json, sha256_file
from iast_export.network.checkpoint import PACKAGED_CHECKPOINT, load_checkpoint
from iast_export.pictures.images import center_square, load_image
from models.data import test_artworks
from models.evaluation.fast_style import FastStyle
from models.evaluation.gatys import Gatys
from models.evaluation.judges import DlibJury, Judges, Jury
from models.evaluation.methods import (
    FEW_STRENGTHS,
    BundleLane,
    Method,
    Network,
    Photograph,
    bundle_depths,
    fingerprint_of,
)
from models.evaluation.pca_kd import PcaKd
from models.evaluation.plots import pareto
from models.evaluation.report import Findings
from models.evaluation.run import judge, milliseconds, sheet
from models.evaluation.sample import Pair, Sample, draw_sample
from models.evaluation.transforms import AdaIn, Wct
from models.faces.measuring import FaceDetector
from models.networks import load_trainable, style_network
from models.perceptual import DistilledVgg

ALL = (
    "photograph",
    "gatys",
    "adain",
    "wct",
    "pca-kd",
    "fast-style",
    "teacher",
    "student",
    "bundle",
)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and weights/")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--cache", type=Path, default=Path("build/quality"), help="judged pictures")
    parser.add_argument("--methods", nargs="+", choices=ALL, default=list(ALL))
    parser.add_argument(
        "--student",
        type=Path,
        default=PACKAGED_CHECKPOINT,
        help="safetensors or a run's weights.pt",
    )
    parser.add_argument(
        "--depths", type=int, nargs="+", help="of student and bundle; default: all, and the ends"
    )
    parser.add_argument("--teacher", type=Path, help="weights.pt of the teacher's run")
    parser.add_argument("--bundle", type=Path, help="a built bundle, for its INT8 lanes")
    parser.add_argument(
        "--network",
        action="append",
        default=[],
        metavar="NAME=WEIGHTS",
        help="further ones, as --student",
    )
    parser.add_argument("--photographs", type=int, default=24)
    parser.add_argument("--faces", type=int, default=24)
    parser.add_argument("--artworks", type=int, default=12)
    parser.add_argument(
        "--gatys-photographs", type=int, default=12, help="the slow one is judged on fewer"
    )
    parser.add_argument(
        "--dlib",
        type=Path,
        metavar="DIR",
        help="files of python -m benchmarks.face_parts: faces are judged by Dlib's parts as well",
    )
    parser.add_argument(
        "--times",
        type=Path,
        metavar="JSON",
        help="a report of an idle machine, whose milliseconds are kept and not measured here",
    )
    parser.add_argument("--side-px", type=int, default=256)
    parser.add_argument("--name", default="quality", help="of the files written")
    return parser


def _vgg_folder(weights: Path) -> Path:
    return weights / "vgg19_16x_distilled"


def _networks(args: Any, vgg: DistilledVgg) -> Iterator[Method]:
    """Our own networks, a method per depth; further runs by their deepest."""
    if "teacher" in args.methods and args.teacher:
        net = style_network(load_trainable(args.teacher), vgg)
        yield Network("teacher", net, net.depths[-1], sha256_file(args.teacher))
    if "student" in args.methods:
        net = _loaded(args.student, vgg)
        for depth in sorted(_depths(net, args.depths), reverse=True):
            yield Network(f"student-d{depth}", net, depth, sha256_file(args.student))
    for entry in args.network:
        name, _, path = entry.partition("=")
        if not path:
            raise InputError(f"--network {entry}", "give NAME=WEIGHTS")
        net = _loaded(Path(path), vgg)
        yield Network(name, net, net.depths[-1], sha256_file(Path(path)))


def _depths(net: Any, asked: list[int] | None) -> list[int]:
    """The depths to judge: those that were asked for, or all.

    Raises:
        InputError: the network has not one of them.
    """
    missing = sorted(set(asked or ()) - set(net.depths))
    if missing:
        raise InputError(f"--depths {missing[0]}", f"the student's depths are {list(net.depths)}")
    return asked or list(net.depths)


def _loaded(path: Path, vgg: DistilledVgg) -> Any:
    if path.suffix == ".safetensors":
        return load_checkpoint(path)
    return style_network(load_trainable(path), vgg)


def _methods(args: Any) -> list[Method]:
    weights = args.data / "weights"
    five = _vgg_folder(weights) / "5SE.pt"
    vgg = DistilledVgg.load(five)
    made: list[Method] = []
    if "photograph" in args.methods:
        made.append(Photograph())
    if "gatys" in args.methods:
        made.append(Gatys(vgg, sha256_file(five)))
    if "adain" in args.methods:
        made.append(AdaIn.load(_vgg_folder(weights)))
    if "wct" in args.methods:
        made.append(Wct.load(_vgg_folder(weights)))
    if "pca-kd" in args.methods:
        made.append(PcaKd.load(weights / "pca_kd_mobilenet.npz"))
    if "fast-style" in args.methods:
        made += [
            FastStyle.load(weights / "fast_neural_style" / f"{n}.npz") for n in ("candy", "mosaic")
        ]
    made += _networks(args, vgg)
    if "bundle" in args.methods and args.bundle:
        made += _lanes(args.bundle, args.depths)
    return made


def _lanes(bundle: Path, asked: list[int] | None) -> list[Method]:
    """INT8 of both runtimes at the depths asked for, or at the deepest and the shallowest.

    Raises:
        InputError: the bundle has none of those that were asked for.
    """
    depths = sorted(set(bundle_depths(bundle)), reverse=True)
    chosen = [depth for depth in depths if depth in asked] if asked else [depths[0], depths[-1]]
    if not chosen:
        raise InputError(f"--depths {asked}", f"{bundle} has {depths}")
    return [
        BundleLane(bundle, runtime, "int8", depth, FEW_STRENGTHS)
        for runtime in ("litert", "onnxruntime")
        for depth in chosen
    ]


def _judges(weights: Path, faces: bool) -> Judges:
    return Judges(
        weights / "squeezenet1_1_caffe_fp32.pt",
        weights / "inception_v3_2015_to_mixed8_fp16.pt",
        weights / "face" / "mobilefacenet.onnx" if faces else None,
        weights / "face" / "face_landmark68_faceapi.npz" if faces else None,
    )


def _sample(args: Any) -> Sample:
    detector = None
    if args.faces:
        detector = FaceDetector(
            args.data / "weights" / "face" / "retinaface_mnet025_FaceDetector.onnx"
        )
    return draw_sample(
        args.data / "images", args.side_px, args.photographs, args.faces, args.artworks, detector
    )


def _artwork_features(args: Any, judges: Judges) -> np.ndarray | None:
    """Inception features of every held-out artwork [N, 768], kept beside the scores."""
    paths = test_artworks(args.data / "images")
    kept = args.cache / f"artworks-{fingerprint_of(judges.fingerprint, str(args.side_px))}.npy"
    if kept.exists():
        return np.asarray(np.load(kept))
    found = [judges.features(center_square(load_image(p), args.side_px)) for p in paths]
    rows = [f for f in found if f is not None]
    if not rows:
        return None
    kept.parent.mkdir(parents=True, exist_ok=True)
    np.save(kept, np.stack(rows))
    return np.stack(rows)


def _kept_times(report: Path) -> dict[str, float]:
    """Milliseconds by method, of a report that was written before."""
    times = read_json(report).get("milliseconds")
    if not isinstance(times, dict):
        raise InputError(f"{report} has no milliseconds", "give the JSON file of models.evaluate")
    return {name: float(value) for name, value in times.items()}


def _write(out: Path, name: str, findings: Findings) -> None:
    out.mkdir(parents=True, exist_ok=True)
    (out / f"{name}.md").write_text(findings.markdown())
    (out / f"{name}.json").write_text(json.dumps(findings.json(), indent=1) + "\n")
    titles = {
        "ssim": "Detail kept against style taken",
        "identity": "The person kept against style taken",
    }
    for score, title in titles.items():
        if score == "ssim" or findings.people:
            pareto(findings.drawn(), score, out / f"{name}-{score}.png", title)


def main(argv: list[str] | None = None) -> None:
    args: Any = _parser().parse_args(argv)
    torch.set_num_threads(1)
    try:
        sample, made = _sample(args), _methods(args)
        judges = _judges(args.data / "weights", bool(sample.faces))
        pairs = sample.pairs()
        few = sample.few_pairs(args.gatys_photographs)
        juries: list[Jury] = [judges]
        if args.dlib is not None:
            juries.append(DlibJury.load(args.dlib))
        judged = [judge(m, _of(m, pairs, few), juries, args.cache) for m in made]
        artworks = _artwork_features(args, judges)
        facts = {
            "photographs": len(sample.photographs),
            "faces": len(sample.faces),
            "artworks": len(sample.artworks),
            "pictures": len(pairs),
            "side_px": args.side_px,
            "artworks_for_fid": 0 if artworks is None else len(artworks),
        }
        people = [p.name for p in sample.faces]
        everyone = [*(p.name for p in sample.photographs), *people]
        times = _kept_times(args.times) if args.times else milliseconds(made, pairs[0])
        findings = Findings(facts, judged, times, artworks, everyone, people)
        _write(args.out, args.name, findings)
        print(findings.markdown())
        shown = [(m, m.strengths[-1]) for m in made if m.name != "photograph"]
        sheet(shown, few, args.cache / f"{args.name}-sheet.jpg")
    except IastExportError as error:
        raise SystemExit(f"{error}") from error


def _of(method: Method, pairs: list[Pair], few: list[Pair]) -> list[Pair]:
    return few if method.name == "gatys" else pairs


if __name__ == "__main__":
    main()
