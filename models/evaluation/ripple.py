r"""Whether flat regions carry a ripple of one period, whatever the artwork.

    python -m models.evaluation.ripple --data DIR --network first=FIRST.safetensors \
        --network packaged=iast_export/data/iast.safetensors --out benchmarks/quality

Spectra of the lightness where Kodak-24 is flat (skies, mostly), of what each network paints there
in twelve artworks that trained nothing. A texture falls evenly with its period, as artworks' own
flat regions do; a ripple that a network brings itself stands above such a curve in the mean over
the artworks. Photographs and artworks stand beside the networks: what they rise, nobody's ripple
is. So does a wave that is drawn over results, which says how faint a ripple would be seen.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from iast_export.errors import InputError
from iast_export.files.artifacts import json_bytes, write_atomic
from iast_export.pictures.images import Rgb, center_square, load_image
from models.data import test_artworks
from models.evaluation.artifacts import gradients, light
from models.evaluation.methods import Network
from models.evaluation.plots import spectra_plot
from models.sheet import load_weights

Spectrum = NDArray[np.float64]

_SIDE_PX, _ARTWORKS = 256, 12
_WINDOW_PX = 64
_WAVES = np.arange(2, 17)  # across a window; fewer are the picture, more are noise
PERIODS_PX: Spectrum = _WINDOW_PX / _WAVES
_WINDOWS = 4  # the flattest of a picture
# Mean absolute gradient of a window that counts as flat. With photographs' own structure in it, a
# window shows their spectrum and hides a ripple.
_FLAT_LEVELS = 2.25
_PLANTED_PX, _PLANTED_LEVELS = 64 / 5, 1.0  # of the wave whose rise is shown


@dataclass(frozen=True)
class Place:
    """A flat window: of which picture, and where its corner lies."""

    picture: int
    top: int
    left: int


def flattest_places(photographs: Sequence[Rgb], levels: float = _FLAT_LEVELS) -> list[Place]:
    """Up to four windows of each picture whose mean absolute gradient is below `levels`.

    None covers another's middle.

    Raises:
        InputError: a picture is smaller than a window, or none has a flat one.
    """
    found = []
    for number, photograph in enumerate(photographs):
        if min(photograph.shape[:2]) < _WINDOW_PX:
            raise InputError(
                f"a picture of {photograph.shape[1]}x{photograph.shape[0]} px has no window of "
                f"{_WINDOW_PX} px",
                "give larger pictures",
            )
        found += _flattest(number, photograph, levels)
    if not found:
        raise InputError("no photograph has a flat region", "give some with a sky or a wall")
    return found


def _flattest(number: int, photograph: Rgb, levels: float) -> list[Place]:
    rough = uniform_filter(gradients(light(photograph)), _WINDOW_PX, mode="nearest")
    half = _WINDOW_PX // 2
    valid = rough[half : rough.shape[0] - half + 1, half : rough.shape[1] - half + 1].copy()
    found = []
    for _ in range(_WINDOWS):
        top, left = (int(v) for v in np.unravel_index(int(valid.argmin()), valid.shape))
        if valid[top, left] >= levels:
            break
        found.append(Place(number, top, left))
        valid[max(0, top - half) : top + half, max(0, left - half) : left + half] = np.inf
    return found


def spectrum(picture: Rgb, place: Place) -> Spectrum:
    """Decibels [periods] of the lightness in a window, by `PERIODS_PX`, mean over directions.

    0 dB is a power of one squared level a frequency.
    """
    taper = np.outer(*[np.hanning(_WINDOW_PX)] * 2)
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(_WINDOW_PX, 1 / _WINDOW_PX)] * 2))
    rows, columns = (slice(start, start + _WINDOW_PX) for start in (place.top, place.left))
    window = light(picture)[rows, columns]
    power = np.abs(np.fft.fft2((window - window.mean()) * taper)) ** 2 / np.square(taper).sum()
    rings = np.rint(frequency).astype(int)
    means = [power[rings == waves].mean() for waves in _WAVES]
    return np.asarray(10.0 * np.log10(np.array(means) + 1e-3))


def rise_db(spectra: Sequence[Spectrum]) -> tuple[float, float]:
    """How far the mean spectrum rises above an even curve, and the period in px where it does.

    The curve is of second degree, of decibels over the logarithm of the period. The longest and the
    shortest period don't count: a curve's ends are where it fits worst.
    """
    mean, place = np.mean(spectra, axis=0), np.log(PERIODS_PX)
    rise = (mean - np.polyval(np.polyfit(place, mean, 2), place))[1:-1]
    return float(rise.max()), float(PERIODS_PX[1:-1][rise.argmax()])


def of_results(
    draw: Callable[[Rgb, Rgb], Rgb],
    photographs: Sequence[Rgb],
    artworks: Sequence[Rgb],
    places: Sequence[Place],
    planted: Spectrum | None = None,
) -> list[Spectrum]:
    """A spectrum per artwork: the mean over the places of `draw(photograph, artwork)`.

    `planted`: levels [H, W] that are added to every result.
    """
    found = []
    for artwork in artworks:
        results = {n: draw(photographs[n], artwork) for n in sorted({p.picture for p in places})}
        if planted is not None:
            results = {n: _with(result, planted) for n, result in results.items()}
        found.append(np.mean([spectrum(results[p.picture], p) for p in places], axis=0))
    return found


def _with(picture: Rgb, levels: Spectrum) -> Rgb:
    return np.clip(np.rint(picture + levels[..., None]), 0, 255).astype(np.uint8)


def wave(side_px: int, period_px: float, levels: float) -> Spectrum:
    """Stripes [side_px, side_px] of a period, `levels` RMS."""
    stripe = np.sin(2.0 * np.pi * np.arange(side_px) / period_px) * np.sqrt(2.0) * levels
    return np.tile(stripe, (side_px, 1))


def table(rows: Mapping[str, Sequence[Spectrum]], places: int, pictures: int) -> str:
    """A line per row, in Markdown: what its mean rises, and where."""
    lines = [
        f"Lightness in {places} flat windows of {_WINDOW_PX} px in {pictures} of the photographs "
        f"Kodak-24, {_SIDE_PX} px, full strength, {_ARTWORKS} artworks that trained nothing. Rise: "
        "how far the mean over artworks stands above an even curve; the highest of one artwork "
        "alone, which is that artwork's own texture too.",
        "",
        "| | rise, dB | at px | of one artwork | level at 32, 13, 6 px, dB |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    shown = [int(np.abs(PERIODS_PX - px).argmin()) for px in (32, 13, 6)]
    for name, spectra in rows.items():
        rise, period = rise_db(spectra)
        alone = max(rise_db([one])[0] for one in spectra)
        mean = np.mean(spectra, axis=0)
        levels = ", ".join(f"{mean[i]:.0f}" for i in shown)
        lines.append(f"| {name} | {rise:.1f} | {period:.0f} | {alone:.1f} | {levels} |")
    return "\n".join(lines) + "\n"


def _pictures(paths: Sequence[Path]) -> list[Rgb]:
    return [center_square(load_image(path), _SIDE_PX) for path in paths]


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="folder with images/")
    parser.add_argument(
        "--network", action="append", required=True, metavar="NAME=WEIGHTS", help="may be repeated"
    )
    parser.add_argument("--depths", type=int, nargs="+", default=[1, 3], metavar="N")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    images = args.data / "images"
    photographs = _pictures(sorted((images / "content" / "kodak24").glob("*.jpg")))
    paths = test_artworks(images)
    artworks = _pictures(paths[:: max(1, len(paths) // _ARTWORKS)][:_ARTWORKS])
    places = flattest_places(photographs)
    own = [np.mean([spectrum(a, p) for p in flattest_places([a], np.inf)], 0) for a in artworks]
    rows = {
        "photographs": [np.mean([spectrum(photographs[p.picture], p) for p in places], axis=0)],
        "flattest windows of the artworks": own,
    }
    stripes = wave(_SIDE_PX, _PLANTED_PX, _PLANTED_LEVELS)
    for entry in args.network:
        name, _, path = entry.partition("=")
        net = load_weights(Path(path))
        for depth in args.depths:
            method = Network(name, net, depth, name)

            def draw(content: Rgb, style: Rgb, method: Network = method) -> Rgb:
                return next(iter(method.pictures(content, style, (1.0,))))[1]

            rows[f"{name}, depth {depth}"] = of_results(draw, photographs, artworks, places)
    planted = of_results(
        draw, photographs, artworks, places, stripes
    )  # over the last row's results
    told = f"a wave of {_PLANTED_PX:.0f} px and {_PLANTED_LEVELS:g} level"
    rows[f"{name}, depth {depth}, with {told}"] = planted
    text = table(rows, len(places), len({p.picture for p in places}))
    write_atomic(args.out / "ripple.md", text.encode())
    means = {name: np.mean(spectra, axis=0).tolist() for name, spectra in rows.items()}
    write_atomic(args.out / "ripple.json", json_bytes({"px": PERIODS_PX.tolist(), "dB": means}))
    spectra_plot(PERIODS_PX.tolist(), means, args.out / "ripple.png")
    print(text)


if __name__ == "__main__":
    main()
