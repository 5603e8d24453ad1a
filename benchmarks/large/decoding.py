"""What decoding a picture takes beyond its file, in bytes a pixel, by kind of file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from iast_export.environment import peak_rss_bytes
from iast_export.files.apart import call_apart
from iast_export.files.artifacts import read_bytes
from iast_export.pictures.picture_reader import read_picture

_SMALL_MEGAPIXELS = 0.01


def peak_bytes(small: str, path: str) -> tuple[int, int]:
    """By how much the peak of this process, which should be a fresh one, rises; and the pixels."""
    read_picture(read_bytes(Path(small)), small)
    data, before = read_bytes(Path(path)), peak_rss_bytes()
    rgb = read_picture(data, path)
    return peak_rss_bytes() - before, rgb.shape[0] * rgb.shape[1]


def decoding(
    photograph: Path, kinds: tuple[str, ...], megapixels: float, out: Path
) -> Iterator[str]:
    """A row per kind of file."""
    for kind in kinds:
        files = []
        for size in (_SMALL_MEGAPIXELS, megapixels):
            files.append(str(out / f"{photograph.stem}-{size:g}mp-{kind}"))
            job = {"source": str(photograph), "megapixels": size, "out": files[-1]}
            call_apart("benchmarks.large.photographs:write_scaled", job, photograph.name)
        job = {"small": files[0], "path": files[1]}
        found, pixels = call_apart("benchmarks.large.decoding:peak_bytes", job, kind)
        yield f"{kind}: {found / pixels:.1f} bytes a pixel at {pixels / 1e6:.0f} megapixels"
