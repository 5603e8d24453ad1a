"""Codes moved towards a kind of art or one artwork: from nothing, downhill, for their checkpoint
alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor

from iast_export.errors import InputError
from iast_export.files.artifacts import sha256_file
from iast_export.network.checkpoint import save_checkpoint
from iast_export.network.iast import IAST
from iast_export.pictures.images import Rgb
from models.evaluation.statistics import Curve
from models.styles import __main__ as command
from models.styles import kit as kits
from models.styles import optimize as optimizing
from models.styles.adapter import KindAdapter, adapted_code, files_of, load_adapters, save_adapters
from models.styles.kit import VGG, Kit, crops_of, read_vgg
from models.styles.measure import STRENGTHS, SampleCounts, gain, measure
from models.styles.optimize import (
    Effort,
    FreeCode,
    FrozenNet,
    batch_of,
    fell,
    judging_recipe,
    optimize,
    refined_code,
    trained_adapter,
)
from models.styles.report import markdown
from models.styles.verbs import save_code
from tests.conftest import CARD
from tests.tiny_networks import tiny_iast
from tests.training_cases import RECIPES, tiny, vgg

SHA = "ab" * 32
_SIDE = 64
_FOLDERS = ("content/bsds500", "content/kodak24", "style/oil", "style/cartoon")


def drawn(seed: int, side: int = _SIDE) -> Rgb:
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 6, 3), dtype=np.uint8)
    return np.asarray(cv2.resize(coarse, (side, side), interpolation=cv2.INTER_CUBIC))


def as_tensor(rgb: Rgb) -> Tensor:
    return torch.from_numpy(rgb).permute(2, 0, 1)[None].float().div(255.0)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """What `--data` wants: pictures of two kinds, two of each unseen, and the perceptual
    weights."""
    for n, folder in enumerate(_FOLDERS):
        (tmp_path / "images" / folder).mkdir(parents=True)
        for i in (1, 2, 8, 16):
            path = tmp_path / "images" / folder / f"x_{i:04d}.jpg"
            cv2.imwrite(str(path), drawn(20 * n + i))
    (tmp_path / VGG).parent.mkdir(parents=True)
    torch.save(vgg().state_dict(), tmp_path / VGG)
    save_checkpoint(tiny_iast(), tmp_path / "tiny.safetensors", CARD)
    return tmp_path


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Crops of 32 px and artworks of 64 px, so that a step takes milliseconds."""
    text = (RECIPES / "iast.toml").read_text().replace("crop_px = 128", "crop_px = 32")
    (tmp_path / "small.toml").write_text(text)
    monkeypatch.setattr(kits, "RECIPE", tmp_path / "small.toml")
    monkeypatch.setattr(optimizing, "ENCODER_SIDE_PX", _SIDE)
    monkeypatch.setenv("CI", "1")


def kit_of(data: Path) -> Kit:
    return Kit.load(data / "tiny.safetensors", data / VGG, kits.training_crops(data / "images"))


def test_an_adapter_begins_as_the_shared_encoder() -> None:
    net = tiny_iast()
    picture = as_tensor(drawn(1))
    adapter = KindAdapter.of(net)
    with torch.no_grad():
        adapter.look_at(torch.rand(3, net.style_encoder.hidden.in_features))
        torch.testing.assert_close(
            adapted_code(net, adapter, picture), net.encode_style(picture)[0]
        )
    torch.testing.assert_close(adapted_code(net, None, picture), net.encode_style(picture)[0])


def test_the_loss_of_a_code_falls_and_the_network_stays() -> None:
    net, recipe = tiny_iast(), tiny(judging_recipe(RECIPES / "iast.toml"))
    before = {k: v.clone() for k, v in net.state_dict().items()}
    content, artwork = torch.cat([as_tensor(drawn(i, 32)) for i in (1, 2)]), as_tensor(drawn(3, 32))
    source = FreeCode(net.encode_style(artwork)[0])
    batch = replace(batch_of(content, artwork, np.random.default_rng(0)), strength=torch.ones(2, 1))
    module = FrozenNet(net, source, lambda style: source.code.expand(2, -1))
    losses = optimize(
        module, lambda rng: batch, recipe, vgg(), Effort(steps=20, learning_rate=0.05)
    )
    assert len(losses) == 20
    assert np.mean(losses[-5:]) < 0.98 * np.mean(losses[:5])
    assert all(torch.equal(v, before[k]) for k, v in net.state_dict().items())
    assert fell(losses).startswith(f"{np.mean(losses[:2]):.3f} to ")


