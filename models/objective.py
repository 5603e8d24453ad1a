"""The total loss of a step: which pictures are rendered, which terms they are judged by.

A term whose weight is 0 is not computed. The whole is one module, so that a data-parallel wrapper
sees every trained parameter and one forward pass.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models import losses
from models.batch import Batch
from models.faces import FaceTerms
from models.losses import Features
from models.recipe import LossWeights, TrainingRecipe
from models.trainable import Rendered

END_BEGINS = 0.7  # the strength above which the first network's style hardly moved
_STEADY_MARGIN_PX = 12  # where a roll brings the other edge in, and padding shows


@dataclass(frozen=True)
class Seen:
    """All that a term may look at."""

    batch: Batch
    rendered: Rendered
    image: Tensor  # [N, 3, H, W] float, before the clamp
    of_image: Features
    of_content: Features
    of_style: Features
    weights: LossWeights
    helpers: Helpers

    @property
    def kept(self) -> Tensor:
        """Factor [N] on content and detail: more at low strength."""
        return 1.0 + self.weights.preservation * (1.0 - self.batch.strength[:, 0])

    @property
    def styled(self) -> Tensor:
        """Factor [N] on the style terms: more near full strength, so that the scale's end pays."""
        strength = self.batch.strength[:, 0]
        end = ((strength - END_BEGINS) / (1.0 - END_BEGINS)).clamp_min(0.0)
        return strength.square() * (1.0 + self.weights.full_style * end)


def _content(seen: Seen) -> Tensor:
    layers: Mapping[str, losses.Weight] = dict(seen.weights.content_layers) or losses.CONTENT_LAYERS
    if (chosen := seen.weights.content_complexity) > 0.0:
        layers = losses.layers_by_complexity(layers, seen.batch.content, chosen)
    plain = losses.content_loss(seen.of_image, seen.of_content, layers)
    share = seen.weights.attention
    if share == 0.0:
        return plain
    # Detached: A says where detail counts, and must not learn to look away.
    attention = seen.rendered.attention.detach()
    attended = losses.attended_content_loss(seen.of_image, seen.of_content, attention, layers)
    return (1.0 - share) * plain + share * attended


def _unlabelled(seen: Seen) -> Tensor:
    look = seen.helpers.unlabelled
    with torch.no_grad():
        wanted = look(seen.batch.content)
    return losses.content_loss(look(seen.image), wanted)


def _to_target(seen: Seen) -> Tensor:
    target = seen.rendered.target
    if target is None:
        raise ValueError(
            'only kind = "quantization_aware" knows its float picture: set float_image = 0'
        )
    return (seen.image.clamp(0.0, 1.0) - target).abs().mean((1, 2, 3))


def _sliced(seen: Seen) -> Tensor:
    rough = [losses.roughness(x) for x in (seen.batch.content, seen.batch.style)]
    return losses.sliced_style_loss(seen.of_image, seen.of_style, *rough)


class Drawn(NamedTuple):
    """What the discriminator learns from, detached."""

    image: Tensor
    code: Tensor


# Every term: a value per sample [N], or one value.
TERMS: Mapping[str, Callable[[Seen], Tensor]] = {
    "content": lambda s: _content(s) * s.kept,
    "content_unlabelled": lambda s: _unlabelled(s) * s.kept,
    "detail": lambda s: losses.detail_loss(s.of_image, s.of_content) * s.kept,
    "pixel": lambda s: losses.pixel_loss(s.image, s.batch.content) * s.kept,
    "style_moments": lambda s: losses.style_moment_loss(s.of_image, s.of_style) * s.styled,
    "style_gram": lambda s: losses.style_gram_loss(s.of_image, s.of_style) * s.styled,
    "style_sliced": lambda s: _sliced(s) * s.styled,
    "style_color": lambda s: losses.color_loss(s.image, s.batch.style) * s.styled,
    "placed_strength": lambda s: losses.placed_strength_loss(s.rendered.alpha, s.batch.content),
    "reconstruction": lambda s: (s.image - s.batch.content).abs().mean((1, 2, 3)) * s.batch.keep,
    "total_variation": lambda s: losses.total_variation_loss(s.image),
    "out_of_range": lambda s: losses.out_of_range_loss(s.image),
    "float_image": lambda s: _to_target(s),
}
_SCHEDULED = ("style_moments", "style_gram", "style_sliced", "style_color")
_DISTILLED = ("stride_4",)  # features that both student and teacher name


@dataclass(frozen=True)
class Helpers:
    """Frozen networks that losses look through; in no module's list: not trained, not saved."""

    vgg: Any
    teacher: Any = None  # a `Trainable`, for a recipe that distils
    landmarks: Any = None  # `models.faces.LandmarkNetwork`, for a recipe with a face term
    unlabelled: Any = None  # `models.unlabelled.ContentEncoder`, for a recipe with its term

    def on(self, device: torch.device) -> Helpers:
        """The same on a device, in eval mode, without gradients."""
        placed = {
            name: module.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)
            for name, module in vars(self).items()
            if module is not None
        }
        return replace(self, **placed)


