"""`iast-export style`: the ready-made styles of a bundle."""

from __future__ import annotations

from pathlib import Path

import click

from iast_export.cli import console, options
from iast_export.cli.arguments import PATH
from iast_export.cli.verbs import VerbGroup


@click.group(cls=VerbGroup)
def style() -> None:
    """The ready-made styles of a bundle: list, add, remove.

    \b
    Example:
      iast-export style list dist/demo
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
    "--code",
    metavar="FILE",
    type=PATH,
    help="a refined code of this picture, from `python -m models.styles refine`",
)
@click.option("--replace", is_flag=True, help="take the place of a style of the same id")
@options.as_json
def style_add(
    folder: Path,
    image: Path,
    name: str,
    code: Path | None,
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
      iast-export style add dist/demo painting.jpg --name harbor --category oil --code c.safetensors
    """
    from iast_export.stylize.style_add import NewStyle, add_style

    with console.progress_bar() as progress:
        made = add_style(
            folder, NewStyle(id=name, **words), image, code=code, replace=replace, progress=progress
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
