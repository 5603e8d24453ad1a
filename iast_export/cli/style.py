"""`iast-export style`: the ready-made styles of a bundle."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from iast_export.cli import console, options
from iast_export.cli.arguments import PATH, Finite
from iast_export.cli.verbs import VerbGroup


@click.group(cls=VerbGroup)
def style() -> None:
    """The ready-made styles of a bundle: list, find, add, remove.

    \b
    Example:
      iast-export style list dist/demo
      iast-export style find dist/demo "stormy sea at night"
      iast-export style add dist/demo painting.jpg --name harbor --category oil
    """


@style.command("list")
@options.folder
@options.as_json
def style_list(folder: Path, as_json: bool) -> None:
    """The styles of a bundle with kind of art, license and source of the artwork. Needs no torch.

    \b
    Example:
      iast-export style list dist/demo
    """
    from iast_export.stylize.style_add import list_styles

    found = list_styles(folder)
    if as_json:
        console.emit_json([entry.model_dump(mode="json") for entry in found])
        return
    rows = [
        (s.id, s.category, s.title, s.licence or "not given", s.source or "not given")
        for s in found
    ]
    console.table(f"{len(found)} styles", ("id", "kind", "title", "license", "source"), rows)


@style.command("find")
@options.folder
@click.argument("words", metavar="WORDS")
@click.option("--blend", is_flag=True, help="one style of those found, mixed by similarity")
@click.option(
    "--most",
    metavar="N",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    help="styles that are named",
)
@click.option(
    "--least",
    metavar="X",
    type=Finite(-1, 1),
    help="similarity that each reaches [default: 0.085]",
)
@options.as_json
def style_find(
    folder: Path, words: str, blend: bool, most: int, least: float | None, as_json: bool
) -> None:
    """Styles of a bundle by words in English: retrieval by titles and captions, no new style.

    Needs the extra `iast-export[find]`, no network. Nothing like the words: exit 3.

    \b
    Example:
      iast-export style find dist/demo "stormy sea at night"
      iast-export style find dist/demo "sad Japanese lady" --blend
    """
    from iast_export.stylize.style_add import list_styles
    from iast_export.stylize.style_find import (
        LEAST_SIMILARITY,
        find_styles,
        shares_of,
        word_vectors,
    )
    from iast_export.stylize.style_words import blend_words

    least = LEAST_SIMILARITY if least is None else least
    found = find_styles(list_styles(folder), words, word_vectors(), least=least, most=most)
    chosen = blend_words(shares_of(found)) if blend else found[0].id
    if as_json:
        console.emit_json({"style": chosen, "matches": [asdict(match) for match in found]})
        return
    rows = [(m.id, m.sentence, f"{m.similarity:.3f}") for m in found]
    console.table(f"{len(found)} styles found", ("id", "nearest sentence", "similarity"), rows)
    console.say(f"style      {chosen}")


@style.command("add")
@options.folder
@click.argument("image", metavar="IMAGE", type=PATH)
@click.option("--name", required=True, metavar="ID", help="lower-case letters, digits, - and _")
@click.option(
    "--category", required=True, metavar="KIND", help="kind of art, such as oil or cartoon"
)
@click.option("--title", default="", help="shown to people")
@click.option("--license", "--licence", "licence", default="", help="of the artwork")
@click.option("--source", default="", help="of the artwork, such as its page")
@click.option(
    "--caption",
    "captions",
    multiple=True,
    metavar="TEXT",
    help="a sentence that `style find` searches; may be repeated",
)
@click.option(
    "--code",
    metavar="FILE",
    type=PATH,
    help="a refined code of this picture, from `python -m models.styles refine`",
)
@click.option(
    "--strokes",
    metavar="N",
    type=Finite(1, 4),
    default=1.0,
    show_default=True,
    help="strokes so many times larger: a smaller middle of the picture is encoded",
)
@click.option("--replace", is_flag=True, help="take the place of a style of the same id")
@options.as_json
def style_add(
    folder: Path,
    image: Path,
    name: str,
    captions: tuple[str, ...],
    code: Path | None,
    strokes: float,
    replace: bool,
    as_json: bool,
    **words: str,
) -> None:
    """Adds the style of one picture, encoded by the bundle itself. Needs no torch.

    A bundle that is built again from other inputs starts from its own styles; add them again then.
    A minute of optimization gets closer to the artwork: in a checkout with the training tools,
    `python -m models.styles refine --image IMAGE --vgg 5SE.pt --out code.safetensors`, then --code.

    \b
    Example:
      iast-export style add dist/demo painting.jpg --name harbor --category oil
      iast-export style add dist/demo painting.jpg --name harbor-2 --category oil --strokes 2
      iast-export style add dist/demo painting.jpg --name harbor --category oil --code c.safetensors
    """
    from iast_export.stylize.style_add import NewStyle, add_style

    with console.progress_bar() as progress:
        made = add_style(
            folder,
            NewStyle(id=name, captions=captions, **words),
            image,
            code=code,
            strokes=strokes,
            replace=replace,
            progress=progress,
        )
    before, after = made.distance_before, made.distance_after
    if made.note:
        console.remark(made.note)
    if as_json:
        distances = {
            "style_distance_before": before,
            "style_distance": after,
            "replaced": made.replaced,
        }
        console.emit_json({**made.entry.model_dump(mode="json"), **distances})
        return
    console.say(f"style      {made.entry.id} ({'replaced' if made.replaced else 'added'})")
    console.say(f"thumbnail  {folder / str(made.entry.thumbnail)}")
    console.say(
        f"distance of its photograph from the artwork: {before:.3f} before, {after:.3f} in the "
        "style"
    )


@style.command("remove")
@options.folder
@click.argument("name", metavar="ID")
@options.as_json
def style_remove(folder: Path, name: str, as_json: bool) -> None:
    """Takes a style out of a bundle, but for the one that the golden pictures are made in.

    \b
    Example:
      iast-export style remove dist/demo harbor
    """
    from iast_export.stylize.style_add import remove_style

    gone = remove_style(folder, name)
    if as_json:
        console.emit_json(gone.model_dump(mode="json"))
        return
    console.say(f"style      {gone.id} (removed)")
