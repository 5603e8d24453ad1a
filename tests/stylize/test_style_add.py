"""A style added to a bundle from one picture: usable at once, whole or not there, refused with a
remedy."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save as save_torch

from iast_export.build.pipeline import Build, Request, run_stages
from iast_export.cli.main import run
from iast_export.errors import InputError, UsageError
from iast_export.files.artifacts import sha256_file
from iast_export.gate.integrity import check_files
from iast_export.pictures.images import load_image, save_png
from iast_export.reports.base import MANIFEST_NAME
from iast_export.reports.manifest import load_manifest
from iast_export.stylize import style_add
from iast_export.stylize.engine import BundleEngine
from iast_export.stylize.style_add import (
    Added,
    NewStyle,
    add_style,
    list_styles,
    read_code,
    remove_style,
)

NEW = NewStyle("harbor", "oil", "Harbor at noon", "CC0", "a museum")


@pytest.fixture
def artwork(tmp_path: Path) -> Path:
    """Stripes in strong colors, larger than the encoder's side and not square."""
    y, x = np.mgrid[0:300, 0:400]
    rgb = np.stack([(x // 9 % 2) * 255, (y // 7 % 2) * 180, np.full_like(x, 40)], 2).astype(
        np.uint8
    )
    path = tmp_path / "art.png"
    save_png(path, rgb)
    return path


def added(folder: Path, artwork: Path, new: NewStyle = NEW, **options: bool) -> Added:
    return add_style(folder, new, artwork, **options)


def code_file(path: Path, folder: Path, **changes: object) -> Path:
    """A code of the bundle's checkpoint, or of what `changes` says."""
    manifest = load_manifest(folder)
    code = np.zeros(manifest.network.code_shapes["style_code"], np.float32)
    tensors = {"style_code": changes.get("code", code)}
    made_for = str(changes.get("checkpoint", manifest.source.checkpoint_sha256))
    save_file(tensors, path, {"checkpoint_sha256": made_for})  # type: ignore[arg-type]
    return path


def assert_whole(folder: Path) -> None:
    """Every file that the manifest lists is there and unaltered, and nothing else lies among the
    styles."""
    manifest = load_manifest(folder)
    assert all(check.outcome == "pass" for check in check_files(folder, manifest)[0])
    listed = {p for p in manifest.hashes() if p.startswith("styles/")}
    assert {p.relative_to(folder).as_posix() for p in (folder / "styles").iterdir()} == listed


def test_an_added_style_is_whole_and_looks_like_no_other(bundle_copy: Path, artwork: Path) -> None:
    others = load_manifest(bundle_copy).styles
    made = added(bundle_copy, artwork)
    assert list_styles(bundle_copy) == (*others, made.entry)
    entry = made.entry
    assert (entry.title, entry.licence, entry.source) == ("Harbor at noon", "CC0", "a museum")
    assert_whole(bundle_copy)
    thumbnail = load_image(bundle_copy / str(entry.thumbnail))
    assert thumbnail.shape == load_image(bundle_copy / str(others[0].thumbnail)).shape
    engine = BundleEngine(bundle_copy, "litert", "int8")
    picture = load_image(artwork)[:20, :31].copy()
    drawn = [engine.stylize(picture, engine.style_codes(s.id)[1])[0] for s in (*others, entry)]
    assert len({image.tobytes() for image in drawn}) == len(drawn)


def test_the_encoder_and_the_style_file_agree(bundle_copy: Path, artwork: Path) -> None:
    added(bundle_copy, artwork)
    engine = BundleEngine(bundle_copy, "onnxruntime", "fp32")
    stored, encoded = (engine.style_codes(s)[1]["style_code"] for s in ("harbor", str(artwork)))
    np.testing.assert_array_equal(stored, encoded)


def test_a_golden_picture_comes_out_again_after_adding(bundle_copy: Path, artwork: Path) -> None:
    added(bundle_copy, artwork)
    golden = load_manifest(bundle_copy).golden[0]
    engine = BundleEngine(bundle_copy, "litert", "int8")
    _, codes = engine.style_codes(golden.style)
    image, _ = engine.stylize(load_image(bundle_copy / golden.content), codes, golden.strength)
    wanted = load_image(bundle_copy / golden.outputs["litert-int8"])
    assert np.abs(image.astype(int) - wanted).max() <= golden.tolerance_levels["litert"]


def test_an_id_is_taken_once_and_replaced_only_on_request(bundle_copy: Path, artwork: Path) -> None:
    first = added(bundle_copy, artwork)
    with pytest.raises(UsageError, match="--replace"):
        added(bundle_copy, artwork)
    save_png(artwork, load_image(artwork)[:, ::-1, ::-1].copy())
    second = added(bundle_copy, artwork, replace=True)
    assert second.replaced and not first.replaced
    assert second.entry.sha256 != first.entry.sha256
    assert [s.id for s in list_styles(bundle_copy)].count("harbor") == 1
    assert_whole(bundle_copy)
    assert added(bundle_copy, artwork, replace=True).entry == second.entry
    assert_whole(bundle_copy)


def test_larger_strokes_are_those_of_the_middle(bundle_copy: Path, tmp_path: Path) -> None:
    picture = np.random.default_rng(3).integers(0, 255, (160, 200, 3), np.uint8)
    save_png(tmp_path / "whole.png", picture)
    save_png(tmp_path / "middle.png", picture[40:120, 60:140].copy())
    larger = added(bundle_copy, tmp_path / "whole.png", strokes=2.0)
    middle = added(bundle_copy, tmp_path / "middle.png", replace=True)
    assert larger.entry.sha256 == middle.entry.sha256
    assert added(bundle_copy, tmp_path / "whole.png", replace=True).entry.sha256 != (
        middle.entry.sha256
    )


@pytest.mark.parametrize("strokes", [0.5, 4.1])
def test_strokes_beyond_what_is_kept_of_an_artwork_are_refused(
    bundle_copy: Path, artwork: Path, strokes: float
) -> None:
    with pytest.raises(UsageError, match=r"outside 1\.\.4"):
        added(bundle_copy, artwork, strokes=strokes)


def test_too_few_pixels_for_larger_strokes_are_refused(bundle_copy: Path, tmp_path: Path) -> None:
    save_png(tmp_path / "small.png", np.zeros((100, 120, 3), np.uint8))
    with pytest.raises(InputError, match=r"120x100 px: strokes 2 times larger leave 50 px"):
        added(bundle_copy, tmp_path / "small.png", strokes=2.0)
    with pytest.raises(UsageError, match="beside --code"):
        added(bundle_copy, tmp_path / "small.png", strokes=2.0, code=tmp_path / "c.safetensors")


def test_captions_are_listed_and_must_be_lines(bundle_copy: Path, artwork: Path) -> None:
    told = NewStyle("harbor", "oil", captions=("boats at noon", "calm water"))
    assert added(bundle_copy, artwork, told).entry.captions == ("boats at noon", "calm water")
    with pytest.raises(UsageError, match="--caption"):
        added(bundle_copy, artwork, NewStyle("other", "oil", captions=("two\nlines",)))


def test_the_style_of_the_goldens_stays(bundle_copy: Path, artwork: Path) -> None:
    golden = load_manifest(bundle_copy).golden[0].style
    with pytest.raises(UsageError, match="golden pictures"):
        added(bundle_copy, artwork, NewStyle(golden, "oil"), replace=True)
    with pytest.raises(UsageError, match="golden pictures"):
        remove_style(bundle_copy, golden)
    assert_whole(bundle_copy)


def test_a_style_can_be_taken_out_again(bundle_copy: Path, artwork: Path) -> None:
    before = sha256_file(bundle_copy / MANIFEST_NAME)
    added(bundle_copy, artwork)
    assert remove_style(bundle_copy, "harbor").id == "harbor"
    assert sha256_file(bundle_copy / MANIFEST_NAME) == before
    assert_whole(bundle_copy)
    with pytest.raises(UsageError, match="styles: "):
        remove_style(bundle_copy, "harbor")


@pytest.mark.parametrize(
    ("new", "remedy"),
    [
        (NewStyle("My Style", "oil"), "use 'my-style'"),
        (NewStyle("../escape", "oil"), "lower-case"),
        (NewStyle("", "oil"), "lower-case"),
        (NewStyle("fine", "Oil Paint"), "use 'oil-paint'"),
        (NewStyle("a" * 300, "oil"), "64 at most"),
        (NewStyle("fine", "oil", title="caf\udce9"), "UTF-8 text is needed"),
        (NewStyle("fine", "oil", licence="a\x1b[31m"), "control characters"),
        (NewStyle("fine", "oil", source="a\nb"), "one line"),
    ],
)
def test_words_that_cannot_be_ids_are_refused(
    bundle_copy: Path, artwork: Path, new: NewStyle, remedy: str
) -> None:
    with pytest.raises(UsageError, match=remedy):
        added(bundle_copy, artwork, new)


def test_an_unreadable_picture_leaves_the_bundle_as_it_was(
    bundle_copy: Path, tmp_path: Path
) -> None:
    before = sha256_file(bundle_copy / MANIFEST_NAME)
    (tmp_path / "bad.png").write_bytes(b"no picture")
    for path in (tmp_path / "bad.png", tmp_path / "absent.png"):
        with pytest.raises(InputError):
            added(bundle_copy, path)
    assert sha256_file(bundle_copy / MANIFEST_NAME) == before
    assert_whole(bundle_copy)


@pytest.mark.parametrize(
    "part", ["models/tiny-int8.tflite", "models/tiny-style-encoder-fp32.onnx", "style"]
)
def test_an_altered_bundle_takes_no_style(bundle_copy: Path, artwork: Path, part: str) -> None:
    path = bundle_copy / (load_manifest(bundle_copy).styles[0].path if part == "style" else part)
    path.write_bytes(path.read_bytes() + b"x")
    with pytest.raises(InputError, match="was altered"):
        added(bundle_copy, artwork)


def test_a_bundle_without_a_style_encoder_wants_a_code(
    bundle_copy: Path, artwork: Path, tmp_path: Path
) -> None:
    path = bundle_copy / MANIFEST_NAME
    raw = json.loads(path.read_text())
    gone = {f["path"] for f in raw["files"] if f["role"] == "style_encoder"}
    raw["files"] = [f for f in raw["files"] if f["path"] not in gone]
    raw["io"] = [e for e in raw["io"] if e["path"] not in gone]
    path.write_text(json.dumps(raw))
    with pytest.raises(InputError, match="give --code FILE"):
        added(bundle_copy, artwork)
    code = code_file(tmp_path / "code.safetensors", bundle_copy)
    made = add_style(bundle_copy, NEW, artwork, code=code)
    assert made.entry.id == "harbor" and "carries no checksum" in made.note


def test_a_code_that_is_not_finite_is_refused(
    bundle_copy: Path, artwork: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(engine: BundleEngine, rgb: np.ndarray) -> dict[str, np.ndarray]:
        return {"style_code": np.full(engine.code_shapes["style_code"], np.nan, np.float32)}

    monkeypatch.setattr(BundleEngine, "encode", broken)
    with pytest.raises(InputError, match="not finite"):
        added(bundle_copy, artwork)
    assert_whole(bundle_copy)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"checkpoint": "0" * 64}, "another checkpoint"),
        ({"code": np.zeros((1, 3), np.float32)}, "is needed"),
        ({"code": np.full((1, 96), np.inf, np.float32)}, "not finite"),
    ],
)
def test_a_refined_code_must_be_of_the_bundles_checkpoint(
    bundle_copy: Path, artwork: Path, tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    code = code_file(tmp_path / "code.safetensors", bundle_copy, **changes)
    with pytest.raises(InputError, match=message):
        add_style(bundle_copy, NEW, artwork, code=code)
    code.write_bytes(b"no tensors")
    with pytest.raises(InputError, match=r"models\.styles refine"):
        add_style(bundle_copy, NEW, artwork, code=code)


@pytest.mark.parametrize("kind", ["F16", "BF16", "F8_E4M3", "F64", "I32"])
def test_a_code_of_16_bits_is_taken_exactly_and_another_type_is_named(
    bundle_copy: Path, tmp_path: Path, kind: str
) -> None:
    manifest = load_manifest(bundle_copy)
    shape = manifest.network.code_shapes["style_code"]
    types = {
        "F16": torch.float16,
        "BF16": torch.bfloat16,
        "F8_E4M3": torch.float8_e4m3fn,
        "F64": torch.float64,
        "I32": torch.int32,
    }
    code = torch.linspace(-2, 2, shape[1]).reshape(shape).to(types[kind])
    path = tmp_path / "code.safetensors"
    path.write_bytes(
        save_torch(
            {"style_code": code}, {"checkpoint_sha256": str(manifest.source.checkpoint_sha256)}
        )
    )
    if kind not in ("F16", "BF16"):
        with pytest.raises(InputError, match=rf"style_code is of type {kind}, F32, F16 or BF16"):
            read_code(path, manifest)
        return
    codes, checked = read_code(path, manifest)
    assert not checked and codes["style_code"].dtype == np.float32
    np.testing.assert_array_equal(codes["style_code"], code.float().numpy())


def test_a_code_of_another_kind_of_file_is_named(bundle_copy: Path, tmp_path: Path) -> None:
    path, manifest = tmp_path / "code.safetensors", load_manifest(bundle_copy)
    path.write_bytes(b"<!DOCTYPE html><html>")
    with pytest.raises(InputError, match="is a web page, a safetensors file is needed"):
        read_code(path, manifest)


def test_a_failure_before_the_manifest_loses_nothing(
    bundle_copy: Path, artwork: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added(bundle_copy, artwork)
    before = load_manifest(bundle_copy)
    write = style_add.write_atomic

    def fails(path: Path, data: bytes) -> None:
        if path.name == MANIFEST_NAME:
            raise OSError("no space left")
        write(path, data)

    save_png(artwork, load_image(artwork)[:, ::-1, ::-1].copy())
    with monkeypatch.context() as patched:
        patched.setattr(style_add, "write_atomic", fails)
        with pytest.raises(OSError, match="no space"):
            added(bundle_copy, artwork, replace=True)
    assert load_manifest(bundle_copy) == before
    assert all(check.outcome == "pass" for check in check_files(bundle_copy, before)[0])
    assert added(bundle_copy, artwork, replace=True).replaced
    assert_whole(bundle_copy)


def test_a_change_by_another_process_is_not_overwritten(
    bundle_copy: Path, artwork: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = style_add._drawn

    def meanwhile(engine: BundleEngine, codes: dict[str, np.ndarray]) -> object:
        monkeypatch.setattr(style_add, "_drawn", draw)
        added(bundle_copy, artwork, NewStyle("other", "oil"))
        return draw(engine, codes)

    monkeypatch.setattr(style_add, "_drawn", meanwhile)
    with pytest.raises(InputError, match="changed meanwhile"):
        added(bundle_copy, artwork)
    assert "other" in {s.id for s in list_styles(bundle_copy)}


def test_a_second_build_keeps_an_added_style(
    small_request: Request, bundle_copy: Path, artwork: Path
) -> None:
    request = Request(
        bundle_copy,
        small_request.recipe,
        checkpoint=small_request.checkpoint,
        styles=small_request.styles,
    )
    assert not any(r.ran for r in run_stages(Build(request)))
    added(bundle_copy, artwork)
    assert not any(r.ran for r in run_stages(Build(request)))
    assert "harbor" in {s.id for s in list_styles(bundle_copy)}


def test_the_command_line_adds_lists_and_removes(
    bundle_copy: Path, artwork: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--name", "harbor", "--category", "oil", "--licence", "CC0"]
    assert run(["style", "add", str(bundle_copy), str(artwork), *words, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["licence"] == "CC0" and 0 <= made["style_distance"] <= 1
    assert run(["style", "add", str(bundle_copy), str(artwork), *words]) == 2
    assert run(["style", "add", str(tmp_path), str(artwork), *words]) == 3
    capsys.readouterr()
    assert run(["style", "list", str(bundle_copy), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[-1]["id"] == "harbor"
    assert run(["style", "list", str(bundle_copy)]) == 0
    assert "not given" in capsys.readouterr().out
    out = ["--out", str(tmp_path / "out"), "--json"]
    assert (
        run(
            [
                "stylize",
                str(bundle_copy),
                "--content",
                str(artwork),
                "--style",
                "harbor",
                "--scale-down",
                *out,
            ]
        )
        == 0
    )
    assert run(["style", "remove", str(bundle_copy), "harbor"]) == 0
    assert run(["style", "remove", str(bundle_copy), "harbor"]) == 2
