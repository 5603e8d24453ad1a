"""A build: what is asked for, and what is loaded for it, each thing once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from iast_export.build.once import Once
from iast_export.build.styles import styles_of
from iast_export.bundle.facts import BundleFacts
from iast_export.bundle.layout import Layout
from iast_export.bundle.sealed import Seals
from iast_export.bundle.styles import Style, packaged_styles, styles_sha256
from iast_export.environment import versions
from iast_export.errors import InputError, UsageError
from iast_export.files.artifacts import (
    Progress,
    StageRecord,
    no_progress,
    sha256_file,
)
from iast_export.files.notes import note
from iast_export.files.paths import check_folders, check_inputs_apart
from iast_export.lanes.lane import Lane, find_lanes
from iast_export.network.adapters import PACKAGED, SEED, load_network
from iast_export.network.brought import Brought, author_of
from iast_export.network.digest import identity_sha256, sources_of
from iast_export.network.programs import PROGRAM, PROGRAM_SUFFIXES, is_program
from iast_export.pictures.images import Rgb
from iast_export.pictures.imagesets import ImageSet, check_disjoint, in_words, load_set, spread
from iast_export.quantize.calibrate import check_enough
from iast_export.recipe import Recipe, load_recipe
from iast_export.reports.base import MANIFEST_NAME
from iast_export.reports.manifest import NetworkFacts, SourceFacts, ToolFacts, load_manifest
from iast_export.reports.verify import VerifyReport
from iast_export.specs import Tier, check_plan, style_codes_of

if TYPE_CHECKING:
    from iast_export.network.adapters import StyleNetwork


@dataclass(frozen=True)
class Request:
    """What a build is asked for.

    Attributes:
        out: the bundle's folder.
        recipe: every choice; its calibration set is overridden by `calibration`.
        network: `module:factory`.
        checkpoint: None: the factory's own default.
        calibration: a set's name, a set file or a folder; None: the recipe's.
        styles: a folder of style pictures; None: the packaged codes, or drawn pictures.
        recipe_file: where `recipe` was read from, if it was a file.
    """

    out: Path
    recipe: Recipe
    network: str = PACKAGED
    checkpoint: Path | None = None
    calibration: str | None = None
    styles: Path | None = None
    recipe_file: Path | None = None

    def told(self, out: Path) -> dict[str, Any]:
        """Itself in plain values, for another process and another folder."""
        paths = {"checkpoint": self.checkpoint, "styles": self.styles}
        return {
            "out": str(out),
            "recipe": self.recipe.model_dump(mode="json"),
            "network": self.network,
            "calibration": self.calibration,
            **{name: str(path) if path else None for name, path in paths.items()},
        }

    @staticmethod
    def of_told(told: Mapping[str, Any]) -> Request:
        """What `told` told."""
        paths = {name: told[name] for name in ("checkpoint", "styles")}
        return Request(
            out=Path(told["out"]),
            recipe=Recipe.model_validate(told["recipe"]),
            network=told["network"],
            calibration=told["calibration"],
            **{name: Path(path) if path else None for name, path in paths.items()},
        )

    @staticmethod
    def of_options(
        out: Path,
        recipe: Path | None,
        network: str | None,
        checkpoint: Path | None,
        calibration: str | None,
        styles: Path | None,
    ) -> Request:
        """A request as commands take it: no recipe is the packaged one, fitted to the network.

        Raises:
            RecipeError: a recipe that can't be used.
            InputError: a network that can't be loaded.
        """
        network, checkpoint = _program(network, checkpoint)
        chosen = load_recipe(recipe)
        if recipe is None and network is not None and network != PACKAGED:
            own = load_network(network, checkpoint)
            chosen = chosen.fitted(own.depths, own.size_multiple_px)
        return Request(out, chosen, network or PACKAGED, checkpoint, calibration, styles, recipe)


def _program(network: str | None, checkpoint: Path | None) -> tuple[str | None, Path | None]:
    """The options as they are; of a file that is a program itself, what reads it, and the file.

    Raises:
        UsageError: a program and a checkpoint.
        InputError: a file that can't be read.
    """
    if network is not None and Path(network).suffix in PROGRAM_SUFFIXES:
        if checkpoint not in (None, Path(network)):
            raise UsageError(
                f"--network {network} holds its weights, {checkpoint} has no use",
                "leave one of them out",
            )
        return PROGRAM, Path(network)
    if network is None and checkpoint is not None and checkpoint.is_file():
        return (PROGRAM if is_program(checkpoint) else None), checkpoint
    return network, checkpoint


@dataclass
class Build:
    """A request and what is loaded for it, each thing once and only when a stage needs it.

    Attributes:
        once: what was proved of files, for a second time that a stage meets the same ones.
        verified: what this run verified last.
    """

    request: Request
    progress: Progress = field(default=no_progress)
    once: Once = field(default_factory=Once)
    verified: VerifyReport | None = None

    @property
    def root(self) -> Path:
        return self.request.out

    @property
    def recipe(self) -> Recipe:
        return self.request.recipe

    @cached_property
    def layout(self) -> Layout:
        """Where its files lie."""
        return Layout(self.root, self.recipe.name)

    @property
    def onnx_fp32(self) -> list[Path]:
        """The exported file of each tier."""
        return [self.layout.onnx(tier, "fp32") for tier in self.tiers]

    @property
    def fp32_files(self) -> list[Path]:
        """What every other model is made from: the exported files and the converted one."""
        return [*self.onnx_fp32, self.layout.tflite("fp32")]

    @property
    def lanes(self) -> list[Lane]:
        """Every lane of all tiers, held to what their stages recorded."""
        return find_lanes(self.layout, self.tiers, Seals.of_build(self.root))

    @cached_property
    def network(self) -> StyleNetwork:
        return self.load_network()

    def load_network(self, seed: int = SEED) -> StyleNetwork:
        """The network, made anew."""
        return load_network(self.request.network, self.request.checkpoint, seed)

    @property
    def tiers(self) -> tuple[Tier, ...]:
        return self.recipe.plan

    @cached_property
    def checkpoint_file(self) -> Path | None:
        """The file that the weights come from; None for a network that has none."""
        if self.request.checkpoint is not None:
            return self.request.checkpoint
        if self.request.network == PACKAGED:
            from iast_export.network.checkpoint import PACKAGED_CHECKPOINT

            return PACKAGED_CHECKPOINT
        return None

    @property
    def checkpoint_files(self) -> list[Path]:
        """The checkpoint, as the list of files that it is to a stage."""
        return [self.checkpoint_file] if self.checkpoint_file else []

    @cached_property
    def network_sources(self) -> list[Path]:
        """The user's own files that define the network; none of the packaged one."""
        network = self.network
        return (
            sources_of(network.author, self.request.network) if isinstance(network, Brought) else []
        )

    @cached_property
    def network_sha256(self) -> str:
        """`identity_sha256` of the network."""
        depths = [tier.depth for tier in self.tiers]
        target, checkpoint = self.request.network, self.checkpoint_file
        return identity_sha256(self.network, depths, target, checkpoint)

    @cached_property
    def styles(self) -> list[Style]:
        """All styles of the bundle: packaged, or encoded from pictures."""
        packaged = self.request.network == PACKAGED and self.request.checkpoint is None
        if packaged and self.request.styles is None and self.checkpoint_file is not None:
            return packaged_styles(sha256_file(self.checkpoint_file))
        _, photograph = self.evaluation_pictures()[0]
        return styles_of(self.network, self.request.styles, photograph)

    @property
    def encodes(self) -> bool:
        """Whether a style is codes, which an encoder makes of an artwork."""
        return bool(style_codes_of(self.network.code_shapes))

    @property
    def calibration_styles(self) -> list[Style]:
        """The styles that set ranges; the one of a network that has no other."""
        return [style for style in self.styles if not style.held_out]

    @property
    def evaluation_styles(self) -> list[Style]:
        """The styles that judge, none of which sets a range where there is a choice."""
        held_out = [style for style in self.styles if style.held_out]
        return held_out if self.encodes else self.styles

    @property
    def styles_sha256(self) -> str:
        """Hash of the names, roles and codes of all styles."""
        return styles_sha256(self.styles, self.network.code_shapes)

    @cached_property
    def calibration_set(self) -> ImageSet:
        """The pictures that may calibrate; what is left out of a folder is said."""
        chosen = self.recipe.calibration
        found = load_set(self.request.calibration or chosen.set, chosen.max_pairs)
        if found.skipped or found.found > len(found):
            use = f"{len(found)} of {found.found} pictures are used, spread over the folder"
            note("calibration", f"calibration set {found.name}: {use}{in_words(found.skipped)}")
        return found

    @cached_property
    def evaluation_set(self) -> ImageSet:
        """The evaluation pictures, none of which calibrates.

        Raises:
            InputError: a picture is in both sets.
        """
        found = load_set(self.recipe.verify.set, self.recipe.verify.images)
        check_disjoint(self.calibration_set, found)
        return found

    def check(self) -> None:
        """Refuses what can't become a bundle before anything is made.

        Raises:
            RecipeError: a depth plan that the network can't serve.
            UsageError: an input that lies where the build writes.
            InputError: a network, checkpoint, picture set or style that can't be used, or a folder
                of the bundle that leads elsewhere.
        """
        check_folders(self.root)
        check_inputs_apart(self.root, self.inputs())
        check_plan(self.recipe.plan, self.network.depths, self.network.size_multiple_px)
        check_enough(
            self.calibration_set.name,
            len(self.calibration_set),
            in_words(self.calibration_set.skipped),
        )
        self.evaluation_pictures()
        if not self.calibration_styles or not self.evaluation_styles:
            raise InputError(
                "styles are needed both for calibration and for evaluation",
                "give at least three styles",
            )

    def inputs(self) -> list[Path]:
        """Files and folders of the user's that decide the build, none of which it may touch."""
        asked, recipe = self.request, self.recipe
        named = [asked.checkpoint, asked.recipe_file, asked.styles, *self.network_sources]
        named += [
            Path(one) for one in (recipe.verify.perceptual_weights, recipe.bundle.landmarks) if one
        ]
        for spec, found in (
            (asked.calibration or recipe.calibration.set, self.calibration_set),
            (recipe.verify.set, self.evaluation_set),
        ):
            named += [Path(spec)] if Path(spec).exists() else []
            named += [entry.path for entry in found.entries]
        if asked.styles is not None and asked.styles.is_dir():
            named += asked.styles.iterdir()
        return [path for path in named if path is not None]

    def evaluation_pictures(self) -> list[tuple[str, Rgb]]:
        """Id and RGB of the pictures that fidelity is judged on."""
        found, wanted = self.evaluation_set, self.recipe.verify.images
        if len(found) < wanted:
            raise InputError(
                f"the set {found.name} holds {len(found)} pictures, the recipe asks for {wanted}"
                f"{in_words(found.skipped)}",
                "add pictures, or lower [verify] images",
            )
        return [(found.entries[i].id, found[i]) for i in spread(len(found), wanted)]

    @property
    def facts(self) -> BundleFacts:
        """What the manifest says of the build."""
        shapes = {name: tuple(shape) for name, shape in self.network.code_shapes.items()}
        network = NetworkFacts(
            name=type(author_of(self.network)).__name__,
            code_shapes=shapes,
            size_multiple_px=self.network.size_multiple_px,
        )
        source = SourceFacts(
            network=self.request.network,
            checkpoint_sha256=sha256_file(self.checkpoint_file) if self.checkpoint_file else None,
            recipe_sha256=self.recipe.sha256,
            calibration_set=self.calibration_set.name,
            calibration_set_sha256=self.calibration_set.sha256,
            tool=ToolFacts(versions=versions()),
        )
        own = self.recipe.bundle.landmarks
        landmarks = Path(own) if own else None
        styles, licence = self.styles, self._checkpoint_licence()
        return BundleFacts(network, self.tiers, styles, source, landmarks, licence)

    def _checkpoint_licence(self) -> str:
        """As the card beside the checkpoint says; "" without a card."""
        from iast_export.network.checkpoint import card_path, load_card

        file = self.checkpoint_file
        if file is None or not card_path(file).is_file():
            return ""
        return str(load_card(file)["licence"])


def seals_of(build: Build) -> Seals:
    """What the files of a bundle, finished or not, must hash to; models are held to it.

    Raises:
        InputError: the bundle was made from another recipe, checkpoint or network, or a model was
            altered.
    """
    recorded = Seals.of_build(build.root)
    if not (build.root / MANIFEST_NAME).is_file():
        recorded.check_present()
        return recorded
    manifest = load_manifest(build.root)
    checkpoint = sha256_file(build.checkpoint_file) if build.checkpoint_file else None
    asked = (build.recipe.sha256, checkpoint, build.request.network)
    source = manifest.source
    exported = StageRecord.load(build.root, "export")
    made_from = exported.network if exported is not None else ""
    is_other = made_from not in ("", build.network_sha256)
    if is_other or asked != (source.recipe_sha256, source.checkpoint_sha256, source.network):
        raise InputError(
            f"{build.root} was made from another recipe, checkpoint or network",
            "give the options that it was built with: --recipe, --checkpoint, --network, --styles"
            "; where the network's weights or code changed since, build it again",
        )
    sealed = Seals.of_bundle(build.root, manifest)
    sealed.check_present()
    return Seals(build.root, {**recorded.sha256, **sealed.sha256}, sealed.source)
