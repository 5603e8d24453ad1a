"""Clips: their frames by OpenCV, one at a time, and files that are whole or absent. No sound."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from iast_export.errors import InputError, ToolError
from iast_export.files.artifacts import atomic_path, sha256_file
from iast_export.pictures.images import Rgb

# MPEG-4 Part 2: what OpenCV's wheels encode everywhere.
_CODEC = "mp4v"
# Where a file doesn't tell.
_USUAL_FPS = 25.0
_READ = "a clip that OpenCV decodes, such as MP4, AVI, MKV or WebM"


@dataclass(frozen=True)
class Clip:
    """A clip's file; `frames` is what its header says, 0 where it doesn't."""

    path: Path
    width_px: int
    height_px: int
    fps: float
    frames: int

    @property
    def sha256(self) -> str:
        """Of the whole file."""
        return sha256_file(self.path)

    def read(self) -> Iterator[Rgb]:
        """Every frame [H, W, 3], in order.

        Raises:
            InputError: no frame can be decoded, or the size changes midway.
        """
        seen = 0
        with _opened(self.path) as capture:
            while True:
                done, frame = capture.read()
                if not done:
                    break
                if frame.shape[:2] != (self.height_px, self.width_px):
                    raise InputError(
                        f"{self.path} changes its size at frame {seen}", "cut the clip there"
                    )
                seen += 1
                yield cv2.cvtColor(frame, cv2.COLOR_BGR2RGB).astype(np.uint8)
        if seen == 0 or seen < self.frames - 1:
            raise InputError(
                f"{self.path} ends after {seen} of {self.frames} frames",
                f"give {_READ}; this one is cut short or damaged",
            )


def open_clip(path: Path) -> Clip:
    """A clip by its header.

    Raises:
        InputError: missing, or no clip that can be decoded.
    """
    if not path.is_file():
        raise InputError(f"{path} is missing", "check the path")
    with _opened(path) as capture:
        sizes = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT, cv2.CAP_PROP_FRAME_COUNT)
        width, height, frames = (max(0, int(capture.get(one))) for one in sizes)
        fps = float(capture.get(cv2.CAP_PROP_FPS))
        if not capture.read()[0]:
            raise InputError(f"no frame of {path} can be decoded", f"give {_READ}")
    return Clip(path, width, height, fps if 0 < fps < 1000 else _USUAL_FPS, frames)


def save_clip(path: Path, fps: float, frames: Iterable[Rgb]) -> int:
    """Writes frames [H, W, 3] as a clip, whole or not at all; how many there were.

    Raises:
        InputError: the folder can't be written.
        ToolError: OpenCV can't encode such a file.
    """
    count = 0
    with atomic_path(path) as temporary:
        writer: cv2.VideoWriter | None = None
        try:
            for frame in frames:
                if writer is None:
                    writer = _writer(temporary, path, fps, frame)
                writer.write(np.ascontiguousarray(frame[:, :, ::-1]))
                count += 1
        finally:
            if writer is not None:
                writer.release()
    return count


def _writer(temporary: Path, path: Path, fps: float, frame: Rgb) -> cv2.VideoWriter:
    height, width = frame.shape[:2]
    codec = cv2.VideoWriter.fourcc(*_CODEC)
    writer = cv2.VideoWriter(str(temporary), codec, fps, (width, height))
    if not writer.isOpened():
        raise ToolError(
            f"OpenCV can't encode {path.name} of {width}x{height} px", "write to a file named *.mp4"
        )
    return writer


@contextmanager
def _opened(path: Path) -> Iterator[cv2.VideoCapture]:
    capture = cv2.VideoCapture(str(path))
    try:
        if not capture.isOpened():
            raise InputError(f"{path} is no clip that can be opened", f"give {_READ}")
        yield capture
    finally:
        capture.release()
