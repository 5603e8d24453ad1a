"""The library: its surface is what is listed, and each name does what its verb does."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from iast_export import library
from iast_export.compare import CompareOptions
from iast_export.errors import IastExportError, InputError, UsageError
from iast_export.library import Bundle, compare, gate
from tests.gate_cases import make_bundle

ROOT = Path(__file__).resolve().parent.parent


def test_the_surface_is_what_is_listed_and_every_name_is_told_of_on_the_page() -> None:
    own = {
        name
        for name, value in vars(library).items()
        if inspect.getmodule(value) is library and not name.startswith("_")
    }
    assert own == set(library.__all__)
    page = (ROOT / "docs" / "api.md").read_text()
    assert all(f"`{name}" in page for name in library.__all__)


@pytest.mark.parametrize("name", [*library.__all__, "Bundle.stylize", "Bundle.verify"])
def test_every_name_is_typed_and_described(name: str) -> None:
    found = library
    for part in name.split("."):
        found = getattr(found, part)
    assert inspect.getdoc(found)
    call = inspect.signature(found)
    assert all(p.annotation is not p.empty for p in call.parameters.values() if p.name != "self")


def test_a_bundle_is_judged_as_the_command_line_judges_it(tmp_path: Path) -> None:
    bundle = Bundle(make_bundle(tmp_path / "bundle"))
    assert gate(bundle).exit_code == gate(str(bundle.path)).exit_code == 7
    assert bundle.manifest.name == "small"
    assert bundle.report.verify.rows
    assert bundle.report.benchmark.rows


def test_what_is_no_bundle_says_so_when_it_is_asked(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a bundle"):
        _ = Bundle(tmp_path).manifest
    assert issubclass(InputError, IastExportError)


def test_judging_loads_no_runtime(tmp_path: Path) -> None:
    make_bundle(tmp_path / "bundle")
    code = (
        "import sys; sys.path.insert(0, '.'); from iast_export.library import gate; "
        f"gate({str(tmp_path / 'bundle')!r}); "
        "print({'cv2', 'onnxruntime', 'torch', 'ai_edge_litert'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


def test_a_bundle_draws_and_finds_its_golden_pictures_again(small_bundle: Path) -> None:
    bundle = Bundle(small_bundle)
    style = bundle.manifest.styles[0].id
    content = np.full((32, 24, 3), 90, np.uint8)
    drawn = bundle.stylize(content, style, runtime="onnxruntime", precision="fp32")
    assert drawn.shape == content.shape
    assert drawn.dtype == np.uint8
    assert all(one.passed for one in bundle.verify())
    with pytest.raises(UsageError, match="uint8"):
        bundle.stylize(content.astype(np.float32), style)
    with pytest.raises(UsageError, match="is outside 0"):
        bundle.stylize(content, style, strength=2.0)


def test_two_bundles_are_compared(small_bundle: Path) -> None:
    found = compare(Bundle(small_bundle), small_bundle, options=CompareOptions(budget_s=1.0))
    assert all(lane.same_file for lane in found.lanes)
