"""Forged figures: times and fidelity."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from typing import Any

from tests.forgeries.case import Case, Json, forged, many, set_row
from tests.gate_cases import fidelity, shaped, times

# Times.


@forged(3)
def twenty_times_slower_with_the_old_ratio(case: Case) -> None:
    row = case.row("benchmark")
    row["samples_ms"] = [20 * sample for sample in row["samples_ms"]]
    row["median_ms"] = statistics.median(row["samples_ms"])


def _samples(
    change: Callable[[list[float], list[float]], list[float]], where: str = "benchmark"
) -> Any:
    """Other samples, with a median that follows."""

    def forge(case: Case) -> None:
        row = case.row(where)
        row["samples_ms"] = change(
            row["samples_ms"], case.row(where, precision="fp32")["samples_ms"]
        )
        row["median_ms"] = statistics.median(row["samples_ms"])
        if where.startswith("baseline"):
            case.seal()

    return forge


_SAMPLES: dict[str, Any] = {
    "an odd number": lambda own, base: own[:-1],
    "one": lambda own, base: own[:1],
    "one block": lambda own, base: own[:2],
    "fewer than FP32's": lambda own, base: own[:-2],
    "more than FP32's": lambda own, base: own + own[:2],
    "all equal": lambda own, base: [own[0]] * len(own),
    "all but one equal": lambda own, base: [own[0]] * (len(own) - 1) + [own[0] * 1.5],
    "FP32's": lambda own, base: base,
    "FP32's, a third of each": lambda own, base: [one / 3.0 for one in base],
    "in another order": lambda own, base: sorted(own),
    "the fastest alone": lambda own, base: [min(own)] * 2 + [1.001 * min(own)] * (len(own) - 2),
}
many((3,), "samples", {what: _samples(change) for what, change in _SAMPLES.items()})
many(
    (3,),
    "baseline samples",
    {what: _samples(change, "baseline.benchmark") for what, change in _SAMPLES.items()},
)


def _ratio(**values: float) -> Callable[[Case], None]:
    return lambda case: case.row("benchmark")["ratio_to_fp32"].update(values)


many(
    (3,),
    "ratio",
    {
        "fifty, invented": _ratio(value=50.0, low=49.0, high=51.0),
        "a little better": _ratio(value=3.05, high=3.1),
        "a narrower interval": _ratio(low=2.999, high=3.001),
        "a wider interval": _ratio(low=1.0, high=5.0),
        "none": set_row("benchmark", ratio_to_fp32=None),
        "of FP32 to itself": lambda case: case.row("benchmark", precision="fp32").update(
            ratio_to_fp32={"value": 1.5, "low": 1.4, "high": 1.6}
        ),
        "reversed": _ratio(low=5.0, high=1.0),
        "zero": _ratio(low=0.0),
    },
)
many(
    (3,),
    "a time",
    {
        "median halved": set_row("benchmark", median_ms=5.0),
        "P90 of too few samples": set_row("benchmark", p90_ms=9.0),
        "threads unlike FP32's": set_row("benchmark", threads=2),
        "bytes of another file": lambda case: case.row("benchmark").update(
            file_bytes=case.entry("models/encoder.onnx")["bytes"]
        ),
    },
)


@forged(3)
def a_long_row_with_another_p90(case: Case) -> None:
    base, row = case.row("benchmark", precision="fp32"), case.row("benchmark")
    base["samples_ms"] = [30.0 + 0.01 * i for i in range(30)]
    base |= {"median_ms": statistics.median(base["samples_ms"]), "p90_ms": 30.26}
    row |= times(base["samples_ms"], [3.0 + 0.01 * i for i in range(15)])
    row["p90_ms"] = min(row["samples_ms"])


def _four_thirds(change: Callable[[Json], object]) -> Callable[[Case], None]:
    """Another 4:3 picture, told by a lane of INT8."""
    return lambda case: change(case.row("benchmark")["four_thirds"]) and None


many(
    (3,),
    "a 4:3 picture",
    {
        "of another size": _four_thirds(lambda one: one.update(width_px=288, height_px=216)),
        "of twice the pixels": _four_thirds(lambda one: one.update(width_px=420, height_px=312)),
        "a square": _four_thirds(lambda one: one.update(width_px=256, height_px=256)),
        "as fast as told": _four_thirds(
            lambda one: one.update(per_pixel={"value": 1.0, "low": 1.0, "high": 1.0})
        ),
        "one block": _four_thirds(lambda one: one.update(samples_ms=one["samples_ms"][:2])),
        "the square's own samples": lambda case: case.row("benchmark")["four_thirds"].update(
            samples_ms=case.row("benchmark")["samples_ms"][:4]
        ),
        "FP32's samples": lambda case: case.row("benchmark").update(
            four_thirds=case.row("benchmark", precision="fp32")["four_thirds"]
        ),
        "left out of INT8": lambda case: case.row("benchmark").pop("four_thirds"),
        "left out of FP32": lambda case: case.row("benchmark", precision="fp32").pop("four_thirds"),
    },
)


@forged(7)
def more_threads_than_the_baseline_in_every_row(case: Case) -> None:
    for row in case["benchmark"]["rows"]:
        row["threads"] = 4


# Fidelity.


def _fidelity(change: Callable[[Json], Any]) -> Callable[[Case], None]:
    return lambda case: change(case.row("verify"))


def _keep(row: Json, pairs: list[Json]) -> None:
    """The row with other pairs, and every summary made to follow."""
    psnrs, ssims = [one["psnr_db"] for one in pairs], [one["ssim"] for one in pairs]
    row |= {
        "pairs": pairs,
        "images": len(pairs),
        "psnr_db": {"mean": statistics.fmean(psnrs), "p5": min(psnrs)},
        "ssim": {"mean": statistics.fmean(ssims), "p5": min(ssims)},
    }


def _renamed(pairs: list[Json], **values: Any) -> list[Json]:
    return [one | values for one in pairs]


def _each(change: Callable[[Json], Any]) -> Callable[[Case], None]:
    """The same change to every row of verify.json."""

    def forge(case: Case) -> None:
        for row in case["verify"]["rows"]:
            change(row)

    return forge


many(
    (3,),
    "pairs of a row",
    {
        "emptied": _fidelity(lambda row: row.update(pairs=[])),
        "emptied, of no image": _fidelity(lambda row: row.update(pairs=[], images=0)),
        "the best alone": _fidelity(lambda row: _keep(row, row["pairs"][-1:])),
        "the best three times": _fidelity(lambda row: _keep(row, row["pairs"][-1:] * 3)),
        "the best eight times": _fidelity(lambda row: _keep(row, row["pairs"][-1:] * 8)),
        "the worst dropped": _fidelity(lambda row: _keep(row, row["pairs"][1:])),
        "other pictures": _fidelity(
            lambda row: _keep(row, [p | {"content": f"x{p['content']}"} for p in row["pairs"]])
        ),
        "another style": _fidelity(lambda row: _keep(row, _renamed(row["pairs"], style="oil"))),
        "smaller pictures": _fidelity(
            lambda row: _keep(row, _renamed(row["pairs"], width_px=8, height_px=8))
        ),
        "larger than the tier": _each(
            lambda row: _keep(row, _renamed(row["pairs"], width_px=4096))
        ),
        "the best three times in every row": _each(lambda row: _keep(row, row["pairs"][-1:] * 3)),
        "a style without a hash in every row": _each(
            lambda row: _keep(row, _renamed(row["pairs"], style="oil"))
        ),
        "FP32's": lambda case: case.row("verify").update(
            {
                k: v
                for k, v in case.row("verify", precision="fp32").items()
                if k in ("pairs", "psnr_db", "ssim", "drop")
            }
        ),
        "FP32's, in their own shape": lambda case: case.row("verify").update(
            own_shape=case.row("verify", precision="fp32")["own_shape"]
        ),
        "those in their own shape dropped": _fidelity(lambda row: row.update(own_shape=None)),
        "squares told as own shapes": _fidelity(
            lambda row: row["own_shape"].update(
                pairs=row["pairs"], psnr_db=row["psnr_db"], ssim=row["ssim"]
            )
        ),
        "the best alone in its own shape": _fidelity(
            lambda row: _keep(row["own_shape"], row["own_shape"]["pairs"][-1:])
        ),
        "other scores of FP32": _fidelity(
            lambda row: row["pairs"][0].update(
                reference=row["pairs"][0]["reference"] | {"ssim_content": 0.4}
            )
        ),
    },
)


@forged(7)
def the_best_pair_alone_in_every_row_and_in_the_set(case: Case) -> None:
    for row in case["verify"]["rows"]:
        _keep(row, row["pairs"][-1:])
    case["verify"]["set"]["images"] = 1


@forged(3)
def the_best_pair_alone_in_every_row(case: Case) -> None:
    for row in case["verify"]["rows"]:
        _keep(row, row["pairs"][-1:])


@forged(7)
def other_pictures_in_every_row(case: Case) -> None:
    for row in case["verify"]["rows"]:
        _keep(row, [one | {"content": f"easy-{one['content']}"} for one in row["pairs"]])


@forged(7)
def another_evaluation_set(case: Case) -> None:
    case["verify"]["set"]["sha256"] = "9" * 64


def _pair(**values: Any) -> Callable[[Case], None]:
    """One pair with other values, and summaries that follow."""

    def forge(case: Case) -> None:
        row = case.row("verify")
        _keep(row, [row["pairs"][0] | values, *row["pairs"][1:]])

    return forge


many(
    (3,),
    "a pair",
    {
        "SSIM above 1": _pair(ssim=1.5),
        "SSIM below -1": _pair(ssim=-2.0),
        "a PSNR above the cap": _pair(psnr_db=500.0),
        "a negative PSNR": _pair(psnr_db=-3.0),
        "an SSIM that its PSNR forbids": _pair(psnr_db=75.0, ssim=0.3),
        "equal pictures of SSIM 0.98": _pair(psnr_db=100.0),
        "equal pictures with other scores": _pair(psnr_db=100.0, ssim=1.0),
        "a score without FP32's": _pair(
            scores={"ssim_content": 0.5, "style_distance": 1.0, "identity": 0.9}
        ),
        "a similarity above 1": _pair(scores={"ssim_content": 1.5, "style_distance": 1.0}),
        "a negative distance": _pair(scores={"ssim_content": 0.5, "style_distance": -1.0}),
        "no picture": _pair(width_px=0),
    },
)
many(
    (3,),
    "a summary",
    {
        "p5 the mean": _fidelity(lambda row: row["psnr_db"].update(p5=row["psnr_db"]["mean"])),
        "p5 the second worst": _fidelity(
            lambda row: row["psnr_db"].update(p5=row["pairs"][1]["psnr_db"])
        ),
        "a better mean": _fidelity(
            lambda row: row["psnr_db"].update(mean=row["psnr_db"]["mean"] + 0.01)
        ),
        "a better SSIM": _fidelity(lambda row: row["ssim"].update(mean=1.0, p5=1.0)),
        "a smaller drop": _fidelity(lambda row: row["drop"].update(ssim_content=0.0)),
        "a drop of nothing judged": _fidelity(
            lambda row: (row["drop"].update(identity=0.0), row["not_judged"].pop("identity"))
        ),
        "more images": _fidelity(lambda row: row.update(images=300)),
    },
)


@forged(5)
def a_picture_worse_than_the_floor_told_truly(case: Case) -> None:
    case.row("verify").update(fidelity([20.0, 21.0, 22.0], 0.9))


@forged(6)
def a_slow_lane_told_truly(case: Case) -> None:
    row, base = case.row("benchmark"), case.row("benchmark", precision="fp32")
    row.update(times(base["samples_ms"], [0.7, 0.71, 0.72, 0.73, 0.74]))
    row["four_thirds"] = shaped(row["samples_ms"], "d2-256px")
