"""Draws the app's screens from its real layout, string, color and size files: mock-ups, not
screenshots.

    iast-export stylize dist/demo --content cat.png --style cafe --out pictures
    python3 android_demo/tools/mockup.py dist/demo cat.png pictures/cat--cafe.png OUT [--night]
    [--land] [--lang de]

Writes OUT/main.html, checks.html and face.html, and PNG pictures of them where Chromium is
installed. The pictures come from a real bundle; what Android would draw itself (buttons, spinners)
is imitated. With `--face FACE.png --points FILE` the face screen shows that picture with handles on
it: 68 `x,y`, then runs of joined points, `first-last` or `first-last-closed`, as the core's
`Landmarks` has them.
"""

from __future__ import annotations

import argparse
import base64
import html
import json
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path

RES = Path(__file__).resolve().parents[1] / "app" / "src" / "main" / "res"
ANDROID = "{http://schemas.android.com/apk/res/android}"
WIDTH, HEIGHT = 412, 892
LABEL = "mock-up drawn from the layout files, not a screenshot"
CSS = """
* { box-sizing: border-box; margin: 0; font-family: Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
body { width: %(width)dpx; background: %(paper)s; color: %(ink)s; }
.phone { height: %(height)dpx; display: flex; }
.label { font-size: 11px; padding: 5px; text-align: center; background: %(accent)s; color: %(on_accent)s; }
button { border: 0; border-radius: 4px; background: %(panel)s; color: %(ink)s; margin: 3px; min-height: 48px; }
.spinner { display: flex; justify-content: space-between; align-items: center; padding: 0 8px; overflow: hidden;
  white-space: nowrap; min-height: 48px; }
.spinner::after { content: "\\25BE"; color: %(ink_soft)s; padding-left: 6px; }
input { width: 100%%; accent-color: %(accent)s; }
.strip { display: flex; overflow: hidden; } .kind { font-size: 11px; color: %(ink_soft)s; }
.strip img { width: 66px; height: 66px; object-fit: cover; border: 3px solid transparent; border-radius: 6px; }
.strip img.on { border-color: %(accent)s; }
.picture { position: relative; display: flex; align-items: center; justify-content: center; min-height: 0;
  border-radius: 12px; background: %(panel)s; overflow: hidden; }
.picture img, .picture svg { position: absolute; width: 100%%; height: 100%%; object-fit: contain; }
pre { font: 11px/1.6 monospace; white-space: pre-wrap; }
"""


def values(name: str, folder: str = "values") -> dict[str, str]:
    """A resource file as name -> text."""
    path = RES / folder / name
    return {str(item.get("name")): item.text or "" for item in ET.parse(path).getroot()} if path.exists() else {}