@pytest.mark.usefixtures("small")
def test_an_adapter_learns_from_the_kinds_training_artworks_alone(data: Path) -> None:
    kit = kit_of(data)
    files = files_of(data / "images", "oil")
    assert [p.stem for p in files.training] == ["x_0001", "x_0002"]
    assert [p.stem for p in files.unseen] == ["x_0008", "x_0016"]
    adapter, losses = trained_adapter(
        kit.net, files, kit.contents, kit.recipe, kit.vgg, Effort(steps=3, batch=2)
    )
    assert len(losses) == 3 and adapter.up.weight.abs().sum() > 0 and not adapter.training
    again, same = trained_adapter(
        kit.net, files, kit.contents, kit.recipe, kit.vgg, Effort(steps=3, batch=2)
    )
    assert same == losses and torch.equal(again.up.weight, adapter.up.weight)


def test_a_kind_held_out_whole_is_divided(data: Path) -> None:
    files = files_of(data / "images", "cartoon")
    assert [p.stem for p in files.unseen] == ["x_0001", "x_0016"]
    assert [p.stem for p in files.training] == ["x_0002", "x_0008"]


def test_kinds_and_folders_that_cannot_serve_are_refused(data: Path) -> None:
    with pytest.raises(InputError, match="choose one of them"):
        files_of(data / "images", "ink-wash")
    with pytest.raises(InputError, match="give the folder that holds style/"):
        files_of(data / "images", "japanese")
    with pytest.raises(InputError, match="images/content and images/style"):
        kits.training_crops(data / "nowhere")


def test_an_optimization_stops_at_its_time_limit() -> None:
    net, recipe = tiny_iast(), tiny(judging_recipe(RECIPES / "iast.toml"))
    store = crops_of(None)
    store.crop_px = 32
    code, losses = refined_code(
        net, as_tensor(drawn(3)), store, recipe, vgg(), Effort(steps=10**6, batch=2, limit_s=0.5)
    )
    assert 1 <= len(losses) < 1000 and code.shape == net.code_shapes["style_code"]


def test_a_loss_that_is_not_finite_is_refused() -> None:
    net, recipe = tiny_iast(), tiny(judging_recipe(RECIPES / "iast.toml"))
    source = FreeCode(torch.full((1, net.config.code_size), torch.nan))
    content = torch.rand(2, 3, 32, 32)
    module = FrozenNet(net, source, lambda style: source.code.expand(2, -1))
    with pytest.raises(InputError, match="check the pictures and the checkpoint"):
        optimize(
            module,
            lambda rng: batch_of(content, content[:1], rng),
            recipe,
            vgg(),
            Effort(steps=1),
        )


def random_adapters(net: IAST) -> dict[str, KindAdapter]:
    torch.manual_seed(3)
    made = {kind: KindAdapter.of(net) for kind in ("oil", "cartoon")}
    for adapter in made.values():
        torch.nn.init.normal_(adapter.up.weight, std=0.1)
    return made


def test_adapters_survive_their_file(tmp_path: Path) -> None:
    net = tiny_iast()
    made, path = random_adapters(net), tmp_path / "a.safetensors"
    save_adapters(path, made, SHA)
    found = load_adapters(path, net, SHA)
    assert set(found) == set(made)
    picture = as_tensor(drawn(4))
    for kind, adapter in made.items():
        with torch.no_grad():
            first, second = (adapted_code(net, a, picture) for a in (adapter, found[kind]))
        torch.testing.assert_close(first, second, rtol=1e-2, atol=1e-3)  # half floats


def test_adapters_of_another_checkpoint_or_none_are_refused(tmp_path: Path) -> None:
    net, path = tiny_iast(), tmp_path / "a.safetensors"
    with pytest.raises(InputError, match=r"models\.styles adapt"):
        load_adapters(path, net, SHA)
    save_adapters(path, random_adapters(net), SHA)
    with pytest.raises(InputError, match="another checkpoint"):
        load_adapters(path, net, "cd" * 32)
    path.write_bytes(b"no tensors")
    with pytest.raises(InputError, match=r"models\.styles adapt"):
        load_adapters(path, net, SHA)


def test_a_missing_or_foreign_perceptual_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"give 5SE\.pt"):
        read_vgg(tmp_path / "5SE.pt")
    (tmp_path / "5SE.pt").write_bytes(b"no weights")
    with pytest.raises(InputError, match=r"give 5SE\.pt"):
        read_vgg(tmp_path / "5SE.pt")
    torch.save({"conv": torch.zeros(1)}, tmp_path / "5SE.pt")
    with pytest.raises(InputError, match=r"give 5SE\.pt"):
        read_vgg(tmp_path / "5SE.pt")


def curve(style: list[float], ssim: list[float], rows: int = 3) -> Curve:
    """The same curve for every artwork, from strength 0.5 to 1, a little apart."""
    apart = 0.001 * np.arange(rows)[:, None]
    return Curve("own", STRENGTHS, np.asarray(style) + apart, np.asarray(ssim) + 0 * apart)


