"""How a network is trained: one TOML file into frozen dataclasses, unknown keys refused.

Dataclasses and not `files.settings`: a pack for the GPU is run where pydantic is not installed.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

from iast_export.errors import RecipeError
from iast_export.files.artifacts import read_bytes
from iast_export.files.texts import perhaps
from iast_export.files.toml_text import parse_toml
from iast_export.network.iast import NetworkConfig
from iast_export.network.iast2 import IAST2Config
from models.grown import GrownConfig
from models.mobilenet_student import MobileConfig
from models.teacher import TeacherConfig

KINDS: dict[str, Any] = {
    "student": NetworkConfig,
    "iast2": IAST2Config,  # the second student: strokes of two sizes, a palette
    "mobilenet": MobileConfig,  # the student with textbook blocks
    "teacher": TeacherConfig,
    "quantization_aware": NetworkConfig,  # the student, trained on as INT8 would compute it
    "grown": GrownConfig,  # a teacher that begins as a trained student
}

FACE_TERMS = ("face_geometry", "face_parts", "face_identity")


@dataclass(frozen=True)
class LossWeights:
    """Weight of every loss term, all dimensionless; 0 leaves a term out, uncomputed."""

    content: float = 0.0
    detail: float = 0.0
    pixel: float = 0.0  # mean squared difference to the photograph
    preservation: float = (
        0.0  # extra factor on content and detail at strength 0, falling to 0 at strength 1
    )
    attention: float = 0.0  # share of the content distance that the attention A weighs
    content_complexity: float = 0.0  # share of content layers chosen by the photograph's gradients
    content_unlabelled: float = 0.0  # distance by an encoder that saw no label (models.unlabelled)
    placed_strength: float = 0.0  # alpha higher in detail, lower in smooth places, as published
    style_moments: float = 0.0
    style_gram: float = 0.0
    style_sliced: float = 0.0  # flat regions drawn as the artwork draws its flat regions
    style_color: float = 0.0  # colors of areas, wherever they lie
    full_style: float = 0.0  # extra factor on the style terms at strength 1, from 0 at 0.7
    steady: float = 0.0  # a styled picture is the same after a small movement and sensor noise
    noise: float = 0.0  # how much louder sensor noise gets, squared: what videos are judged by
    reconstruction: float = 0.0
    total_variation: float = 0.0
    out_of_range: float = 0.0
    adversarial: float = 0.0
    face_geometry: float = 0.0  # landmarks that no rigid movement explains
    face_parts: float = 0.0  # facial parts outside their own masks
    face_identity: float = 0.0
    distillation: float = 0.0  # a shallower depth follows the deepest
    float_image: float = 0.0  # a fake-quantized network follows its own float picture
    teacher_image: float = 0.0  # a depth follows the teacher's picture
    teacher_depths: tuple[int, ...] = ()  # the depths that do; empty is all
    teacher_features: float = (
        0.0  # the deepest follows the teacher's features, through a 1x1 convolution
    )
    content_layers: tuple[
        tuple[str, float], ...
    ] = ()  # perceptual layer and weight; empty is the default
    style_schedule: tuple[tuple[float, float], ...] = (
        (0, 1.0),
    )  # step, factor on both style terms

    @property
    def distills(self) -> bool:
        """Whether a teacher is needed."""
        return self.teacher_image > 0 or self.teacher_features > 0

    @property
    def faces(self) -> bool:
        """Whether a landmark network and photographs of faces are needed."""
        return any(getattr(self, name) > 0 for name in FACE_TERMS)


@dataclass(frozen=True)
class Phase:
    """What a stretch of the training changes: larger crops, of fewer samples."""

    from_step: int
    crop_px: int
    batch: int
    smallest_crop: float
    face_samples: int | None = None  # of a batch; by default the recipe's
    artwork_px: int | None = None  # by default the recipe's
    artwork_crop: tuple[float, float] | None = None  # by default the recipe's


@dataclass(frozen=True)
class TrainingRecipe:
    """How a checkpoint is trained."""

    seed: int
    steps: int
    batch: int  # on each process
    crop_px: int
    learning_rate: float
    warmup_steps: int
    ema_decay: float
    log_every: int
    save_every_s: int
    bfloat16: bool
    smallest_crop: float  # of the short side
    loss: LossWeights
    kind: str = "student"  # of KINDS
    sandwich: bool = False  # deepest and a shallower depth in one step; else one depth a step
    # Chance of each depth, shallowest first, to be the one of a step. Empty: the deepest in 45 % of
    # steps, else the shallowest or one between, alike often.
    depth_shares: tuple[float, ...] = ()
    face_samples: int = 2  # of a batch, where a face term counts
    artwork_px: int = 0  # side of an artwork's crop; 0: crop_px
    # Smallest and largest part of an artwork's short side in a crop: with crop_px it says at which
    # scale strokes are seen. Empty: smallest_crop to all of it.
    artwork_crop: tuple[float, ...] = ()
    drawn_artworks: int = 0  # of each scene of models.ink, beside the artworks in files
    sheet_every: int = 0  # steps between sample sheets; 0 draws none
    observe_batches: int = 12  # for the ranges of fake quantization, before the first step
    recalibrate_batches: int = 20  # at the end, for the statistics of batch normalization
    block_norm: bool = True  # batch normalization in the residual blocks while training
    fresh: tuple[str, ...] = ()  # parameters that start anew although --init gives the others
    phases: tuple[
        Phase, ...
    ] = ()  # [[phases]], by rising from_step; before the first the recipe's own
    network: Any = field(default_factory=NetworkConfig)

    def at(self, position: float) -> TrainingRecipe:
        """The recipe with what the phase that a step lies in changes."""
        begun = [phase for phase in self.phases if phase.from_step <= position]
        if not begun:
            return self
        changes = asdict(begun[-1])
        del changes["from_step"]
        return replace(self, **{k: v for k, v in changes.items() if v is not None})

    @property
    def starts(self) -> tuple[int, ...]:
        """The steps at which crop or batch change, 0 first."""
        return (0, *(phase.from_step for phase in self.phases))

    @classmethod
    def read(cls, path: Path) -> TrainingRecipe:
        """Parses a recipe.

        Raises:
            InputError: the file is missing or can't be read.
            RecipeError: not TOML, a missing or unknown key, an unknown kind, or phases that don't
                rise; the message names it.
        """
        return cls.of(parse_toml(read_bytes(path), str(path), RecipeError), str(path))

    @classmethod
    def of(cls, values: dict[str, Any], where: str) -> TrainingRecipe:
        """A recipe from the plain values of a TOML file; `where` is how messages call it.

        Raises:
            RecipeError: see `read`.
        """
        raw = dict(values)
        kind = raw.get("kind", "student")
        if kind not in KINDS:
            raise RecipeError(f"{where}: kind {kind!r} is unknown", f"use one of {sorted(KINDS)}")
        network = _build(KINDS[kind], raw.pop("network", {}), f"{where} [network]")
        loss = dict(raw.pop("loss", {}))
        if isinstance(loss.get("content_layers"), dict):
            loss["content_layers"] = tuple(loss["content_layers"].items())
        made = _build(LossWeights, loss, f"{where} [loss]")
        phases = [_build(Phase, one, f"{where} [[phases]]") for one in raw.pop("phases", [])]
        recipe: TrainingRecipe = _build(
            cls, {**raw, "loss": made, "network": network, "phases": phases}, where
        )
        if not all(a < b for a, b in pairwise((*recipe.starts, recipe.steps))):
            raise RecipeError(
                f"{where} [[phases]]: from_step is {recipe.starts[1:]} of {recipe.steps} steps",
                "let it rise, from above 0 to below the steps",
            )
        return recipe


def config_of(kind: str, values: dict[str, Any]) -> Any:
    """A network's configuration from the plain values of a run's weights."""
    return _build(KINDS[kind], values, f"the {kind}'s configuration")


def _build(cls: Any, values: dict[str, Any], where: str) -> Any:
    known = [f.name for f in fields(cls)]
    for key in values:
        if key not in known:
            remedy = f"{perhaps(key, known)}known here: {', '.join(known)}"
            raise RecipeError(f"{where}: unknown key {key!r}", remedy)
    try:
        return cls(**{k: _frozen(v) for k, v in values.items()})
    except TypeError as error:
        raise RecipeError(f"{where}: {error}", "state what is missing") from error


def _frozen(value: Any) -> Any:
    return tuple(_frozen(v) for v in value) if isinstance(value, list) else value