class Screen:
    """Turns one layout file into HTML: LinearLayouts become flex boxes, weights become
    flex-grow."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.bundle = Path(args.bundle)
        self.manifest = json.loads((self.bundle / "manifest.json").read_text())
        night = {**values("colors.xml"), **(values("colors.xml", "values-night") if args.night else {})}
        self.colors = night
        self.strings = {**values("strings.xml"), **(values("strings.xml", f"values-{args.lang}") if args.lang else {})}
        self.sizes = values("dimens.xml")
        self.styles = {
            str(style.get("name")): {f"{ANDROID}{i.get('name', '').split(':')[1]}": i.text or "" for i in style}
            for style in ET.parse(RES / "values" / "themes.xml").getroot()
        }
        self.photograph, self.painting = args.photograph, args.painting
        self.face, self.points = args.face or args.photograph, args.points
        self.layouts = [RES / "layout-land", RES / "layout"] if args.land else [RES / "layout"]
        self.size = (HEIGHT, WIDTH) if args.land else (WIDTH, HEIGHT)
        painted = args.painting.stem.split("--")[-1]
        self.style = next((s for s in self.manifest["styles"] if s["id"] == painted), self.manifest["styles"][0])

    def resolve(self, text: str | None) -> str:
        """A value with its @string, @color and @dimen looked up; dp and sp become px."""
        text = text or ""
        for kind, table in (("string", self.strings), ("color", self.colors), ("dimen", self.sizes)):
            if text.startswith(f"@{kind}/"):
                text = table[text.split("/")[1]]
        return re.sub(r"^(\d+)[ds]p$", r"\1px", text)

    def view(self, node: ET.Element, row: bool, fills: bool = False) -> str:
        """One view with what it holds; it `fills` its scroll view where that one asks for it."""
        style = str(node.get("style", ""))
        own = {**self.styles.get(style.removeprefix("@style/"), {}), **node.attrib}
        kind, css = node.tag.rsplit(".", 1)[-1], self.box(own, row) + (";flex:1 0 auto" if fills else "")
        name = str(own.get(f"{ANDROID}id", "")).split("/")[-1]
        text = html.escape(self.resolve(own.get(f"{ANDROID}text")))
        if kind == "LinearLayout" and name == "styles":
            return f'<div class="strip" style="{css}">{self.strip()}</div>'
        if kind in ("LinearLayout", "HorizontalScrollView", "ScrollView"):
            inner = own.get(f"{ANDROID}orientation") == "horizontal"
            direction = "row" if inner else "column"
            filled = own.get(f"{ANDROID}fillViewport") == "true"
            held = "".join(self.view(child, inner, filled) for child in node)
            return f'<div style="display:flex;flex-direction:{direction};{css}">{held}</div>'
        if kind == "Button":
            return f'<button style="{css}">{text}</button>'
        if kind == "TextView":
            return f'<div style="{css}">{self.filled(name) or text}</div>'
        if kind == "Spinner":
            return f'<div class="spinner" style="{css}">{html.escape(self.choice(name))}</div>'
        if kind == "SeekBar":
            return f'<input type="range" value="100" style="{css}">'
        if kind in ("CompareView", "FaceView"):
            return f'<div class="picture" style="{css}">{self.pictures(kind)}</div>'
        return ""

    def box(self, own: dict[str, str], row: bool) -> str:
        """Sizes, weight, padding, margin and text of a view as CSS."""
        css = []
        for side, axis in (("width", row), ("height", not row)):
            size = self.resolve(own.get(f"{ANDROID}layout_{side}"))
            grows = size == "match_parent" or (axis and own.get(f"{ANDROID}layout_weight"))
            if grows:
                css.append("flex:1 1 0;min-width:0" if axis else f"{side}:100%")
            elif size.endswith("px") and size != "0px":
                css.append(f"{side}:{size}")
        names = {
            "padding": "padding",
            "paddingTop": "padding-top",
            "layout_marginTop": "margin-top",
            "layout_marginEnd": "margin-right",
            "textColor": "color",
            "textSize": "font-size",
            "minHeight": "min-height",
        }
        css += [f"{to}:{self.resolve(own[ANDROID + name])}" for name, to in names.items() if ANDROID + name in own]
        return ";".join(css)

    def strip(self) -> str:
        """The thumbnails of the bundle's styles by kind of art; the painting's own is marked."""
        kinds: dict[str, list[dict[str, str]]] = {}
        for style in self.manifest["styles"]:
            kinds.setdefault(style["category"], []).append(style)
        parts = []
        for kind, styles in kinds.items():
            images = "".join(
                f'<img class="{"on" if s is self.style else ""}" '
                f'src="{uri(self.bundle / s["thumbnail"])}">'
                for s in styles
            )
            parts.append(f'<div><div class="kind">{html.escape(kind)}</div><div '
                f'class="strip">{images}</div></div>')
        return "".join(parts)

    def choice(self, name: str) -> str:
        """What a spinner shows at first."""
        tier = self.strings["tier_auto"]
        return {"lane": "litert-int8", "accelerator": self.strings["cpu"], "tier": tier}.get(
            name, self.strings["oversize_scale"]
        )

    def filled(self, name: str) -> str:
        """What the running app would say, with times left open: none was ever measured on a
        phone."""
        if name == "status":
            width, height = size_px(self.photograph)
            tier = next(t["id"] for t in self.manifest["tiers"] if max(width, height) <= t["max_side_px"])
            time = fill(self.strings["time"], "litert-int8", "cpu", "…")
            lines = fill(self.strings["reason_fits"], tier, width, height), time
            return "<br>".join(map(html.escape, lines))
        if name == "strength_label":
            return html.escape(fill(self.strings["strength_value"], 100))
        if name == "lines":
            rows = [(g, lane) for g in self.manifest["golden"] for lane in g["outputs"]]
            words = self.strings["outcome_line"]
            levels = [g["tolerance_levels"][lane.split("-")[0]] for g, lane in rows]
            lines = [
                fill(words, "…", lane, g["tier"], "…", level, "") for (g, lane), level in zip(rows, levels, strict=True)
            ]
            return f"<pre>{html.escape(chr(10).join(lines))}</pre>"
        return ""

    def pictures(self, kind: str) -> str:
        """What the two views of the app draw: before and after with a line between, or a face with
        handles."""
        if kind == "FaceView":
            return self.handles()
        half = "clip-path:inset(0 0 0 50%)"
        line = f'<div style="position:absolute;width:3px;height:100%;background:{self.colors["accent"]}"></div>'
        return f'<img src="{uri(self.photograph)}"><img src="{uri(self.painting)}" style="{half}">{line}'

    def handles(self) -> str:
        """A face as FaceView draws it: a third of a handle's size per point, lines a dp wide."""
        width, height = size_px(self.face)
        scale = (self.size[0] - 2 * px(self.resolve("@dimen/gap"))) / width
        radius, points, runs = px(self.resolve("@dimen/handle")) / 3 / scale, [], []
        for word in self.points.read_text(encoding="utf-8").split() if self.points else ():
            if "," in word:
                points.append(word)
            else:
                first, last, *closed = word.split("-")
                runs.append((int(first), int(last), "Z" if closed else ""))
        drawn = "".join(f'<path d="M{" ".join(points[a : b + 1])}{z}"/>' for a, b, z in runs)
        drawn += "".join('<circle cx="{}" cy="{}" r="{}"/>'.format(*point.split(","), radius) for point in points)
        image = f'<image href="{uri(self.face)}" width="{width}" height="{height}"/>'
        pen = f'fill="none" stroke="{self.colors["accent"]}" stroke-width="{1 / scale}"'
        return f'<svg viewBox="0 0 {width} {height}">{image}<g {pen}>{drawn}</g></svg>'

    def page(self, name: str) -> str:
        """A screen as HTML, labelled."""
        layout = next(folder / f"{name}.xml" for folder in self.layouts if (folder / f"{name}.xml").is_file())
        css = CSS % {**self.colors, "width": self.size[0], "height": self.size[1]}
        body = self.view(ET.parse(layout).getroot(), row=True)
        label = f"<div class=label>{LABEL}</div>"
        return f"<!doctype html><meta charset=utf-8><style>{css}</style>{label}<div class=phone>{body}</div>"


