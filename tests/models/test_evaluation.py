"""Judging beside peers: exact transforms, scores that are kept, comparison at equal style."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from iast_export.errors import InputError
from iast_export.metrics.equal_style import at_style
from iast_export.network.iast import IAST, NetworkConfig
from iast_export.pictures.images import Rgb
from models import evaluate
from models.evaluation.alpha import detail_regions, excess, measure, skin_region
from models.evaluation.coders import Coder, layer_plan
from models.evaluation.fast_style import FastStyle
from models.evaluation.fid import frechet_distance
from models.evaluation.gatys import Gatys
from models.evaluation.judges import Judges, Store
from models.evaluation.methods import Network, Photograph
from models.evaluation.pca_kd import PcaKd
from models.evaluation.report import Findings
from models.evaluation.run import Judged, judge, milliseconds
from models.evaluation.sample import Pair, Picture, Sample
from models.evaluation.statistics import Curve, dominates, matched, relative
from models.evaluation.transforms import AdaIn, Wct, adain, whiten_and_color
from models.perceptual import DistilledVgg

SIDE = 32


def drawn(seed: int, side: int = SIDE) -> Rgb:
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC))


def pairs(count: int = 2) -> list[Pair]:
    return [Pair(Picture(f"p{i}", drawn(i)), Picture(f"a{i}", drawn(9 + i))) for i in range(count)]


def coder(level: int) -> Coder:
    torch.manual_seed(level)
    return Coder(level, {name: 6 for name in layer_plan(level) if name != "P"})


def test_adain_gives_the_artworks_moments_exactly() -> None:
    torch.manual_seed(0)
    content, style = torch.randn(1, 5, 16, 16).double(), 3 + 2 * torch.randn(1, 5, 8, 8).double()
    moved = adain(content, style)
    torch.testing.assert_close(moved.mean((2, 3)), style.mean((2, 3)))
    deviation = style.std((2, 3), correction=0)
    torch.testing.assert_close(moved.std((2, 3), correction=0), deviation, rtol=1e-4, atol=1e-4)


def test_whitening_and_coloring_gives_the_artworks_covariance_exactly() -> None:
    torch.manual_seed(0)
    content, style = torch.randn(1, 5, 16, 16).double(), torch.randn(1, 5, 12, 12).double()
    style = torch.einsum("ij,njhw->nihw", torch.randn(5, 5).double(), style) + 2
    moved = whiten_and_color(content, style)
    cov = lambda x: torch.cov(x[0].flatten(1), correction=0)  # noqa: E731
    torch.testing.assert_close(cov(moved), cov(style), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(moved.mean((2, 3)), style.mean((2, 3)))


def methods() -> list[object]:
    torch.manual_seed(0)
    net = IAST(NetworkConfig(width=8, stem_width=8)).eval()
    return [
        Photograph(),
        AdaIn(coder(3), "x"),
        Wct([coder(level) for level in (1, 2, 3)], "x"),
        PcaKd(pca_weights(), "x"),
        FastStyle("fast-style-x", fast_weights(), "x"),
        Gatys(DistilledVgg().eval().requires_grad_(False), "x", (1.0, 10.0), iterations=2),
        Network("student-d4", net, 4, "x", (0.5, 1.0)),
    ]


def pca_weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    widths, made = (10, 19, 37, 54), {}
    full = [(0, 3, 10), (2, 10, 19), (4, 19, 37), (6, 37, 37), (8, 37, 54), (10, 54, 54)]
    for number, a, b in full:
        size = 3 if number == 0 else 1
        made[f"sencoder/se_model/layer_with_weights-{number}/kernel"] = (
            torch.randn(b, a, size, size) / a**0.5
        )
        made[f"sencoder/se_model/layer_with_weights-{number}/bias"] = torch.zeros(b)
    for number, width in ((1, 10), (3, 19), (5, 37), (7, 37), (9, 54), (11, 54)):
        made[f"sencoder/se_model/layer_with_weights-{number}/depthwise_kernel"] = (
            torch.randn(width, 1, 3, 3) / 3
        )
        made[f"sencoder/se_model/layer_with_weights-{number}/bias"] = torch.zeros(width)
    for level in range(4):
        out = 3 if level == 0 else widths[level - 1]
        into = widths[level] + (3 if level == 0 else 0)
        for number, a in ((0, into), (1, out)):
            made[f"sdecoder/btnecks/{level}/layer_with_weights-{number}/kernel"] = (
                torch.randn(out, a, 3, 3) / 20
            )
            made[f"sdecoder/btnecks/{level}/layer_with_weights-{number}/bias"] = torch.zeros(out)
    return made


def fast_weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    shapes = {"conv1": (8, 3, 9, 9), "conv2": (8, 8, 3, 3), "conv3": (8, 8, 3, 3)}
    shapes |= {f"res{i}.conv{k}": (8, 8, 3, 3) for i in range(1, 6) for k in (1, 2)}
    shapes |= {"deconv1": (8, 8, 3, 3), "deconv2": (8, 8, 3, 3), "deconv3": (3, 8, 9, 9)}
    made = {f"{k}.weight": torch.randn(v) / 10 for k, v in shapes.items()}
    made |= {f"{k}.bias": torch.zeros(v[0]) for k, v in shapes.items()}
    for name in (
        "in1",
        "in2",
        "in3",
        "in4",
        "in5",
        *(f"res{i}.in{k}" for i in range(1, 6) for k in (1, 2)),
    ):
        made |= {f"{name}.weight": torch.ones(8), f"{name}.bias": torch.zeros(8)}
    return made


@pytest.mark.parametrize("number", range(7))
def test_every_method_gives_a_picture_of_the_photographs_size_per_strength(number: int) -> None:
    method = methods()[number]
    pair = pairs(1)[0]
    found = list(method.pictures(pair.content.rgb, pair.style.rgb, method.strengths))  # type: ignore[attr-defined]
    assert [s for s, _ in found] == list(method.strengths)  # type: ignore[attr-defined]
    assert all(p.shape == (SIDE, SIDE, 3) and p.dtype == np.uint8 for _, p in found)


def test_strength_zero_of_a_transform_is_the_plain_reconstruction() -> None:
    pair = pairs(1)[0]
    for method in (AdaIn(coder(2), "x"), PcaKd(pca_weights(), "x")):
        one = dict(method.pictures(pair.content.rgb, pair.style.rgb, [0.0]))[0.0]
        two = dict(method.pictures(pair.content.rgb, drawn(77), [0.0]))[0.0]
        assert np.array_equal(one, two)


def test_gatys_comes_closer_to_its_aim_and_stays_a_picture() -> None:
    pair = pairs(1)[0]
    torch.manual_seed(0)
    vgg = DistilledVgg().eval().requires_grad_(False)
    made = dict(
        Gatys(vgg, "x", (100.0,), iterations=8).pictures(pair.content.rgb, pair.style.rgb, (100.0,))
    )

    def gram(picture: Rgb) -> torch.Tensor:
        f = vgg(torch.from_numpy(picture).permute(2, 0, 1)[None] / 255.0)["2_1"]
        return torch.einsum("nchw,ndhw->ncd", f, f)

    target = gram(pair.style.rgb)
    assert (gram(made[100.0]) - target).norm() < (gram(pair.content.rgb) - target).norm()


class Counting:
    """A method that counts its work, with a strength that blends towards the artwork."""

    name, strengths, parameters, size_multiple_px = "counting", (0.3, 1.0), 7, 1

    def __init__(self, fingerprint: str = "one") -> None:
        self.fingerprint, self.made = fingerprint, 0

    def pictures(
        self, content: Rgb, style: Rgb, strengths: Sequence[float]
    ) -> Iterator[tuple[float, Rgb]]:
        for strength in strengths:
            self.made += 1
            yield strength, cv2.addWeighted(content, 1 - strength / 2, style, strength / 2, 0.0)


def test_what_was_judged_is_read_and_another_version_is_judged_anew(tmp_path: Path) -> None:
    first, again, changed = Counting(), Counting(), Counting("two")
    one = judge(first, pairs(), [Judges()], tmp_path)
    kept = tmp_path / "counting.jsonl"
    kept.write_text(kept.read_text() + '{"cut')
    two = judge(again, pairs(), [Judges()], tmp_path)
    assert (first.made, again.made) == (4, 0) and one.scores == two.scores
    more = judge(again, pairs(3), [Judges()], tmp_path)
    assert again.made == 2 and set(more.scores[1.0]) == {"p0+a0", "p1+a1", "p2+a2"}
    judge(changed, pairs(), [Judges()], tmp_path)
    assert changed.made == 4


def test_a_score_that_is_not_finite_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="ssim is not finite"):
        Store(tmp_path, "x", "y").put(1.0, "p+a", {"ssim": float("nan")}, None)


def test_an_untouched_photograph_scores_one(tmp_path: Path) -> None:
    found = judge(Photograph(), pairs(), [Judges()], tmp_path)
    assert found.mean(0.0, "ssim") == 1.0 and (found.mean(0.0, "style") or 0) > 0
    assert found.mean(0.0, "identity") is None


def test_fid_is_zero_for_equal_sets_and_known_for_shifted_ones() -> None:
    x = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    assert frechet_distance(x, x) == pytest.approx(0.0, abs=1e-6)
    assert frechet_distance(x, x + 2) == pytest.approx(4 * 6, rel=1e-5)
    # One dimension: (mu_a - mu_b)^2 + (sigma_a - sigma_b)^2.
    assert frechet_distance(x[:, :1], 3 * x[:, :1]) == pytest.approx(
        float((2 * x[:, 0].mean()) ** 2 + (2 * x[:, 0].std(ddof=1)) ** 2), rel=1e-4
    )
    with pytest.raises(InputError, match="two pictures"):
        frechet_distance(x[:1], x)


def test_a_curve_is_read_where_it_comes_down_to_a_style_distance() -> None:
    style, score = np.array([0.2, 0.1, 0.05]), np.array([0.9, 0.5, 0.3])
    assert at_style(style, score, 0.15) == pytest.approx(0.7)
    assert at_style(style, score, 0.25) == 0.9  # already below: its weakest setting
    assert np.isnan(at_style(style, score, 0.01))


def curve_of(name: str, lift: float) -> Curve:
    rng = np.random.default_rng(0)
    noise = rng.normal(0, 0.01, (20, 1))
    style = np.array([0.2, 0.15, 0.1]) + noise
    return Curve(name, (0.2, 0.5, 1.0), style, np.array([0.8, 0.6, 0.4]) + lift + noise)


def test_a_better_curve_wins_with_its_interval_apart_and_an_equal_one_does_not() -> None:
    ours, worse, same = curve_of("ours", 0.1), curve_of("worse", 0.0), curve_of("same", 0.1)
    target, rows = matched(ours, [worse, same], worse, "ssim")
    assert target.value == pytest.approx(0.1, abs=0.01) and target.low < target.value < target.high
    gain = rows[1].gain
    assert gain is not None and gain.low > 0.05 and gain.value == pytest.approx(0.1, abs=0.02)
    assert rows[2].gain is not None and rows[2].gain.value == pytest.approx(0.0, abs=1e-9)
    assert dominates(ours, worse, "ssim") == 1.0 and dominates(worse, ours, "ssim") == 0.0
    far = Curve("far", (1.0,), worse.style[:, :1] + 1, worse.score[:, :1])
    assert matched(ours, [far], worse, "ssim")[1][1].value is None
    strong = Curve("strong", (1.0,), worse.style[:, 2:] - 0.02, worse.score[:, 2:])
    assert [row.at_weakest for row in matched(ours, [strong], worse, "ssim")[1]] == [False, True]


def judged(name: str, ssim: float) -> Judged:
    scores = {f"p{i}+a{i}": {"ssim": ssim + i / 100, "style": 0.1} for i in range(5)}
    return Judged(name, (1.0,), 10, {1.0: scores}, {})


def test_a_relative_loss_is_signed_by_what_is_better() -> None:
    lost = relative(judged("a", 0.8), judged("b", 0.72), "ssim", 1.0)
    assert lost is not None and lost.value == pytest.approx(0.08 / 0.82) and lost.low > 0
    assert relative(judged("a", 0.8), judged("b", 0.7), "identity", 1.0) is None
    assert relative(judged("a", 0.8), judged("b", 0.7), "ssim", 0.5) is None


def test_all_artworks_take_part_and_few_pairs_are_some_of_all() -> None:
    photographs = tuple(Picture(f"p{i}", drawn(i)) for i in range(8))
    sample = Sample(
        photographs, photographs[:2], tuple(Picture(f"a{i}", drawn(i)) for i in range(12))
    )
    found, few = sample.pairs(), sample.few_pairs(5)
    assert len(found) == 30 and {p.style.name for p in found} == {f"a{i}" for i in range(12)}
    assert len(few) == 5 and {p.key for p in few} <= {p.key for p in found}
    assert len({p.style.name for p in few}) > 2


def test_a_report_shows_preservation_and_style_side_by_side(tmp_path: Path) -> None:
    made = [judge(m, pairs(3), [Judges()], tmp_path) for m in (Photograph(), Counting())]
    slow = Judged("adain", (1.0,), 3, {1.0: made[1].scores[1.0]}, {})
    own = Judged("student-d4", made[1].strengths, 5, made[1].scores, {})
    facts = {
        "photographs": 3,
        "faces": 0,
        "artworks": 3,
        "pictures": 3,
        "side_px": 32,
        "artworks_for_fid": 0,
    }
    findings = Findings(facts, [*made, slow, own], {"counting": 12.0}, None, ["p0", "p1", "p2"], [])
    text, plain = findings.markdown(), json.loads(json.dumps(findings.json()))
    assert "| photograph | 0 | " in text and "| 1.000 |" in text and "12" in text
    assert "At the style distance of adain" in text and "Published mark: 0.79" in text
    assert findings.ours == "student-d4" and plain["at_equal_style"]["ssim"]["methods"]
    assert {row["method"] for row in plain["rows"]} == {
        "photograph",
        "counting",
        "adain",
        "student-d4",
    }


def test_depths_are_compared_where_they_are_as_far_from_the_style(tmp_path: Path) -> None:
    strengths = (0.35, 0.5, 0.7, 1.0)

    def depth(name: str, kept: float) -> Judged:
        scores = {
            s: {
                f"p{i}+a": {"ssim": kept - s / 2 + i / 100, "style": 0.2 - s / 10} for i in range(4)
            }
            for s in strengths
        }
        return Judged(name, strengths, 1, scores, {})

    made = [depth("student-d3", 1.0), depth("student-d1", 0.9)]
    facts = dict.fromkeys(
        ("photographs", "faces", "artworks", "pictures", "side_px", "artworks_for_fid"), 4
    )
    text = Findings(facts, made, {}, None, [f"p{i}" for i in range(4)], []).markdown()
    assert "| student-d3 | student-d1 | 0.150 | +0.100 (+0.100 to +0.100) |  |" in text
    assert text.count("| student-d3 | student-d1 |") == 3 + 1  # and a row of losses


def test_times_are_of_all_methods_in_turn() -> None:
    found = milliseconds([Photograph(), Counting()], pairs(1)[0], rounds=2)
    assert set(found) == {"photograph", "counting"} and all(v >= 0 for v in found.values())


def test_regions_and_excess_are_what_they_say() -> None:
    rgb = np.full((64, 64, 3), 128, np.uint8)
    rgb[:, 40:] = np.random.default_rng(0).integers(0, 255, (64, 24, 3), dtype=np.uint8)
    regions = detail_regions(rgb)
    assert regions["detailed"][:, 48:].mean() > 0.8 and not regions["smooth"][:, 48:].any()
    map_ = np.where(regions["detailed"], 2.0, 1.0)
    assert excess(map_, regions["detailed"]) == pytest.approx(2.0 / map_.mean() - 1.0)
    with pytest.raises(InputError, match="empty region"):
        excess(map_, np.zeros((64, 64), bool))
    angles = np.linspace(0, 2 * np.pi, 68)
    points = np.stack([32 + 20 * np.cos(angles), 32 + 20 * np.sin(angles)], 1).astype(np.float32)
    skin = skin_region(points, (64, 64))
    assert 0.05 < skin.mean() < 0.31 and not skin[0].any()


def test_strength_by_region_is_measured_over_photographs() -> None:
    torch.manual_seed(0)
    net = IAST(NetworkConfig(width=8, stem_width=8)).eval()
    some = pairs(3)
    found = measure(net, some, {p.content.name: detail_regions(p.content.rgb) for p in some})
    assert set(found) == {"detailed", "smooth"}
    assert all(i.low <= i.value <= i.high for maps in found.values() for i in maps.values())


def test_the_command_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="give the folder with content/kodak24"):
        evaluate.main(["--data", str(tmp_path), "--out", str(tmp_path), "--faces", "0"])
    with pytest.raises(SystemExit, match="is missing"):
        evaluate.main(["--data", str(tmp_path), "--out", str(tmp_path)])


def test_depths_that_the_student_has_not_and_reports_without_times_are_refused(
    tmp_path: Path,
) -> None:
    net = IAST(NetworkConfig(width=8, stem_width=8))
    assert evaluate._depths(net, None) == list(net.depths) and evaluate._depths(net, [1]) == [1]
    with pytest.raises(InputError, match=r"--depths 9\n.*depths are"):
        evaluate._depths(net, [1, 9])
    report = tmp_path / "quality.json"
    report.write_text('{"milliseconds": {"adain": 99}}')
    assert evaluate._kept_times(report) == {"adain": 99.0}
    report.write_text("{}")
    with pytest.raises(InputError, match="no milliseconds"):
        evaluate._kept_times(report)


@pytest.mark.parametrize(
    ("asked", "depths"), [(None, ["d4", "d1"]), ([1], ["d1"]), ([4, 3, 1], ["d4", "d1"])]
)
def test_lanes_of_a_bundle_are_those_of_the_depths_asked_for_or_of_both_ends(
    asked: list[int] | None, depths: list[str], small_bundle: Path
) -> None:
    names = [one.name for one in evaluate._lanes(small_bundle, asked)]
    assert names == [f"bundle-{r}-int8-{d}" for r in ("litert", "onnxruntime") for d in depths]


def test_a_bundle_without_the_depth_asked_for_is_refused(small_bundle: Path) -> None:
    with pytest.raises(InputError, match="--depths"):
        evaluate._lanes(small_bundle, [2])
