"""Commands and code that the pages show: options exist, the network is one, budgets are read."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import click
import pytest
import torch

from docs.pages import ROOT
from iast_export.cli.main import app
from iast_export.network.adapters import load_network

PAGES = ["README.md", "CONTRIBUTING.md", "android_demo/README.md", "benchmarks/README.md"]
PAGES += sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def blocks(page: str, language: str) -> list[str]:
    found = _BLOCK.findall((ROOT / page).read_text(encoding="utf-8"))
    return [text for kind, text in found if kind == language]


def commands(page: str) -> list[str]:
    """The command lines of `iast-export` in the page's shell blocks, without comments and
    redirections."""
    lines = [line for text in blocks(page, "sh") for line in text.replace("\\\n", " ").splitlines()]
    lines = [re.sub(r"\s+[#|>].*$", "", line) for line in lines]
    start = re.compile(r"^(?:\.venv/bin/|python -m )?iast[-_]export (?=\S)")
    return [start.sub("", line) for line in lines if start.match(line)]


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)])
def test_every_command_shown_is_one(page: str) -> None:
    for line in commands(page):
        words = shlex.split(line)
        command: click.Command = app
        context = click.Context(app, info_name="iast-export")
        while isinstance(command, click.Group):
            found = command.get_command(context, words[0])
            assert found is not None, line
            command, words = found, words[1:]
        with command.make_context(command.name, _existing(words), parent=context):
            pass


def _existing(words: list[str]) -> list[str]:
    """The words with each that names a file or folder in its place, so that no check of paths
    asks for the reader's files."""
    return [str(ROOT) if re.fullmatch(r"dist/\w+|photos/|art/", one) else one for one in words]


def test_the_network_shown_is_taken_and_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code,) = blocks("docs/networks.md", "python")
    assert code.startswith("# my_net.py")
    (tmp_path / "my_net.py").write_text(code)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "my_net", raising=False)
    network = load_network("my_net:factory", None)
    codes = network.encode_style(torch.rand(1, 3, 64, 64))
    assert [tuple(code.shape) for code in codes] == list(network.code_shapes.values())
    picture = network.cut(1)(torch.rand(1, 3, 32, 48), *codes)
    assert picture.shape == (1, 3, 32, 48)
    sys.modules.pop("my_net")