def test_closer_at_the_cost_of_detail_is_no_gain() -> None:
    shared = curve([0.5, 0.4, 0.3], [0.9, 0.8, 0.7])
    further_along = gain("oil", shared, curve([0.4, 0.3, 0.2], [0.8, 0.7, 0.6]))
    assert further_along.closer.low > 0 and not further_along.gains
    better = gain("oil", shared, curve([0.4, 0.3, 0.2], [0.9, 0.8, 0.7]))
    assert better.gains and better.kept is not None and better.kept.value == pytest.approx(0.1)
    worse = gain("oil", shared, curve([0.6, 0.55, 0.5], [0.9, 0.8, 0.7]))
    assert worse.kept is None and not worse.gains and worse.closer.high < 0


@pytest.mark.usefixtures("small")
def test_the_measurement_compares_the_same_artworks(data: Path) -> None:
    kit = kit_of(data)
    found = measure(
        kit,
        data / "images",
        random_adapters(kit.net),
        SampleCounts(2, 2, 1),
        Effort(steps=2, batch=2),
    )
    assert [(g.code, g.kind, g.artworks) for g in found.gains] == [
        ("adapter", "oil", 2),
        ("adapter", "cartoon", 2),
        ("adapter", "all kinds", 4),
        ("refined", "oil", 2),
        ("refined", "cartoon", 2),
        ("refined", "all kinds", 4),
    ]
    first, second = (next(g for g in found.gains if g.code == c) for c in ("adapter", "refined"))
    assert first.style[0] == second.style[0] and first.style[1] != first.style[0]
    assert first.closer.value == pytest.approx(first.style[0] - first.style[1])
    assert "| adapter | oil | 2 |" in markdown(found, {"adapter": 2, "refined": 2})
    with pytest.raises(InputError, match="at least 2 artworks"):
        measure(kit, data / "images", {}, SampleCounts(1, 1, 1), Effort())


@pytest.mark.usefixtures("small")
def test_the_commands_from_pictures_to_a_report(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapters, out = data / "adapters.safetensors", data / "out"
    common = ["--data", str(data), "--checkpoint", str(data / "tiny.safetensors"), "--steps", "2"]
    command.main(["adapt", *common, "--out", str(adapters), "--kinds", "oil", "cartoon"])
    assert "cartoon: loss" in capsys.readouterr().out
    few = ["--artworks", "2", "--refined", "2", "--photographs", "1", "--refine-steps", "2"]
    command.main(["measure", *common, "--adapters", str(adapters), "--out", str(out), *few])
    sha256 = sha256_file(data / "tiny.safetensors")
    assert (out / "styles.md").read_text() in capsys.readouterr().out
    told = json.loads((out / "styles.json").read_text())
    assert told["checkpoint_sha256"] == sha256
    assert {row["code"] for row in told["gains"]} == {"adapter", "refined"}


@pytest.mark.usefixtures("small")
def test_a_refined_code_names_its_checkpoint(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from safetensors import safe_open

    out = data / "code.safetensors"
    words = [
        "--checkpoint",
        str(data / "tiny.safetensors"),
        "--vgg",
        str(data / VGG),
        "--steps",
        "2",
    ]
    words += ["--photographs", str(data / "images" / "content" / "bsds500")]
    command.main(
        ["refine", "--image", str(data / "images/style/oil/x_0008.jpg"), "--out", str(out), *words]
    )
    assert "style distance" in capsys.readouterr().out
    with safe_open(out, "pt") as tensors:
        found = tensors.metadata()
        assert found["checkpoint_sha256"] == sha256_file(data / "tiny.safetensors")
        assert set(found) == {"checkpoint_sha256", "content_sha256"}
        assert tensors.get_tensor("style_code").shape == tiny_iast().code_shapes["style_code"]
    for wrong in (data / "absent.jpg", data / "tiny.safetensors"):
        with pytest.raises(SystemExit, match="→"):
            command.main(["refine", "--image", str(wrong), "--out", str(out), *words])


def test_a_saved_code_is_one_that_a_bundle_takes(bundle_copy: Path, tmp_path: Path) -> None:
    from iast_export.reports.manifest import load_manifest
    from iast_export.stylize.style_add import read_code

    manifest, path = load_manifest(bundle_copy), tmp_path / "code.safetensors"
    assert manifest.source.checkpoint_sha256 is not None
    code = torch.rand(manifest.network.code_shapes["style_code"])
    save_code(path, code, manifest.source.checkpoint_sha256)
    found, checked = read_code(path, manifest)
    np.testing.assert_array_equal(found["style_code"], code.numpy())
    assert checked
