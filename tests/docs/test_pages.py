"""README, DESIGN.md and docs/: links lead somewhere, named files are there, lines are short."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import yaml

from docs.pages import ROOT, anchors, links, reachable, slug, without_code

PAGES = [path for path in reachable() if path.endswith(".md")]
OWN = ["README.md", "DESIGN.md", "CONTRIBUTING.md", "CHANGELOG.md"]
OWN += [path for path in PAGES if path.startswith("docs/")]
WRITTEN = OWN + [path for path in PAGES if path.endswith("/README.md")]  # tables come from tools
LONGEST = 100
# Words of British spelling, by their beginnings; the left one is what a page must not hold.
BRITISH = (
    "colour|behaviour|favour|honour|neighbour|labour|centre|metre|fibre|licence|defence|offence|"
    "grey|catalogue|analogue|artefact|programme|judgement|ageing|fulfil(?!l)|distils|enrol(?!l)|"
    "analys(?:e[ds]?|ing)\\b|labell|modell(?:ed|ing)|cancell(?:ed|ing)|travell|signall|whilst|"
    "learnt|spelt|(?:normal|quant|optim|recogn|initial|equal|serial|organ|minim|maxim|summar|"
    "visual|general|special|synchron|util|real|memor|token|parallel|categor)is(?:e|ed|es|er|ing|"
    "ation)\\b"
)


def read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_file_and_a_heading(page: str) -> None:
    for link in links(page, read(page)):
        assert not link.outside, f"{link.path} leaves the repository"
        assert (ROOT / link.path).is_file(), f"{link.path} is no file"
        if link.anchor:
            assert link.anchor in anchors(read(link.path)), f"{link.path} has no #{link.anchor}"


def test_the_site_lists_every_page_once() -> None:
    config = yaml.safe_load(read("mkdocs.yml"))
    assert config["strict"] is True
    assert sorted(_leaves(config["nav"])) == PAGES


def _leaves(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    for one in nav if isinstance(nav, list) else nav.values() if isinstance(nav, dict) else ():
        yield from _leaves(one)


def test_every_page_of_docs_can_be_reached_from_the_readme() -> None:
    found = {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")}
    assert found <= set(PAGES), found - set(PAGES)


@pytest.mark.parametrize("page", [page for page in OWN if page != "CHANGELOG.md"])
def test_every_module_and_file_that_is_named_exists(page: str) -> None:
    text = read(page)
    folders = "iast_export|benchmarks|models|tests|calibration|android_demo|docs|ci"
    for path in re.findall(rf"(?<![\w/.-])(?:{folders})/[\w./<>-]*[\w/>]", text):
        if "<" in path:
            continue
        assert (ROOT / path).exists() or _is_made(path), path
    for module in re.findall(r"python3? -m ((?:models|benchmarks|iast_export)[\w.]*\w)", text):
        assert find_spec(module), module
    for target in re.findall(r"`make ([a-z-]+)", text):
        assert re.search(rf"^{target}:", read("Makefile"), re.MULTILINE), target


def _is_made(path: str) -> bool:
    """Whether a tool makes it: files of bundles, and what git ignores."""
    bundle = re.match(r"models/iast(-|$)|calibration/(ranges|learned|equalization)", path)
    return bool(bundle) or path.startswith(("android_demo/.", "benchmarks/baselines/my-machine"))


def test_the_rooms_are_told_in_the_order_of_their_imports() -> None:
    tool = tomllib.loads(read("pyproject.toml"))["tool"]["importlinter"]
    (layers,) = [one["layers"] for one in tool["contracts"] if one["id"] == "layers"]
    table = re.search(r"\| rooms of .*?\n\|[- |]+\n((?:\|.*\n)+)", read("CONTRIBUTING.md"))
    assert table
    rows = [line.split("|")[1] for line in table[1].splitlines()]
    told = [sorted(re.findall(r"`(\w+)`", row)) for row in rows]
    assert told == [sorted(re.findall(r"\w+", layer)) for layer in layers]


@pytest.mark.parametrize("page", WRITTEN)
def test_lines_of_prose_are_short(page: str) -> None:
    long = [line for line in _prose(read(page)) if len(line) > LONGEST]
    assert not long


def _prose(text: str) -> Iterator[str]:
    """The lines that can be broken: no tables, no blocks of code, links without their targets."""
    code = False
    for line in text.splitlines():
        code ^= line.lstrip().startswith("```")
        if not (code or line.startswith(("|", "#", "!["))):
            yield re.sub(r"\]\([^)]*\)", "]", line)


@pytest.mark.parametrize("page", WRITTEN)
def test_spelling_is_american(page: str) -> None:
    assert re.findall(rf"\b(?:{BRITISH})\w*", without_code(read(page)), re.IGNORECASE) == []


def test_the_readme_is_read_in_five_minutes() -> None:
    assert len(read("README.md").splitlines()) <= 160


# --- the rules of docs/pages.py ------------------------------------------------------------------


def test_an_anchor_is_what_code_hosts_make_of_a_heading() -> None:
    assert slug("5. Upsampling is nearest + 5x5") == "5-upsampling-is-nearest--5x5"
    assert slug("The user's slider, a_b") == "the-users-slider-a_b"
    assert anchors("# One\n```sh\n# no heading\n```\n## Of `code` and [a link](x.md) #\n") == [
        "one",
        "of-code-and-a-link",
    ]


def test_links_are_relative_to_their_page_and_code_holds_none() -> None:
    text = "[a](../README.md#folders) ![p](sheet.jpg) [in](#here) [far](https://a.b/c) `[no](x.md)`"
    found = [(one.path, one.anchor, one.outside) for one in links("docs/ci.md", text)]
    assert found == [
        ("README.md", "folders", False),
        ("docs/sheet.jpg", "", False),
        ("docs/ci.md", "here", False),
    ]
    assert [one.outside for one in links("README.md", "[up](../other/file.md)")] == [True]


def test_a_picture_inside_a_link_is_found_with_it() -> None:
    found = {one.path for one in links("README.md", "[![p](docs/sheet.jpg)](docs/ci.md)")}
    assert "docs/ci.md" in found


def test_mkdocs_gets_the_reachable_files_in_place_of_its_own(tmp_path: Path) -> None:
    from docs import pages

    assert "docs/sheet.jpg" in reachable() and "docs/pages.py" not in reachable()
    config = {"mdx_configs": {}}
    assert pages.on_config(config)["mdx_configs"]["toc"]["slugify"] is slug
