"""The library: what other people's Python calls. Everything else in the package may move.

    from iast_export.library import Bundle, build, compare, gate

    bundle = build(out="dist/mine", calibration="photos/", styles="art/")
    picture = bundle.stylize("me.jpg", "cafe")
    assert gate(bundle, baseline="baseline.json").passed

Each function is a verb of the command line, with the same defaults; errors are those of
`iast_export.errors`, with the message and the remedy that the command line prints. What a function
needs is loaded when it is called: `gate` alone loads no runtime and no torch.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from torch import nn

    from iast_export.compare import CompareOptions
    from iast_export.lanes.golden_check import GoldenOutcome
    from iast_export.pictures.images import Rgb
    from iast_export.reports.benchmark import BenchmarkReport
    from iast_export.reports.comparison import ComparisonReport
    from iast_export.reports.evaluation import EvaluationReport
    from iast_export.reports.manifest import Manifest
    from iast_export.reports.verdict import Verdict
    from iast_export.reports.verify import VerifyReport
    from iast_export.specs import Accelerator, Precision
    from iast_export.stylize.engine import Engines, Oversize

__all__ = [
    "Bundle",
    "BundleReport",
    "build",
    "compare",
    "evaluate",
    "gate",
    "quantize_network",
]

PathLike: TypeAlias = str | os.PathLike[str]
Progress: TypeAlias = Callable[[str, int, int], None]


@dataclass(frozen=True)
class BundleReport:
    """What a bundle measured of itself: fidelity, and times in milliseconds."""

    verify: VerifyReport
    benchmark: BenchmarkReport


class Bundle:
    """A finished bundle; files are opened, and held to the manifest's hashes, when needed.

    Args:
        path: its folder.
    """

    def __init__(self, path: PathLike) -> None:
        self.path = Path(path)
        self._engines: dict[tuple[str | None, Precision | None], Engines] = {}

    @cached_property
    def manifest(self) -> Manifest:
        """What the bundle says of itself: tiers, files, styles.

        Raises:
            InputError: there is no bundle, or its manifest is not valid.
        """
        from iast_export.reports.manifest import load_manifest

        return load_manifest(self.path)

    @property
    def report(self) -> BundleReport:
        """The reports of `verify` and `bench`, which must be of this bundle's files.

        Raises:
            InputError: one is missing, altered or of other files.
        """
        from iast_export.bundle.belonging import load_own
        from iast_export.reports.base import BENCHMARK_PATH, VERIFY_PATH
        from iast_export.reports.benchmark import BenchmarkReport
        from iast_export.reports.verify import VerifyReport

        return BundleReport(
            load_own(VerifyReport, self.path / VERIFY_PATH, self.manifest),
            load_own(BenchmarkReport, self.path / BENCHMARK_PATH, self.manifest),
        )

    def stylize(
        self,
        content: PathLike | Rgb,
        style: PathLike,
        *,
        strength: float = 1.0,
        runtime: str | None = None,
        precision: Precision | None = None,
        oversize: Oversize = "refuse",
    ) -> Rgb:
        """The stylized picture, [H, W, 3] uint8 RGB of the content's size.

        Args:
            content: a picture's file, `skimage:coffee.png`, or [H, W, 3] uint8 RGB.
            style: id of a style of the bundle, a blend (`cafe:0.7+stage:0.3`), or a picture's file.
            strength: from 0 (the photograph) to 1.
            runtime: as `iast-export stylize --runtime` takes it; None: as that chooses.
            precision: None: the tier's default lane.
            oversize: what to do with a picture beyond the largest tier, see `BundleEngine.stylize`.

        Raises:
            InputError: a picture is unreadable or too large, or a file of the bundle is altered.
            UsageError: no such style or lane, a strength outside [0, 1], or an array of another
                kind.
        """
        from iast_export.errors import UsageError

        if not 0.0 <= strength <= 1.0:
            raise UsageError(f"strength {strength} is outside 0..1", "0 keeps the photograph")
        rgb = _pixels(content)
        engine = self._engine(runtime, precision)
        codes = engine.style_codes(os.fspath(style))[1]
        return engine.engine_for(rgb, oversize)[0].stylize(rgb, codes, strength, oversize)[0]

    def verify(
        self, runtime: str | None = None, accelerator: Accelerator = "cpu"
    ) -> list[GoldenOutcome]:
        """Each golden picture, drawn again here: how many 8-bit levels it is off, and if too many.

        Args:
            runtime: None: the usual one.
            accelerator: what computes.

        Raises:
            InputError: a file is missing or altered.
            UsageError: no such runtime, or it does not compute there.
            CannotJudgeError: the bundle promises no picture there.
            ToolError: the runtime fails, or there is no GPU.
        """
        from iast_export.lanes.golden_check import check_goldens
        from iast_export.specs import USUAL

        return check_goldens(self.path, accelerator, runtime=runtime or USUAL)

    def _engine(self, runtime: str | None, precision: Precision | None) -> Engines:
        """Each runtime and precision is opened once."""
        from iast_export.stylize.engine import BundleEngine, ChosenByShape

        lane = runtime, precision
        if lane not in self._engines:
            self._engines[lane] = (
                ChosenByShape(self.path, precision)
                if runtime is None
                else BundleEngine(self.path, runtime, precision)
            )
        return self._engines[lane]


def build(
    checkpoint: PathLike | None = None,
    *,
    out: PathLike,
    recipe: PathLike | None = None,
    calibration: str | None = None,
    styles: PathLike | None = None,
    network: str | None = None,
    progress: Progress | None = None,
) -> Bundle:
    """The whole pipeline: a checkpoint to a verified bundle; only what is stale is made.

    Args:
        checkpoint: None: the packaged one, or the default of the network's factory.
        out: the bundle's folder.
        recipe: TOML with every choice; None: the packaged one, fitted to the network.
        calibration: set name, set file or folder of photographs; None: the recipe's.
        styles: folder of style pictures; None: the packaged ones, or drawn pictures.
        network: `module:factory` of a network of one's own, whose code is run.
        progress: told what is done, how far, and of how many.

    Raises:
        UsageError: a package is missing, or an input lies where the build writes.
        RecipeError: a recipe or a depth plan that can't be used.
        InputError: an input is missing or unreadable.
        ToolError: an exporter, converter or runtime failed.
    """
    from iast_export.build.pipeline import Build, Request, run_stages
    from iast_export.environment import require_build
    from iast_export.files.artifacts import no_progress

    require_build()
    paths = {"recipe": recipe, "checkpoint": checkpoint, "styles": styles}
    request = Request.of_options(
        Path(out),
        network=network,
        calibration=calibration,
        **{name: None if path is None else Path(path) for name, path in paths.items()},
    )
    run_stages(Build(request, progress or no_progress))
    return Bundle(out)


def quantize_network(
    network: nn.Module,
    *,
    out: PathLike,
    program: PathLike | None = None,
    recipe: PathLike | None = None,
    calibration: str | None = None,
    progress: Progress | None = None,
) -> Bundle:
    """A network that is an object, built: one picture in, one of the same size out.

    It is exported to a file, since the converter works in a process of its own, which the object
    can't reach; so its class may stand in a notebook. A network that takes codes of a style needs
    more than a file tells: give `build` its `network="module:factory"`.

    Args:
        network: forward of float32 [1, 3, H, W] RGB in [0, 1] to the same shape; left as it is.
        out: the bundle's folder.
        program: where the exported program (`.pt2`) stays, for verbs that want `--checkpoint`;
            None: it is deleted.
        recipe: as of `build`.
        calibration: as of `build`.
        progress: as of `build`.

    Raises:
        UsageError: no module, or a package is missing.
        InputError: the network takes no picture, or torch.export can't follow its code.
        IastExportError: see `build`.
    """
    import tempfile

    from iast_export.environment import require_build
    from iast_export.errors import UsageError

    require_build()
    from torch import nn

    from iast_export.network.programs import save_program

    if not isinstance(network, nn.Module) or hasattr(network, "code_shapes"):
        raise UsageError(
            f"a {type(network).__name__} is no module of one picture alone",
            'call build(network="module:factory"), which the converter\'s process can load',
        )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "network.pt2" if program is None else Path(program)
        save_program(network, path)
        return build(path, out=out, recipe=recipe, calibration=calibration, progress=progress)


def evaluate(
    bundle: Bundle | PathLike,
    *,
    contents: str,
    out: PathLike,
    styles: str | None = None,
    shard: str | None = None,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> EvaluationReport | None:
    """Every photograph in every style by every lane, judged once; what is judged is not again.

    Args:
        bundle: to judge.
        contents: set, set file or folder of photographs.
        out: folder of the run: plan, rows, report.
        styles: the same of artworks; None: the bundle's own.
        shard: such as "2/7": that part alone.
        executor: who works, whose workers see the same folders; None: a process for each core,
            which a script must guard itself from with `if __name__ == "__main__"`.
        progress: told of pictures.

    Returns:
        The report, where pictures may have failed (`failures`); None of a shard alone.

    Raises:
        UsageError: no such shard, pictures that calibrated, or styles that the bundle can't take.
        InputError: the bundle or the folder of pictures is unreadable, or `out` is another run's.
        ToolError: a runtime refuses a file, or the workers are gone.
    """
    from iast_export.environment import usable_cores
    from iast_export.evaluate import WHOLE, sum_up
    from iast_export.evaluate import evaluate as judge
    from iast_export.evaluate.engines import given, processes
    from iast_export.evaluate.plan import parse_shard, plan_run
    from iast_export.files.artifacts import no_progress

    part = WHOLE if shard is None else parse_shard(shard)
    engine = processes(usable_cores()) if executor is None else given(executor)
    run = plan_run(_folder(bundle), contents, styles)
    judge(run, Path(out), engine, part, progress or no_progress)
    return sum_up(Path(out)) if part == WHOLE else None


def gate(
    bundle: Bundle | PathLike,
    *,
    baseline: PathLike | None = None,
    rules: PathLike | None = None,
    public_key: PathLike | None = None,
    comparison: PathLike | None = None,
) -> Verdict:
    """The verdict on a bundle, check by check; it raises for what can't be read, not for a failure.

    Args:
        bundle: to judge.
        baseline: accepted figures; None: what needs them can't be judged.
        rules: TOML of limits; None: the packaged ones.
        public_key: PEM of who must have signed it.
        comparison: what `compare` measured, saved to a file.

    Raises:
        UsageError: the rules or the key can't be used.
        InputError: the manifest, a report, the baseline or the comparison is unreadable or altered.
    """
    from iast_export.gate import gate as judge

    given = (baseline, rules, public_key, comparison)
    return judge(_folder(bundle), *(None if path is None else Path(path) for path in given))


def compare(
    base: Bundle | PathLike,
    head: Bundle | PathLike,
    *,
    rules: PathLike | None = None,
    options: CompareOptions | None = None,
    progress: Progress | None = None,
) -> ComparisonReport:
    """What two bundles draw and take, measured in turn; `save` it for `gate`.

    Args:
        base: the bundle that is held to.
        head: the one that is judged.
        rules: TOML whose [comparison] says which sizes are asked; None: the packaged ones.
        options: `iast_export.compare.CompareOptions`; None: its defaults, a box of ten minutes.
        progress: told of photographs and rounds.

    Raises:
        UsageError: rules, tiers or pictures that can't be used.
        InputError: a bundle or a picture is missing, unreadable or altered, or nothing is shared.
        ToolError: a runtime failed.
    """
    from iast_export.compare import compare as measure
    from iast_export.files.artifacts import no_progress
    from iast_export.gate import load_rules

    asked = load_rules(None if rules is None else Path(rules)).comparison
    return measure(_folder(base), _folder(head), asked, options, progress or no_progress)


def _folder(bundle: Bundle | PathLike) -> Path:
    return bundle.path if isinstance(bundle, Bundle) else Path(bundle)


def _pixels(content: PathLike | Rgb) -> Rgb:
    """The picture in a file, or one that was opened already.

    Raises:
        InputError: unreadable.
        UsageError: an array of another kind.
    """
    from iast_export.errors import UsageError
    from iast_export.pictures.images import load_image
    from iast_export.pictures.imagesets import picture_path

    if isinstance(content, str | os.PathLike):
        return load_image(picture_path(os.fspath(content)))
    if content.ndim != 3 or content.shape[2] != 3 or content.dtype != "uint8":
        found = f"{content.dtype} {list(content.shape)}"
        raise UsageError(f"a picture is uint8 [H, W, 3], found {found}", "convert it to RGB bytes")
    return content
