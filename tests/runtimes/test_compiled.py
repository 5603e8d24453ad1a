"""LiteRT's CompiledModel: the interpreter's pictures, and nothing on the terminal that nobody
asked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from iast_export.cli.main import run
from iast_export.errors import InputError, ToolError
from iast_export.lanes.golden_check import check_goldens
from iast_export.pictures.images import load_image, to_levels
from iast_export.reports.manifest import load_manifest
from iast_export.runtimes.compiled import open_compiled
from iast_export.runtimes.litert import open_litert
from iast_export.specs import RUNTIMES
from iast_export.stylize.engine import BundleEngine
from tests.gpu_driver import use_software_gpu
from tests.litert_cases import TIERS, converted, feeds, foreign, quantized

ROOT = Path(__file__).resolve().parents[2]
NAME = "litert-compiled"


@pytest.mark.parametrize(
    ("precision", "edges"),
    [
        ("fp32", "float32"),
        ("fp16", "float32"),
        ("dynamic_int8", "float32"),
        ("int8", "float32"),
        ("int8", "int8"),
    ],
)
def test_pictures_are_the_interpreters(precision: str, edges: str) -> None:
    network, fp32, _ = converted()
    data = (fp32 if precision == "fp32" else quantized(precision, edges)[0]).read_bytes()
    for tier in TIERS:
        compiled = open_compiled(data, tier.signature)
        interpreted = open_litert(data, tier.signature)
        assert compiled.input_names == interpreted.input_names
        for seed in (1, 2):  # its buffers are made once
            fed = feeds(network, tier.max_side_px, seed)
            wanted = to_levels(interpreted.run(fed)["stylized"]).astype(int)
            assert np.abs(to_levels(compiled.run(fed)["stylized"]) - wanted).max() <= 1


def test_a_file_of_one_signature_needs_no_name_and_others_are_listed() -> None:
    network, path, _ = foreign()
    drawn = open_compiled(path.read_bytes(), threads=2).run(feeds(network, 32))["stylized"]
    assert drawn.shape == (1, 3, 32, 32)
    for unknown in (None, "d9_9px"):
        with pytest.raises(InputError, match="choose one of d2_32px, d1_48px"):
            open_compiled(converted()[1].read_bytes(), unknown)


def test_damaged_files_and_wrong_shapes_are_refused() -> None:
    network, path, _ = foreign()
    with pytest.raises(InputError, match="truncated or damaged"):
        open_compiled(path.read_bytes()[:500], where="half a file")
    with pytest.raises(InputError, match=r"the signature takes \(1, 32, 32, 3\)"):
        open_compiled(path.read_bytes()).run(feeds(network, 40))


def test_what_litert_refuses_is_a_failed_tool(monkeypatch: pytest.MonkeyPatch) -> None:
    from ai_edge_litert import compiled_model

    network, path, _ = foreign()
    session = open_compiled(path.read_bytes())

    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no such kernel")

    monkeypatch.setattr(compiled_model.CompiledModel, "from_buffer", refuse)
    with pytest.raises(ToolError, match="can't load a file: no such kernel"):
        open_compiled(path.read_bytes(), where="a file")
    monkeypatch.setattr(compiled_model.CompiledModel, "run_by_name", refuse)
    with pytest.raises(ToolError, match="CompiledModel failed: no such kernel"):
        session.run(feeds(network, 32))


def test_nothing_is_said_that_nobody_asked(tmp_path: Path) -> None:
    code = (
        "import numpy as np, sys\n"
        "from pathlib import Path\n"
        "from iast_export.runtimes.compiled import open_compiled\n"
        f"session = open_compiled(Path({str(foreign()[1])!r}).read_bytes())\n"
        "fed = {n: np.zeros(d['shape'], np.float32) for n, d in session._inputs.items()}\n"
        "fed['content'] = fed['content'].transpose(0, 3, 1, 2)\n"
        "print(sorted(session.run(fed)), 'mine', file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"['stylized'] mine\n")


def test_a_bundle_is_drawn_by_it_and_its_golden_pictures_are_met(small_bundle: Path) -> None:
    manifest = load_manifest(small_bundle)
    found = check_goldens(small_bundle, "cpu", runtime=NAME)
    assert len(found) == 4 and all(one.passed for one in found)
    content = load_image(small_bundle / manifest.golden[0].content)
    own, other = (BundleEngine(small_bundle, name, "int8") for name in (NAME, "litert"))
    codes = own.style_codes(manifest.styles[0].id)[1]
    drawn, wanted = (one.stylize(content, codes)[0].astype(int) for one in (own, other))
    assert np.abs(drawn - wanted).max() <= 1
    assert not any(one.padding_fault(content, "refuse") for one in (own, other))


def test_it_drives_the_gpu_too(small_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_software_gpu(monkeypatch)
    found = check_goldens(small_bundle, "gpu", ["d4-32px"], runtime=NAME)
    assert {one.precision for one in found} == {"fp32", "fp16", "int8"}
    assert all(one.passed and one.accelerator == "gpu" for one in found)


def test_it_is_named_wherever_a_user_names_a_runtime(
    small_bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = load_manifest(small_bundle)
    content, style = small_bundle / manifest.golden[0].content, manifest.styles[0].id
    assert run(["golden", str(small_bundle), "--runtime", NAME, "--tier", "d4-32px"]) == 0
    assert "CompiledModel on the CPU" in capsys.readouterr().out
    given = ["--content", str(content), "--style", style, "--out", str(tmp_path), "--json"]
    assert run(["stylize", str(small_bundle), *given, "--runtime", NAME]) == 0
    assert [one["runtime"] for one in json.loads(capsys.readouterr().out)] == [NAME]
    assert run(["stylize", str(small_bundle), *given, "--runtime", "tensorrt"]) == 2
    assert NAME in capsys.readouterr().err
    assert all(entry.runtime in RUNTIMES for entry in manifest.files)
