"""The pages of the site: the repository's own Markdown in its place, and the files it links to.

mkdocs loads this file as a hook (mkdocs.yml). The same rules, without mkdocs, are what
tests/docs/test_pages.py checks links with: a link that works on a code host works on the site.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
START = "README.md"

_FENCE = re.compile(r"^ {0,3}(```|~~~).*?^ {0,3}\1[^\n]*$", re.DOTALL | re.MULTILINE)
_CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\]|!\[[^\]]*\]\([^)]*\))*\]\(<?([^)\s>]+)>?\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
_ELSEWHERE = re.compile(r"^[a-z][a-z0-9+.-]*:", re.IGNORECASE)


@dataclass(frozen=True)
class Link:
    """A relative link of a page.

    Attributes:
        path: what it points to, relative to the repository's root; the page itself for `#anchor`.
        anchor: the heading's, "" for none.
        outside: it leaves the repository.
    """

    path: str
    anchor: str
    outside: bool = False


def slug(heading: str, separator: str = "-") -> str:
    """The anchor of a heading, as code hosts make it: lower case, no punctuation, spaces to `-`.

    Args:
        heading: its text without markup.
        separator: what a space becomes; mkdocs gives it.
    """
    text = unicodedata.normalize("NFC", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", separator)


def without_code(text: str) -> str:
    """A page's text without its blocks and spans of code, whose brackets are no links."""
    return _CODE.sub("", _FENCE.sub("", text))


def anchors(text: str) -> list[str]:
    """The anchors of a page's headings, in its order."""
    headings = _HEADING.findall(_FENCE.sub("", text))
    return [slug(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", one.replace("`", ""))) for one in headings]


def links(page: str, text: str) -> Iterator[Link]:
    """The relative links of a page, images included.

    Args:
        page: its path from the repository's root.
        text: what it says.
    """
    for target in _LINK.findall(without_code(text)):
        if _ELSEWHERE.match(target):
            continue
        path, _, anchor = target.partition("#")
        full = (ROOT / page).parent.joinpath(path).resolve() if path else ROOT / page
        inside = full.is_relative_to(ROOT)
        yield Link(full.relative_to(ROOT).as_posix() if inside else target, anchor, not inside)


def reachable(start: str = START) -> list[str]:
    """Every file that a reader can come to from `start` by links that lead somewhere, sorted."""
    seen, waiting = {start}, [start]
    while waiting:
        page = waiting.pop()
        if not page.endswith(".md"):
            continue
        text = (ROOT / page).read_text(encoding="utf-8")
        for link in links(page, text):
            if not link.outside and link.path not in seen and (ROOT / link.path).is_file():
                seen.add(link.path)
                waiting.append(link.path)
    return sorted(seen)


def on_config(config: Any) -> Any:
    """Called by mkdocs: headings get the anchors that code hosts give them."""
    config["mdx_configs"].setdefault("toc", {})["slugify"] = slug
    return config


def on_files(files: Any, config: Any) -> Any:
    """Called by mkdocs: its own listing of docs/ gives way to the files reachable from README."""
    from mkdocs.structure.files import File

    for file in [one for one in files if one.src_dir == config["docs_dir"]]:
        files.remove(file)
    for path in reachable():
        files.append(File(path, str(ROOT), config["site_dir"], config["use_directory_urls"]))
    return files
