"""What runs where only the base is installed, and what the rest says that it needs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.gate_cases import make_bundle
from tests.gate_models import onnx_file
from tests.without_packages import run_without

RUN = ("PIL", "ai_edge_litert", "cv2", "jinja2", "matplotlib", "onnxruntime", "safetensors")
RUN += ("scipy", "simplejpeg", "skimage")
BUILD = ("ai_edge_quantizer", "litert_torch", "onnxscript", "torch")
SIGN = ("cryptography",)
RULES = "schema_version = 1\n[accuracy.int8]\nmin_psnr_mean_db = 30.0\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("lean")
    (made / "bundle").mkdir()
    make_bundle(made / "bundle")
    (made / "model.onnx").write_bytes(onnx_file(integers=False))
    (made / "rules.toml").write_text(RULES)
    return made


@pytest.mark.parametrize(
    "line",
    [
        "--help",
        "doctor --json",
        "completion bash",
        "check rules.toml",
        "inspect model.onnx",
        "gate bundle --write-baseline baseline.json",
        "gate bundle --baseline baseline.json --markdown gate.md --junit gate.xml",
    ],
)
def test_the_base_judges_and_reads(line: str, folder: Path) -> None:
    done = run_without([*RUN, *BUILD, *SIGN], line.split(), folder)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("line", "extra"),
    [
        ("stylize bundle --content a.png --style ink --out pictures", "run"),
        ("compare bundle bundle", "run"),
        ("golden bundle", "run"),
        ("evaluate bundle --contents photos --out rows", "run"),
        ("report bundle", "run"),
        ("lanes bundle", "build"),
        ("depths bundle", "build"),
        ("style list bundle", "run"),
        ("device import result.json --bundle bundle", "run"),
        ("build --out made", "build"),
        ("sign bundle --key key.pem", "sign"),
    ],
)
def test_a_verb_without_its_extra_says_which_to_install(
    line: str, extra: str, folder: Path
) -> None:
    done = run_without([*RUN, *BUILD, *SIGN], line.split(), folder)
    assert done.returncode == 2
    assert f"iast-export[{extra}]'" in done.stderr


def test_a_cluster_without_its_extra_says_which_to_install(folder: Path) -> None:
    asked = ["--contents", "photos", "--out", "rows", "--scheduler", "tcp://127.0.0.1:1"]
    done = run_without(["distributed"], ["evaluate", "bundle", *asked], folder)
    assert done.returncode == 2
    assert "iast-export[cluster]'" in done.stderr


def test_a_verb_that_builds_says_so_where_pictures_can_be_drawn(folder: Path) -> None:
    done = run_without(BUILD, ["plan", "--json"], folder)
    assert done.returncode == 2
    assert "iast-export[build]'" in done.stderr
