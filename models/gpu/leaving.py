"""What a run leaves besides its state: the checkpoint to release, and a sheet to look at."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from iast_export.files.artifacts import atomic_path
from iast_export.network.architectures import Network
from iast_export.network.checkpoint import save_checkpoint
from models.card import card_of
from models.gpu.packed import Pack
from models.gpu.record import CHECKPOINT
from models.journal import SHEET_PX
from models.networks import style_network
from models.sheet import draw_sheet, square_of
from models.trainer import Trainer


def leave(trainer: Trainer, pack: Pack, folder: Path) -> None:
    """Writes the checkpoint, where the network is one that is released, and the sheet."""
    net = style_network(trainer.averaged(), trainer.objective.vgg)
    if isinstance(net, Network):
        training = {
            "recipe": pack.facts["recipe"],
            "steps": trainer.step,
            **trainer.facts["training"],
        }
        save_checkpoint(net, folder / CHECKPOINT, card_of(net, trainer.facts["data"], training, {}))
    leave_sheet(trainer, pack, folder, net)


def leave_sheet(trainer: Trainer, pack: Pack, folder: Path, net: Any = None) -> None:
    """Draws the deepest depth above the shallowest, on pictures that train nothing."""
    net = net or style_network(trainer.averaged(), trainer.objective.vgg)
    contents, styles = (
        [square_of(rgb, SHEET_PX) for rgb in pack.pictures[kind].values()]
        for kind in ("sheet_photographs", "sheet_artworks")
    )
    depths = sorted({net.depths[0], net.depths[-1]}, reverse=True)
    sheet = np.vstack([draw_sheet(net, contents, styles, depth, 1.0) for depth in depths])
    with atomic_path(folder / "sheet.png") as path:
        cv2.imwrite(str(path), cv2.cvtColor(sheet, cv2.COLOR_RGB2BGR))
