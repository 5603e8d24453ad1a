"""What a run leaves to look at: a table of the terms, TensorBoard curves, sample sheets."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import cv2
import numpy as np

from models.data import test_artworks
from models.networks import style_network
from models.sheet import draw_sheet, square

if TYPE_CHECKING:
    from models.trainer import Trainer

SHEET_PX = 192


class Journal:
    """`log.csv` and `tensorboard/` of a run; a context. Processes but the first write nothing."""

    def __init__(self, run: Path, resumed: bool, first: bool, *, board: bool) -> None:
        """Goes on with the files of a resumed run.

        Raises:
            SystemExit: TensorBoard is wanted and not installed.
        """
        self.run, self.first = run, first
        self._file: TextIO | None = None
        self._table: csv.DictWriter[str] | None = None
        self._board: Any = None
        if not first:
            return
        run.mkdir(parents=True, exist_ok=True)
        self._file = (run / "log.csv").open("a" if resumed else "w", newline="")
        self._board = _summary_writer(run / "tensorboard") if board else None

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        for open_ in (self._file, self._board):
            if open_ is not None:
                open_.close()

    def write(self, row: dict[str, float]) -> None:
        """Adds one row of averaged terms, `step` among them."""
        if self._file is None:
            return
        self._table = self._table or csv.DictWriter(self._file, row)
        if self._file.tell() == 0:
            self._table.writeheader()
        self._table.writerow({k: f"{v:.6g}" for k, v in row.items()})
        self._file.flush()
        if self._board is not None:
            for key, value in row.items():
                if key != "step":
                    self._board.add_scalar(key, value, int(row["step"]))

    def picture(self, name: str, rgb: np.ndarray, step: int) -> Path:
        """Writes `name`-`step`.png of uint8 RGB [H, W, 3] into the run."""
        path = self.run / f"{name}-{step:06d}.png"
        if not cv2.imwrite(str(path), cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)):
            raise OSError(f"{path} was not written")
        if self._board is not None:
            self._board.add_image(name, rgb, step, dataformats="HWC")
        return path


def _summary_writer(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise SystemExit(
            "TensorBoard is not installed: pip install -e '.[train]', or give --no-tensorboard"
        ) from error
    return SummaryWriter(str(folder))


def sheet_files(images: Path) -> tuple[list[Path], list[Path]]:
    """Four photographs of Kodak-24 and six artworks that no training sees.

    Raises:
        FileNotFoundError: there are none.
    """
    contents = sorted((images / "content" / "kodak24").glob("*.jpg"))[2::6]
    artworks = test_artworks(images)
    artworks = artworks[:: max(1, len(artworks) // 6)][:6]
    if not contents or not artworks:
        raise FileNotFoundError(
            f"{images}: sample sheets need content/kodak24 and held-out artworks; "
            "add them or set sheet_every = 0"
        )
    return contents, artworks


class Sampler:
    """Draws a sheet of held-out photographs and artworks with the moving average, at intervals."""

    def __init__(self, images: Path, every: int) -> None:
        """Takes the pictures of `sheet_files`."""
        self.every, self._drawn = every, -1
        self.contents, self.styles = (
            [square(p, SHEET_PX) for p in files] for files in sheet_files(images)
        )

    def draw(self, trainer: Trainer, journal: Journal) -> Path | None:
        """A sheet of the deepest depth when one is due."""
        if trainer.step // self.every == self._drawn // self.every:
            return None
        self._drawn = trainer.step
        net = style_network(trainer.averaged(), trainer.objective.vgg)
        sheet = draw_sheet(net, self.contents, self.styles, net.depths[-1], 1.0)
        return journal.picture("sheet", sheet, trainer.step)