def fill(text: str, *arguments: object) -> str:
    """A string resource with its arguments in place."""
    return re.sub(r"%(\d)\$[^a-z]*[a-z]", lambda m: str(arguments[int(m.group(1)) - 1]), text).replace("%%", "%")


def size_px(path: Path) -> tuple[int, int]:
    """Width and height of a PNG, from its header."""
    header = Path(path).read_bytes()[16:24]
    return int.from_bytes(header[:4], "big"), int.from_bytes(header[4:], "big")


def px(size: str) -> float:
    """A resolved size as a number."""
    return float(size.removesuffix("px"))


def uri(path: Path | str) -> str:
    """A PNG as a data URI, so that a page is one file."""
    data = Path(path).read_bytes()
    return f"data:image/png;base64,{base64.b64encode(data).decode()}"


def shoot(page: Path, width: int, height: int) -> None:
    """A PNG beside the page, where Chromium is installed."""
    chromium = shutil.which("chromium")
    if chromium is None:
        print(f"{page}: no Chromium, so no PNG")
        return
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"]
    command += [f"--window-size={width},{height + 24}", "--force-device-scale-factor=1.5", "--hide-scrollbars"]
    command += [f"--screenshot={page.with_suffix('.png')}", page.resolve().as_uri()]
    subprocess.run(command, check=True, capture_output=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("photograph", type=Path, help="PNG of a photograph")
    parser.add_argument("painting", type=Path, help="the same in a style, as `iast-export stylize` "
        "made and named it")
    parser.add_argument("out", type=Path)
    parser.add_argument("--night", action="store_true", help="the colors of the dark theme")
    parser.add_argument("--land", action="store_true", help="the phone held sideways")
    parser.add_argument("--lang", default="", help="strings of another language, such as de")
    parser.add_argument("--face", type=Path, help="PNG of a face for the face screen")
    parser.add_argument("--points", type=Path, help="where its landmarks lie")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    screen = Screen(args)
    suffix = ("-night" if args.night else "") + ("-land" if args.land else "") + (f"-{args.lang}" if args.lang else "")
    for layout in sorted((RES / "layout").glob("*.xml")):
        page = args.out / f"{layout.stem}{suffix}.html"
        page.write_text(screen.page(layout.stem), encoding="utf-8")
        shoot(page, *screen.size)


if __name__ == "__main__":
    main()