class Objective(nn.Module):
    """Loss of a `Trainable` over the depths of a step; holds what is trained beside the network."""

    def __init__(self, recipe: TrainingRecipe, module: nn.Module, helpers: Helpers) -> None:
        """Makes the 1x1 convolutions of feature distillation, where the recipe wants it.

        Raises:
            ValueError: the recipe needs a teacher or a landmark network and there is none, or the
                other way round.
        """
        super().__init__()
        if recipe.loss.distills != (helpers.teacher is not None):
            raise ValueError(
                "give --teacher WEIGHTS to a recipe that distils, and only to such a one"
            )
        if recipe.loss.faces != (helpers.landmarks is not None):
            raise ValueError(
                "give --landmarks NPZ to a recipe with a face term, and only to such a one"
            )
        if (recipe.loss.content_unlabelled > 0) != (helpers.unlabelled is not None):
            raise ValueError(
                "give --content-encoder FILE to a recipe with content_unlabelled, and only to such"
            )
        still = recipe.loss.steady > 0 or recipe.loss.noise > 0
        if still and recipe.kind in ("teacher", "grown"):
            raise ValueError(
                "set steady = 0 and noise = 0: a teacher would need the moved features too"
            )
        self.recipe, self.module, self.helpers = recipe, module, helpers
        self.adapters = nn.ModuleDict()
        self._adapt()

    @property
    def trained(self) -> Any:
        """The network, as a `Trainable`."""
        return self.module

    @property
    def vgg(self) -> Any:
        """The perceptual network."""
        return self.helpers.vgg

    def style_factor(self, step: float) -> float:
        """What the schedule multiplies both style terms by."""
        return losses.style_factor(step, self.recipe.loss.style_schedule)

    @torch.no_grad()
    def _adapt(self) -> None:
        teacher: Any = self.helpers.teacher
        if self.recipe.loss.teacher_features == 0.0:
            return
        device = next(self.module.parameters()).device
        picture = torch.rand(2, 3, self.recipe.crop_px, self.recipe.crop_px, device=device)
        self.module.eval()
        own, others = (self._look(net, picture).features for net in (self.trained, teacher))
        self.module.train()
        for name in _DISTILLED:
            if name in own and name in others:
                adapter = nn.Conv2d(own[name].shape[1], others[name].shape[1], 1).to(device)
                # From zero: a random map would cost fifty times what silence costs, and drown the
                # rest.
                nn.init.zeros_(adapter.weight)
                nn.init.zeros_(adapter.bias)  # type: ignore[arg-type]
                self.adapters[name] = adapter
        if not self.adapters:
            raise ValueError(
                f"student {sorted(own)} and teacher {sorted(others)} share no feature map"
            )

    def _look(self, net: Any, picture: Tensor) -> Rendered:
        features = self.vgg(picture)
        code = net.encode(picture, features)
        strength = torch.ones(picture.shape[0], 1, device=picture.device)
        result: Rendered = net.render(picture, features, code, strength, net.depths[-1])
        return result

    def forward(
        self,
        batch: Batch,
        depths: tuple[int, ...],
        factor: float | Tensor,
        critic: nn.Module | None = None,
    ) -> tuple[Tensor, dict[str, Tensor], Drawn]:
        """Total loss of the depths (deepest first), the first one's terms, and what it drew.

        Every picture is judged by all terms; a shallower one also follows the deepest of the step.
        `factor`: on the style terms, see `style_factor`. `critic`: the discriminator, whose own
        parameters take no gradient here.
        """
        content, style = batch.content, batch.style
        vgg = self.helpers.vgg
        bf16 = torch.autocast(content.device.type, torch.bfloat16, enabled=self.recipe.bfloat16)
        with bf16, torch.no_grad():
            of_content, of_style = _exact(vgg(content)), _exact(vgg(style))
        code = self.trained.encode(style, of_style)
        with bf16:
            made = [
                self.trained.render(content, of_content, code, batch.strength, d) for d in depths
            ]
            images = [rendered.image.float() for rendered in made]
            features = [_exact(vgg(image)) for image in images]
        total = torch.zeros((), device=content.device)
        terms: dict[str, Tensor] = {}
        for rendered, image, of_image in zip(made, images, features, strict=True):
            looked = of_image, of_content, of_style
            seen = Seen(batch, rendered, image, *looked, self.recipe.loss, self.helpers)
            part, named = self._judged(seen, factor)
            total, terms = total + part, terms or named
        for image in images[1:]:
            total = total + self.recipe.loss.distillation * F.l1_loss(image, images[0].detach())
        drawn = Drawn(images[0].detach(), code.detach())
        with bf16:
            steady = self._steadied(batch, images[0], of_content, code, depths[0])
            steady |= self._quieted(batch, images[0], of_content, code, depths[0])
        more = {
            **steady,
            **self._on_faces(batch, images[0]),
            **self._criticised(batch, images[0], drawn.code, critic),
        }
        if self.helpers.teacher is not None:
            with bf16, torch.no_grad():
                taught = self._teach(batch, of_content, of_style)
            more |= self._taught(made, dict(zip(depths, images, strict=True)), taught)
        for name, value in more.items():
            total = total + getattr(self.recipe.loss, name) * value
        return total, {**terms, **{k: v.detach() for k, v in more.items()}}, drawn

    def _teach(self, batch: Batch, of_content: Features, of_style: Features) -> Rendered:
        teacher = self.helpers.teacher
        code = teacher.encode(batch.style, of_style)
        rendered: Rendered = teacher.render(
            batch.content, of_content, code, batch.strength, teacher.depths[-1]
        )
        return rendered

    def _on_faces(self, batch: Batch, image: Tensor) -> dict[str, Tensor]:
        """The face terms of the photographs that show one."""
        if self.helpers.landmarks is None:
            return {}
        if batch.faces is None:
            raise ValueError(
                "a recipe with a face term needs photographs of faces: give --faces LISTING"
            )
        count = len(batch.faces.boxes)
        terms = FaceTerms(self.helpers.landmarks)(
            image[-count:], batch.content[-count:], batch.faces
        )
        return {k: v.mean() for k, v in terms.items() if getattr(self.recipe.loss, k) > 0}

    def _steadied(
        self, batch: Batch, image: Tensor, of_content: Features, code: Tensor, depth: int
    ) -> dict[str, Tensor]:
        """How much of the last pictures changes where their photograph moves, as far as styled."""
        moved = batch.moved
        if moved is None:
            return {}
        count = len(moved.content)
        strength = batch.strength[-count:]
        again = self.trained.render(moved.content, of_content, code[-count:], strength, depth)
        values = losses.steady_loss(image[-count:], again.image, moved.shift_px, _STEADY_MARGIN_PX)
        return {"steady": (strength[:, 0].square() * values).mean()}

    def _quieted(
        self, batch: Batch, image: Tensor, of_content: Features, code: Tensor, depth: int
    ) -> dict[str, Tensor]:
        """How much louder a sensor's noise gets in the last pictures, as far as they are styled."""
        if batch.noisy is None:
            return {}
        count = len(batch.noisy)
        strength = batch.strength[-count:]
        again = self.trained.render(batch.noisy, of_content, code[-count:], strength, depth)
        photograph = batch.content[-count:]
        values = losses.noise_loss(image[-count:], again.image, photograph, batch.noisy)
        return {"noise": (strength[:, 0] * values).mean()}

    def _criticised(
        self, batch: Batch, image: Tensor, code: Tensor, critic: nn.Module | None
    ) -> dict[str, Tensor]:
        """How little the results pass for paintings in their style, at the strength asked for."""
        if critic is None:
            return {}
        value = losses.generator_loss(critic(image, code)) * batch.strength[:, 0].square()
        return {"adversarial": value.mean()}

    def _judged(self, seen: Seen, factor: float | Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        values = {k: term(seen).mean() for k, term in TERMS.items() if getattr(seen.weights, k) > 0}
        scale = {k: getattr(seen.weights, k) * (factor if k in _SCHEDULED else 1.0) for k in values}
        total = torch.stack([scale[k] * v for k, v in values.items()]).sum()
        return total, {k: v.detach() for k, v in values.items()}

    def _taught(
        self, made: list[Rendered], images: Mapping[int, Tensor], taught: Rendered
    ) -> dict[str, Tensor]:
        """Distillation: pictures by depth, features of the step's deepest (Romero et al. 2015)."""
        target = taught.image.float().clamp(0.0, 1.0)
        found: dict[str, Tensor] = {}
        if self.recipe.loss.teacher_image > 0:
            wanted = self.recipe.loss.teacher_depths or tuple(images)
            led = [F.l1_loss(i, target) for depth, i in images.items() if depth in wanted]
            found["teacher_image"] = torch.stack(led or [target.new_zeros(())]).mean()
        distances = [
            _relative_distance(
                adapter(_of_unit_size(made[0].features[k])), taught.features[k].float()
            )
            for k, adapter in self.adapters.items()
        ]
        if distances:
            found["teacher_features"] = torch.stack(distances).mean()
        return found


def _exact(features: Features) -> Features:
    """The features in float32, cast once for all the terms that look at them."""
    return {name: x.float() for name, x in features.items()}


def _of_unit_size(x: Tensor) -> Tensor:
    """Features [N, C, H, W] over each sample's root mean square."""
    x = x.float()
    return x * torch.rsqrt(x.square().mean((1, 2, 3), keepdim=True) + 1e-6)


def _relative_distance(x: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference over the target's mean square: 1 for features that say nothing."""
    return (x - target).square().mean() / (target.square().mean() + 1e-6)
