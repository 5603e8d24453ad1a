"""Networks by kind: built from a recipe, saved with a run, read from it again, to be judged."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from iast_export.network.architectures import Network
from iast_export.network.iast import IAST
from iast_export.network.iast2 import IAST2
from models.grown import GrownTeacher
from models.losses import Features
from models.mobilenet_student import MobileStudent
from models.recipe import TrainingRecipe, config_of
from models.teacher import StandaloneTeacher, Teacher
from models.trainable import FakeQuantized, Rendered

_FROZEN = ("content_backbone.", "style_backbone.")


class Student(nn.Module):
    """A supernet that is released, the first or the second, as a `Trainable`."""

    def __init__(self, net: Network) -> None:
        super().__init__()
        self.net = net
        self._cuts = {depth: net.share(depth) for depth in net.depths}

    @property
    def depths(self) -> tuple[int, ...]:
        """Depths that can be rendered, shallowest first."""
        return self.net.depths

    def encode(self, style: Tensor, of_style: Features) -> Tensor:
        """The style code; the student looks at the artwork itself."""
        return self.net.style_encoder(style)

    def render(
        self, content: Tensor, of_content: Features, code: Tensor, strength: Tensor, depth: int
    ) -> Rendered:
        """Pictures of one depth, with the features at a quarter of the size."""
        image, trunk, attention, alpha = self._cuts[depth].parts(content, code, strength)
        return Rendered(image, {"stride_4": trunk}, attention.float(), alpha.float())


def build(recipe: TrainingRecipe, backbones: Mapping[str, nn.Module] | None = None) -> nn.Module:
    """A new `Trainable` module of the recipe's kind; a teacher's frozen encoders by name."""
    return _of_kind(recipe.kind, recipe.network, recipe.block_norm, backbones or {})


def _of_kind(
    kind: str, config: Any, block_norm: bool, backbones: Mapping[str, nn.Module]
) -> nn.Module:
    if kind == "teacher":
        return Teacher(
            config, *(_backbone(name, backbones) for name in (config.content, config.style))
        )
    if kind == "grown":
        return GrownTeacher(config)
    if kind == "mobilenet":
        return MobileStudent(config)  # its blocks are normalized in any case
    if kind == "quantization_aware":
        # Imported here: it needs the export's packages, which a machine that only trains may lack.
        from models.quantization_aware import QuantizationAware

        return QuantizationAware(IAST(config))  # normalization is folded before
    if kind == "iast2":
        return Student(IAST2(config, block_norm=block_norm))
    return Student(IAST(config, block_norm=block_norm))


def _backbone(name: str, backbones: Mapping[str, nn.Module]) -> nn.Module | None:
    """None for the distilled VGG, whose features the losses compute anyway."""
    if name == "distilled_vgg":
        return None
    if name not in backbones:
        raise ValueError(f"the encoder {name} has no weights: give --backbone {name}=PATH")
    return backbones[name]


def core(module: nn.Module) -> nn.Module:
    """What a run saves: the supernet of a student; other kinds are their own."""
    return module.net if isinstance(module, Student) else module


def code_size(module: nn.Module) -> int:
    """Length of a style code."""
    net: Any = core(module)
    return int(net.code_size if hasattr(net, "code_size") else net.config.code_size)


def learned(net: nn.Module) -> dict[str, Tensor]:
    """A core's state without frozen encoders."""
    return {k: v for k, v in net.state_dict().items() if not k.startswith(_FROZEN)}


def take(net: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Loads what `learned` gave.

    Raises:
        ValueError: the state is of another network.
    """
    kept = {k: v for k, v in net.state_dict().items() if k.startswith(_FROZEN)}
    try:
        net.load_state_dict({**kept, **state})
    except RuntimeError as error:
        raise ValueError(
            f"the weights are of another network than the recipe's: {error}"
        ) from error


def saved(module: nn.Module, recipe: TrainingRecipe) -> dict[str, Any]:
    """What `load_trainable` needs besides the weights."""
    net: Any = core(module)
    config = net.grown_config if isinstance(net, GrownTeacher) else net.config
    return {"kind": recipe.kind, "config": config.to_dict(), "block_norm": recipe.block_norm}


def load_trainable(weights: Path, backbones: Mapping[str, nn.Module] | None = None) -> nn.Module:
    """The `Trainable` of a training run, with its moving average, in eval mode."""
    state = torch.load(weights, map_location="cpu", weights_only=True)
    kind = state.get("kind", "student")
    config = config_of(kind, state["config"])
    module = _of_kind(kind, config, state.get("block_norm", False), backbones or {})
    take(core(module), state["ema"])
    return module.eval()


def style_network(module: nn.Module, vgg: nn.Module | None = None) -> Any:
    """A copy as a `StyleNetwork`, in eval mode, normalization folded, for sheets and scores.

    Raises:
        ValueError: a teacher that reads the perceptual features, and no perceptual network given.
    """
    own = copy.deepcopy(core(module)).cpu().float()
    if isinstance(own, FakeQuantized):
        own = own.net
    if type(own) is IAST or type(own) is IAST2:  # a grown teacher is derived from the first
        return own.eval().folded()
    if not isinstance(own, (Teacher, GrownTeacher)):
        return own.eval()
    if vgg is None:
        raise ValueError("the teacher reads the perceptual network's features: give --vgg 5SE.pt")
    return StandaloneTeacher(own, copy.deepcopy(vgg).cpu()).eval()
