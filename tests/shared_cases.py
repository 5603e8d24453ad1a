"""Makes the case files that pytest and the Android core's JUnit tests both read.

    python -m tests.shared_cases

Pictures are lists of rows of [R, G, B]; a float32 is given by its bits, so that both sides agree on
every one. Expected values of resize and tiling come from fractions, not from the code under test.
"""

from __future__ import annotations

import copy
import hashlib
import json
import struct
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from tests.large_cases import band_cases, cover_cases, moving_cases

FOLDER = Path(__file__).parent / "testdata"
Case = dict[str, Any]
SHA = "ab" * 32


def bits(value: float) -> int:
    """The bit pattern of a float32, as a signed integer (Java's Float.floatToRawIntBits)."""
    return int(np.float32(value).view(np.int32))


def picture(seed: int, height: int, width: int) -> list[list[list[int]]]:
    """Random levels, with black and white corners."""
    levels = np.random.default_rng(seed).integers(0, 256, (height, width, 3))
    levels[0, 0], levels[-1, -1] = 0, 255
    rows: list[list[list[int]]] = levels.tolist()
    return rows


def taps(size: int, count: int, i: int) -> dict[int, Fraction]:
    """Weights of one output of an axis, by the definition: an area, or linear between centers."""
    if count <= size:
        low, high = Fraction(i * size, count), Fraction((i + 1) * size, count)
        span = range(int(low), -int(-high // 1))
        return {j: (min(high, j + 1) - max(low, j)) / (high - low) for j in span}
    center = Fraction((2 * i + 1) * size, 2 * count) - Fraction(1, 2)
    below = int(center // 1)
    weights: dict[int, Fraction] = {}
    for j, weight in ((below, 1 - (center - below)), (below + 1, center - below)):
        inside = min(max(j, 0), size - 1)
        weights[inside] = weights.get(inside, Fraction(0)) + weight
    return weights


def resized(rows: list[list[list[int]]], height: int, width: int) -> list[list[list[int]]]:
    """The exact result: weighted sums as fractions, one rounding, halves up."""
    out = []
    for y in range(height):
        down = taps(len(rows), height, y)
        line = []
        for x in range(width):
            across = taps(len(rows[0]), width, x)
            sums = [
                sum(v * h * rows[j][i][c] for j, v in down.items() for i, h in across.items())
                for c in range(3)
            ]
            line.append([int((total + Fraction(1, 2)) // 1) for total in sums])
        out.append(line)
    return out


def resize_cases() -> list[Case]:
    """Shrinking, growing, both at once, equal sizes, single pixels."""
    sizes = [
        (5, 7, 3, 4),
        (4, 4, 2, 2),
        (3, 3, 7, 5),
        (6, 2, 3, 9),
        (1, 1, 4, 3),
        (9, 8, 1, 1),
        (5, 5, 5, 5),
    ]
    sizes += [(13, 11, 12, 10), (2, 3, 4, 6)]
    return [
        {
            "picture": (rows := picture(n, h, w)),
            "height_px": height,
            "width_px": width,
            "expect": resized(rows, height, width),
        }
        for n, (h, w, height, width) in enumerate(sizes)
    ]


def photograph_cases() -> list[Case]:
    """Stored pixels with alpha, by EXIF orientation: where each comes to stand, over white."""
    height, width = 2, 3
    stored = np.random.default_rng(40).integers(0, 256, (height, width, 4))
    stored[0, 0, 3], stored[1, 2, 3] = 0, 255
    # Row and column of the stored pixel that is shown at (y, x), by what EXIF says of the 0th row
    # and column.
    shown_at = {
        1: lambda y, x: (y, x),
        2: lambda y, x: (y, width - 1 - x),
        3: lambda y, x: (height - 1 - y, width - 1 - x),
        4: lambda y, x: (height - 1 - y, x),
        5: lambda y, x: (x, y),
        6: lambda y, x: (height - 1 - x, y),
        7: lambda y, x: (height - 1 - x, width - 1 - y),
        8: lambda y, x: (x, width - 1 - y),
    }

    def over_white(pixel: Any) -> list[int]:
        alpha = Fraction(int(pixel[3]), 255)
        return [int((int(v) * alpha + 255 * (1 - alpha) + Fraction(1, 2)) // 1) for v in pixel[:3]]

    packed = [
        (int(a) << 24 | int(r) << 16 | int(g) << 8 | int(b)) for r, g, b, a in stored.reshape(-1, 4)
    ]
    return [
        {
            "orientation": orientation,
            "width_px": width,
            "height_px": height,
            "argb": [value - (1 << 32) if value >= 1 << 31 else value for value in packed],
            "expect": [
                [
                    over_white(stored[place(y, x)])
                    for x in range(height if orientation in (5, 6, 7, 8) else width)
                ]
                for y in range(width if orientation in (5, 6, 7, 8) else height)
            ],
        }
        for orientation, place in {**shown_at, 0: shown_at[1], 9: shown_at[1]}.items()
    ]


def fit_cases() -> list[Case]:
    """Sizes that a picture gets when its longest side is given: halves round up, nothing below
    1."""
    cases = [
        (4032, 3024, 1024),
        (3, 2, 1),
        (1000, 1, 10),
        (640, 427, 256),
        (5, 10, 5),
        (7, 7, 9),
        (2, 1, 5),
    ]
    found = []
    for width, height, side in cases:
        longest = max(width, height)
        sizes = [
            max(1, int((Fraction(s * side, longest) + Fraction(1, 2)) // 1))
            for s in (width, height)
        ]
        found.append({"width_px": width, "height_px": height, "side_px": side, "expect": sizes})
    return found


def padding_cases() -> list[Case]:
    """Positions of a side that padded positions read."""
    return [
        {
            "size": size,
            "padded": padded,
            "expect": np.pad(np.arange(size), (0, padded - size), mode).tolist(),
        }
        for size, padded, mode in (
            (1, 5, "edge"),
            (2, 9, "reflect"),
            (3, 11, "reflect"),
            (5, 8, "reflect"),
            (4, 4, "edge"),
        )
    ]


def codec_cases() -> Case:
    """Levels to float32, float32 to levels, alpha over white, int8 edges; ties and ends
    included."""
    ties = [(n + 0.5) / 255 for n in (0, 1, 2, 100, 254)]
    values = [0.0, 1.0, -0.2, 1.7, -0.0, 1e-20, 0.49999, *ties, *np.linspace(0, 1, 41).tolist()]
    values += [float(np.nextafter(np.float32(v), np.float32(0))) for v in ties]
    single = np.asarray(values, np.float32)
    levels = np.clip(np.floor(single * np.float32(255) + np.float32(0.5)), 0, 255).astype(int)
    scale, zero_point = np.float32(1 / 255), -128
    halves = np.asarray(
        [-0.51, -0.004, 0.0, 0.5 / 255, 1.5 / 255, 2.5 / 255, 0.5, 0.9999, 1.0, 1.2], np.float32
    )
    quantized = np.clip(np.round(halves / scale) + zero_point, -128, 127).astype(int)
    whole = np.arange(-128, 128)
    dequantized = (whole.astype(np.float32) - np.float32(zero_point)) * scale
    pixels = [
        (a, r, g, b) for a in (0, 1, 127, 128, 254, 255) for r, g, b in ((0, 0, 0), (255, 128, 3))
    ]
    return {
        "level_to_value_bits": [bits(np.float32(n) / np.float32(255)) for n in range(256)],
        "values_bits": [bits(v) for v in single],
        "levels": levels.tolist(),
        "int8": {
            "scale_bits": bits(float(scale)),
            "zero_point": zero_point,
            "values_bits": [bits(v) for v in halves],
            "levels": quantized.tolist(),
            "dequantized_bits": [bits(v) for v in dequantized],
        },
        "over_white": [
            {
                "argb": list(p),
                "expect": [(c * p[0] + 255 * (255 - p[0]) + 127) // 255 for c in p[1:]],
            }
            for p in pixels
        ],
    }


def _axis(length: int, tile: int, overlap: int) -> tuple[list[int], list[list[int]]]:
    count = 1 if length <= tile else -(-(length - overlap) // (tile - overlap))
    starts = [
        0 if count == 1 else int(Fraction(k * (length - tile), count - 1) // 1)
        for k in range(count)
    ]
    size = min(length, tile)
    weights = []
    for start in starts:
        ramp = []
        for p in range(start, start + size):
            left = overlap + 1 if start == 0 else p - start + 1
            right = overlap + 1 if start + size == length else start + size - p
            ramp.append(min(left, right, overlap + 1))
        weights.append(ramp)
    return starts, weights


def tiling_cases() -> list[Case]:
    """Cuts, weights and blends; tile k (row by row) adds 7 k to every level of its crop, modulo
    256."""
    cases = []
    for n, (height, width, tile, multiple) in enumerate(
        ((9, 21, 8, 1), (8, 8, 8, 4), (17, 9, 16, 2), (5, 40, 16, 4), (19, 18, 8, 2))
    ):
        overlap = max(multiple, tile // 8 // multiple * multiple)
        rows = picture(100 + n, height, width)
        tops, down = _axis(height, tile, overlap)
        lefts, across = _axis(width, tile, overlap)
        sums = [[[0, 0, 0, 0] for _ in range(width)] for _ in range(height)]
        for r, top in enumerate(tops):
            for c, left in enumerate(lefts):
                for y, vertical in enumerate(down[r]):
                    for x, horizontal in enumerate(across[c]):
                        cell, weight = sums[top + y][left + x], vertical * horizontal
                        for i in range(3):
                            level = (rows[top + y][left + x][i] + 7 * (r * len(lefts) + c)) % 256
                            cell[i] += weight * level
                        cell[3] += weight
        cases.append(
            {
                "picture": rows,
                "tile_px": tile,
                "size_multiple_px": multiple,
                "tops": tops,
                "lefts": lefts,
                "down": down,
                "across": across,
                "expect": [
                    [[(2 * v + cell[3]) // (2 * cell[3]) for v in cell[:3]] for cell in line]
                    for line in sums
                ],
            }
        )
    return cases


def good_manifest() -> Case:
    """The smallest manifest that holds everything."""
    model = {"bytes": 10, "sha256": SHA, "precision": "int8", "role": "transfer"}
    return {
        "schema_version": 1,
        "name": "small",
        "created_by": "iast-export test",
        "network": {
            "name": "Small",
            "code_shapes": {"style_code": [1, 4], "strength": [1, 1]},
            "size_multiple_px": 4,
        },
        "tiers": [
            {"id": "d2-32px", "depth": 2, "max_side_px": 32, "shape_px": [32, 32]},
            {"id": "d1-64px", "depth": 1, "max_side_px": 64, "shape_px": [64, 64]},
        ],
        "files": [
            {
                **model,
                "path": "models/a.onnx",
                "runtime": "onnxruntime",
                "signatures": [],
                "tier": "d2-32px",
                "minimum_runtime": "1.14",
            },
            {
                **model,
                "path": "models/a.tflite",
                "runtime": "litert",
                "signatures": ["d2_32px", "d1_64px"],
                "tier": None,
                "accelerators": {"d2_32px": ["cpu", "gpu"], "d1_64px": []},
            },
        ],
        "io": [
            {
                "path": "models/a.tflite",
                "signature": "d2_32px",
                "direction": "input",
                "name": "content",
                "dtype": "int8",
                "layout": "NHWC",
                "shape": [1, 32, 32, 3],
                "scale": 0.00392156862745098,
                "zero_point": -128,
                "value_range": [0.0, 1.0],
            }
        ],
        "preprocess": {
            "color_order": "RGB",
            "alpha": "over_white",
            "level_to_value": "level / 255",
            "value_range": [0.0, 1.0],
            "pad_sides": "bottom_right",
            "pad_mode": "reflect",
            "pad_mode_one_px": "edge",
            "pad_to": {"onnxruntime": "size_multiple_px_at_least_twice", "litert": "shape_px"},
            "size_multiple_px": 4,
            "style_side_px": 256,
            "style_crop": "center_square",
            "scaling": "area_down_linear_up",
            "scaling_rounding": "half_up_exact",
        },
        "postprocess": {
            "value_to_level": "floor(value * 255 + 0.5)",
            "clip": [0, 255],
            "value_range": [0.0, 1.0],
            "crop": "top_left",
        },
        "styles": [
            {
                "id": "ink",
                "category": "ink wash",
                "path": "styles/ink.f32",
                "sha256": SHA,
                "title": "Ink",
                "licence": "CC0",
                "thumbnail": "styles/ink.png",
                "thumbnail_sha256": SHA,
            }
        ],
        "golden": [
            {
                "tier": "d2-32px",
                "content": "golden/c.png",
                "style": "ink",
                "strength": 1.0,
                "outputs": {"litert-int8": "golden/o.png"},
                "tolerance_levels": {"litert": 1, "onnxruntime": 2},
                "gpu_tolerance_levels": {"fp32": 2, "int8": 16},
                "sha256": {"golden/c.png": SHA, "golden/o.png": SHA},
            }
        ],
        "source": {
            "network": "small:factory",
            "checkpoint_sha256": None,
            "recipe_sha256": SHA,
            "calibration_set": "default",
            "calibration_set_sha256": SHA,
            "tool": {"versions": {}},
        },
        "reports": {"verify": "reports/verify.json"},
    }


TWO_HASHES = {
    **good_manifest()["golden"][0],
    "content": "styles/ink.f32",
    "sha256": {"styles/ink.f32": "cd" * 32, "golden/o.png": SHA},
}

# What is altered (a path of keys), the value (None removes the key), and what is wrong with it.
BAD: list[tuple[list[str | int], Any, str]] = [
    (["schema_version"], 2, "another schema version"),
    (["tiers"], [], "no tier"),
    (["files", 1, "accelerators", "d1_64px"], ["npu"], "an accelerator that no one knows"),
    (["tiers", 0, "max_side_px"], 128, "tiers that do not rise"),
    (["tiers", 1, "id"], "d2-32px", "a tier twice"),
    (["files", 0, "path"], "../models/a.onnx", "a path that leaves the bundle"),
    (["files", 0, "path"], "/models/a.onnx", "an absolute path"),
    (["files", 0, "path"], "models\\a.onnx", "a backslash"),
    (["files", 0, "path"], "models//a.onnx", "an empty segment"),
    (["files", 0, "path"], "c:/a.onnx", "a drive"),
    (["files", 1, "path"], "models/a.onnx", "a file twice"),
    (["files", 0, "sha256"], "AB" * 32, "a hash in capitals"),
    (["files", 0, "bytes"], 0, "an empty file"),
    (["files", 0, "runtime"], "coreml", "an unknown runtime"),
    (["files", 0, "role"], "other", "an unknown role"),
    (["files", 0, "tier"], "d9-9px", "a tier that is not there"),
    (["files", 0, "sha256"], None, "a missing hash"),
    (["files", 0, "minimum_runtime"], "1.14 or so", "a runtime's version that is none"),
    (["styles", 0, "path"], "styles/../../x", "a style that leaves the bundle"),
    (["styles", 0, "id"], "Ink Wash", "a style id with a blank"),
    (["styles", 0, "thumbnail_sha256"], None, "a thumbnail without a hash"),
    (["golden", 0, "style"], "none", "a style that is not there"),
    (["golden", 0, "tier"], "d9-9px", "a golden tier that is not there"),
    (["golden", 0, "strength"], 1.5, "a strength above 1"),
    (["golden", 0, "sha256"], {"golden/c.png": SHA}, "a golden picture without a hash"),
    (["preprocess", "pad_mode"], "zero", "an unknown pad"),
    (["preprocess", "scaling"], "bilinear", "an unknown resize"),
    (["preprocess", "color_order"], "BGR", "another color order"),
    (["postprocess", "value_to_level"], "round(value * 255)", "another rounding"),
    (["network", "code_shapes"], None, "no code shapes"),
    (["name"], 7, "a name that is no text"),
    (["tiers", 0, "shape_px"], [32, 16], "a shape below its tier's side"),
    (["io", 0, "zero_point"], -129, "a zero point outside int8"),
    (["io", 0, "zero_point"], None, "an int8 edge without a zero point"),
    (["io", 0, "scale"], 0.0, "an int8 edge without a scale"),
    (["golden", 0, "tolerance_levels"], {"onnxruntime": 2}, "a golden without its tolerance"),
    (["golden", 0, "outputs"], {"litert-fp16": "golden/o.png"}, "a golden without a model"),
    (["golden", 0, "outputs"], {"coreml-int8": "golden/o.png"}, "a golden of an unknown runtime"),
    (["files", 0, "path"], "manifest.json", "a manifest that lists itself"),
    (["tiers", 0, "any_shape"], True, "a tier of any shape without a table"),
    (["tiers", 0, "any_shape"], "yes", "a flag that is a text"),
    (["files", 1, "shapes"], "models/a.shapes.json", "a table without its hash"),
    (["files", 1, "statistics"], "models/a.statistics.json", "statistics without their hash"),
    (["golden", 0], TWO_HASHES, "a path with two hashes"),
]


def altered(manifest: Case, path: list[str | int], value: Any) -> Case:
    """A copy with one value replaced, or removed where `value` is None."""
    found: Any = copy.deepcopy(manifest)
    place = found
    for key in path[:-1]:
        place = place[key]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    result: Case = found
    return result


def manifest_cases() -> list[Case]:
    """One good manifest, and each way to be bad."""
    good = good_manifest()
    bad = [{"wrong": why, "manifest": altered(good, path, value)} for path, value, why in BAD]
    return [{"wrong": None, "manifest": good}, *bad]


def shape_cases() -> Case:
    """A model of 24 bytes, its table, and what it becomes at some sizes, or None: refused."""
    model = bytes(range(24))
    table = {
        "schema_version": 1,
        "model_sha256": hashlib.sha256(model).hexdigest(),
        "size_multiple_px": 4,
        "signatures": [
            {
                "key": "d1_32px",
                "before": "0a0b0c0d",
                "behind": "00000000",
                "numbers": [
                    {"is": [-8, 0, 0, 0], "at": [4]},
                    {"is": [0, 4, 0, 0], "at": [8, 28]},
                    {"is": [-2, 0, 1, 0], "at": [12]},
                    {"is": [0, 0, 0, 16], "at": [17]},
                    {"is": [1, 0, 0, 0], "over": [-1, 0, 0, 1], "at": [24]},
                ],
            }
        ],
        "fixed": {"d2_64px": "operator 3, CUSTOM: unknown"},
    }
    sizes = [
        (8, 8),
        (32, 32),
        (256, 28),
        (400, 600),
        (4, 8),
        (8, 4),
        (8, 10),
        (0, 8),
        (65536, 65536),
    ]
    cases = [
        {"height_px": h, "width_px": w, "expect": _reshaped(model, h // 4, w // 4, h % 4 + w % 4)}
        for h, w in sizes
    ]
    return {
        "model": model.hex(),
        "table": table,
        "key": "d1_32px",
        "cases": cases,
        "twice": _told_twice(table),
    }


def _told_twice(table: Case) -> list[Case]:
    """Tables as text that say one thing twice, which readers could take differently."""

    def told(change: Callable[[Case], object]) -> str:
        made = copy.deepcopy(table)
        change(made)
        return json.dumps(made)

    def numbers(made: Case) -> list[Case]:
        found: list[Case] = made["signatures"][0]["numbers"]
        return found

    forged = {
        "number": told(lambda t: numbers(t).append({"is": [0, 4, 0, 0], "at": [20]})),
        "factor": told(lambda t: numbers(t).append({**numbers(t)[-1], "at": [20]})),
        "place": told(lambda t: numbers(t).append({"is": [3, 0, 0, 0], "at": [8]})),
        "part of a place": told(lambda t: numbers(t).append({"is": [3, 0, 0, 0], "at": [10]})),
        "signature": told(lambda t: t["signatures"].append({**t["signatures"][0]})),
        "fixed": told(lambda t: t["fixed"].update({"d1_32px": "no"})),
        "key": told(lambda t: None).replace('"at": [12]', '"at": [20], "at": [12]'),
        "escaped key": told(lambda t: None).replace('"at": [12]', '"\\u0061t": [20], "at": [12]'),
    }
    return [{"what": what, "table": text} for what, text in forged.items()]


def _reshaped(model: bytes, h: int, w: int, rest: int) -> str | None:
    """By hand, what the table of `shape_cases` says."""
    if rest or min(h, w) < 1 or w < 2 or 16 * h * w >= 1 << 31 or h * w < 2:
        return None
    made = bytearray(b"\x0a\x0b\x0c\x0d" + model + bytes(4))
    written = ((4, -8), (8, 4 * h), (28, 4 * h), (12, w - 2), (17, 16 * h * w))
    for at, value in written:
        made[at : at + 4] = value.to_bytes(4, "little", signed=True)
    made[24:28] = struct.pack("<f", 1 / (h * w - 1))
    return made.hex()


def all_files() -> dict[str, str]:
    """Text of every generated file, by name."""
    cases = {
        "resize_cases.json": resize_cases(),
        "photograph_cases.json": photograph_cases(),
        "fit_cases.json": fit_cases(),
        "padding_cases.json": padding_cases(),
        "codec_cases.json": codec_cases(),
        "tiling_cases.json": tiling_cases(),
        "manifest_cases.json": manifest_cases(),
        "shape_cases.json": shape_cases(),
        "cover_cases.json": cover_cases(),
        "band_cases.json": band_cases(),
        "moving_cases.json": moving_cases(),
    }
    return {name: json.dumps(value, separators=(",", ":")) + "\n" for name, value in cases.items()}


if __name__ == "__main__":
    for name, text in all_files().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
