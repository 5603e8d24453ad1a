"""A head per kind of art over the shared style encoder: a residual of low rank on the code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from iast_export.errors import InputError
from iast_export.files.artifacts import atomic_path
from iast_export.network.architectures import Network
from models.data import STYLE_SETS, held_out, read_rgb

FOLDERS: Mapping[str, str] = {
    "oil": "oil",
    "flat-color": "reduced_colour",
    "japanese": "yamatoe_kaokore",
    "cartoon": "cartoon",
}
CHECKPOINT_KEY = "checkpoint_sha256"
_EVERY = 3  # of a kind that training never sees, the share kept from its adapter too
_RANK = 16
_SPREAD = 3.0  # deviations; an unusual crop must not throw the code far out


@dataclass(frozen=True)
class KindFiles:
    """Artworks of one kind: what its adapter learns from, and what it never sees."""

    kind: str
    training: tuple[Path, ...]
    unseen: tuple[Path, ...]


def files_of(images: Path, kind: str) -> KindFiles:
    """The artworks of a kind below `images/style`.

    A kind that the network's training holds out whole (cartoons) is divided for its adapter: every
    third file by name is unseen.

    Raises:
        InputError: an unknown kind, or a folder without artworks for both.
    """
    if kind not in FOLDERS:
        raise InputError(f"the kind {kind!r} is none of {', '.join(FOLDERS)}", "choose one of them")
    folder = images / "style" / FOLDERS[kind]
    found = sorted(folder.glob("*.jpg"))
    unseen = [p for p in found if held_out(p)]
    if len(unseen) == len(found):
        unseen = found[::_EVERY]
    training = [p for p in found if p not in unseen]
    if not training or not unseen:
        raise InputError(
            f"{folder} holds {len(training)} artworks to learn from and {len(unseen)} unseen ones",
            f"give the folder that holds style/ with {', '.join(STYLE_SETS)}",
        )
    return KindFiles(kind, tuple(training), tuple(unseen))


class KindAdapter(nn.Module):
    """Pooled features [N, P] -> what is added to the shared code [N, code_size]; 0 at first."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, pooled: int, code_size: int, rank: int = _RANK) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(pooled))
        self.register_buffer("deviation", torch.ones(pooled))
        self.down = nn.Linear(pooled, rank, bias=False)
        self.up = nn.Linear(rank, code_size)
        nn.init.normal_(self.down.weight, std=pooled**-0.5)
        nn.init.zeros_(self.up.weight)
        nn.init.zeros_(self.up.bias)

    @classmethod
    def of(cls, net: Network, rank: int = _RANK) -> KindAdapter:
        """A new one that fits the network's style encoder."""
        return cls(net.style_encoder.hidden.in_features, net.config.code_size, rank)

    def forward(self, pooled: Tensor) -> Tensor:
        spread = ((pooled - self.mean) / self.deviation).clamp(-_SPREAD, _SPREAD)
        return self.up(self.down(spread))

    @torch.no_grad()
    def look_at(self, pooled: Tensor) -> None:
        """Takes the scale of its inputs from pooled features [N, P] of the kind's artworks."""
        self.mean.copy_(pooled.mean(0))
        self.deviation.copy_(pooled.std(0).clamp_min(0.05 * float(pooled.std()) + 1e-6))


def adapted_code(net: Network, adapter: KindAdapter | None, artworks: Tensor) -> Tensor:
    """Codes [N, code_size] of artworks [N, 3, H, W]: the shared encoder's and the kind's part."""
    encoder = net.style_encoder
    pooled = encoder.pooled(artworks)
    shared: Tensor = encoder.head(torch.relu(encoder.hidden(pooled)))
    return shared if adapter is None else shared + adapter(pooled)


def save_adapters(path: Path, adapters: Mapping[str, KindAdapter], checkpoint_sha256: str) -> None:
    """Writes the adapters by kind, as half floats, with the checkpoint that they belong to."""
    tensors = {
        f"{kind}/{name}": tensor.half().contiguous()
        for kind, adapter in adapters.items()
        for name, tensor in adapter.state_dict().items()
    }
    with atomic_path(path) as temporary:
        save_file(tensors, temporary, {CHECKPOINT_KEY: checkpoint_sha256})


def load_adapters(path: Path, net: Network, checkpoint_sha256: str) -> dict[str, KindAdapter]:
    """The adapters of a file, by kind.

    Raises:
        InputError: missing, unreadable, or made for another checkpoint.
    """
    remedy = "make them again with `python -m models.styles adapt`"
    if not path.is_file():
        raise InputError(f"{path} is missing", remedy)
    try:
        with safe_open(path, "pt") as tensors:
            if (tensors.metadata() or {}).get(CHECKPOINT_KEY) != checkpoint_sha256:
                raise InputError(f"the adapters of {path} were made for another checkpoint", remedy)
            state = {name: tensors.get_tensor(name).float() for name in tensors.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise InputError(f"{path} holds no adapters: {error}", remedy) from error
    found = {}
    for kind in sorted({name.split("/")[0] for name in state}):
        own = {n.split("/", 1)[1]: t for n, t in state.items() if n.startswith(f"{kind}/")}
        found[kind] = KindAdapter(
            own["down.weight"].shape[1], net.config.code_size, len(own["down.weight"])
        )
        found[kind].load_state_dict(own)
        found[kind].eval()
    return found


def squares(files: Sequence[Path], side_px: int) -> Tensor:
    """The middle squares of artworks, [N, 3, side_px, side_px] in [0, 1], for the encoder."""
    made = []
    for file in files:
        rgb = read_rgb(file, side_px)
        top, left = (rgb.shape[0] - side_px) // 2, (rgb.shape[1] - side_px) // 2
        square = torch.from_numpy(rgb[top : top + side_px, left : left + side_px].copy())
        made.append(square.permute(2, 0, 1).float().div(255.0))
    return torch.stack(made)
