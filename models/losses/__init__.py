"""Losses of teacher and student, pure functions with equation and source; dimensionless.

Features are divided by the target's own energy, so that layers of different scale weigh alike and
the weights of a recipe mean the same on any perceptual network. Every function returns one value
per sample, [N], unless it says otherwise.
"""

from __future__ import annotations

from models.losses.adversarial import discriminator_loss, generator_loss
from models.losses.content import (
    CONTENT_LAYERS,
    DETAIL_LAYERS,
    PUBLISHED_LAYER,
    Weight,
    attended_content_loss,
    content_loss,
    detail_loss,
    multi_scale_loss,
    pixel_loss,
    single_layer_loss,
)
from models.losses.faces import geometric_loss, identity_loss, rigid_fit, semantic_loss
from models.losses.features import Features, channel_normalized, gram, l2_normalized, moments
from models.losses.image import (
    noise_loss,
    out_of_range_loss,
    rolled,
    steady_loss,
    total_variation_loss,
)
from models.losses.places import complexity, layers_by_complexity, placed_strength_loss
from models.losses.schedule import style_factor
from models.losses.style import (
    GRAM_LAYERS,
    MOMENT_LAYERS,
    color_loss,
    roughness,
    sliced_style_loss,
    style_gram_loss,
    style_moment_loss,
)

__all__ = [
    "CONTENT_LAYERS",
    "DETAIL_LAYERS",
    "GRAM_LAYERS",
    "MOMENT_LAYERS",
    "PUBLISHED_LAYER",
    "Features",
    "Weight",
    "attended_content_loss",
    "channel_normalized",
    "color_loss",
    "complexity",
    "content_loss",
    "detail_loss",
    "discriminator_loss",
    "generator_loss",
    "geometric_loss",
    "gram",
    "identity_loss",
    "l2_normalized",
    "layers_by_complexity",
    "moments",
    "multi_scale_loss",
    "noise_loss",
    "out_of_range_loss",
    "pixel_loss",
    "placed_strength_loss",
    "rigid_fit",
    "rolled",
    "roughness",
    "semantic_loss",
    "single_layer_loss",
    "sliced_style_loss",
    "steady_loss",
    "style_factor",
    "style_gram_loss",
    "style_moment_loss",
    "total_variation_loss",
]
