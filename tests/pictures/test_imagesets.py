"""Image sets: offline, unaltered, disjoint, and refused by name where they are not."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from iast_export.errors import InputError
from iast_export.files.artifacts import sha256_file
from iast_export.pictures.imagesets import check_disjoint, load_set, pictures_in, spread
from iast_export.pictures.procedural import softened, style_pictures

ENTRY = '[[images]]\nid = "a"\nfile = "p0.png"\nsha256 = "0"\nsource = "s"\nlicence = "l"'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for i in range(4):
        picture = np.random.default_rng(i).integers(0, 255, (20, 24, 3), dtype=np.uint8)
        cv2.imwrite(str(tmp_path / f"p{i}.png"), picture)
    return tmp_path


@pytest.mark.parametrize(("name", "least"), [("default", 16), ("evaluation", 8)])
def test_packaged_sets_load_offline_and_name_their_licences(name: str, least: int) -> None:
    found = load_set(name)
    assert len(found) >= least
    assert all(e.licence and e.source and e.sha256 for e in found.entries)
    sizes = [rgb.shape for _, rgb in found.images()]
    assert all(min(shape[:2]) >= 150 for shape in sizes)


def test_packaged_sets_share_no_picture() -> None:
    check_disjoint(load_set("default"), load_set("evaluation"))


def test_a_folder_is_a_set(folder: Path) -> None:
    found = load_set(str(folder))
    assert [name for name, _ in found.images()] == ["p0.png", "p1.png", "p2.png", "p3.png"]
    assert found.sha256 == load_set(str(folder)).sha256


def test_the_same_file_or_the_same_pixels_in_two_sets_are_refused(
    folder: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "copy.png").write_bytes((folder / "p2.png").read_bytes())
    with pytest.raises(InputError, match=r"copy.png .* as p2.png"):
        check_disjoint(load_set(str(folder)), load_set(str(other)))
    cv2.imwrite(str(other / "copy.bmp"), cv2.imread(str(folder / "p1.png")))
    (other / "copy.png").unlink()
    with pytest.raises(InputError, match=r"copy.bmp .* as p1.png"):
        check_disjoint(load_set(str(folder)), load_set(str(other)))


def test_a_crop_of_a_calibration_file_is_the_same_picture(folder: Path) -> None:
    listing = folder / "set.toml"
    digest = sha256_file(folder / "p0.png")
    listing.write_text(
        f'[[images]]\nid = "part"\nfile = "p0.png"\nsha256 = "{digest}"\nsource = "s"\nlicence = '
        '"CC0"\n'
        "crop = [2, 3, 10, 9]\n"
    )
    found = load_set(str(listing))
    assert next(found.images())[1].shape == (9, 10, 3)
    with pytest.raises(InputError, match="part"):
        check_disjoint(load_set(str(folder)), found)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nonsense = [", "not valid TOML"),
        ("name = 'x'", "images: it is missing"),
        ("images = []", "images: .*at least 1 item"),
        (ENTRY.replace("source =", "sourc ="), "unknown key 'images.0.sourc'.*meant 'source'"),
        (ENTRY.replace("licence", "#"), "images.0.licence: it is missing.*keys here: id, resource"),
        (ENTRY.replace("file", "#"), "images.0: either resource or file"),
        (ENTRY + "\nresource = 'skimage:coffee.png'", "images.0: either resource or file"),
        (ENTRY.replace("file = ", "resource = 'numpy:x' #"), "images.0.resource: unknown package"),
        (ENTRY.replace("file = ", "resource = 'skimage:../io/x' #"), "not installed"),
        ("images = [1]", "images.0: .*found 1"),
        ("images = 'x'", "images: .*found 'x'"),
        ("name = ['a']\n" + ENTRY, r"name: .*found \['a'\]"),
        (ENTRY + "\ncrop = 3", "images.0.crop: .*found 3"),
        (ENTRY + "\ncrop = [1, 2, 3]", r"images.0.crop.3: .*found \[1, 2, 3\]"),
        (ENTRY + "\ncrop = [1, 2, 3, 4, 5]", "images.0.crop: "),
        (ENTRY + "\ncrop = [0.5, 0, 4, 4]", "images.0.crop.0: .*found 0.5"),
        (ENTRY + "\ncrop = ['0', 0, 4, 4]", "images.0.crop.0: .*found '0'"),
        (ENTRY + "\ncrop = [true, 0, 4, 4]", "images.0.crop.0: .*found True"),
        (ENTRY + "\ncrop = [-1, 0, 4, 4]", "images.0.crop.0: "),
        (ENTRY + "\ncrop = [0, 0, 0, 4]", "images.0.crop.2: "),
        (ENTRY + "\ncrop = {x = 1}", "images.0.crop: "),
        *(
            (ENTRY.replace(f"{key} = ", f"{key} = 5 #"), f"images.0.{key}: .*found 5")
            for key in ("id", "sha256", "file", "source")
        ),
        (ENTRY.replace("p0.png", "p\\u0000.png"), "images.0.file: "),
        (ENTRY.replace('licence = "l"', "licence = [1979-05-27]"), "images.0.licence: "),
    ],
)
def test_a_malformed_set_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "set.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message.replace(".*", r"[\s\S]*")):
        load_set(str(path))


def test_a_crop_of_huge_numbers_is_refused_where_it_is_read(folder: Path) -> None:
    digest = sha256_file(folder / "p0.png")
    for crop in (
        "[0, 0, 9223372036854775807, 9]",
        f"[0, {10**30}, 4, 4]",
        "[0, 9223372036854775807, 1, 1]",
    ):
        listing = folder / "set.toml"
        listing.write_text(ENTRY.replace('"0"', f'"{digest}"') + f"\ncrop = {crop}\n")
        with pytest.raises(InputError, match=r"leaves|more than 64 bits"):
            load_set(str(listing))[0]


def test_what_can_not_be_a_path_is_no_set() -> None:
    for spec in ("x" * 5000, "x" * 300 + ".toml", "a\0b"):
        with pytest.raises(InputError, match="neither a set"):
            load_set(spec)


@pytest.fixture
def camera_roll(folder: Path) -> Path:
    """Four good pictures among what such a folder holds."""
    picture = cv2.imread(str(folder / "p3.png"))
    (folder / "p3.png").unlink()
    cv2.imwrite(str(folder / "q.TIFF"), picture)
    (folder / "q.TIFF").rename(folder / "scan")
    (folder / "._p0.png").write_bytes(b"\0\x05\x16\x07\0\x02\0\0Mac OS X")
    (folder / "IMG_1.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0")
    (folder / "notes.jpg").write_text("hello")
    (folder / "gone.jpg").symlink_to(folder / "nowhere")
    (folder / "x.jpg").mkdir()
    return folder


def test_a_folder_says_what_it_left_out_and_why(camera_roll: Path) -> None:
    for found in (load_set(str(camera_roll)), load_set(str(camera_roll), 24)):
        assert [entry.id for entry in found.entries] == ["p0.png", "p1.png", "p2.png", "scan"]
        assert found.skipped == {
            "._p0.png": "a side file of macOS (AppleDouble)",
            "IMG_1.heic": "an HEIC picture",
            "gone.jpg": "not a file",
            "notes.jpg": "not a picture that can be decoded",
            "x.jpg": "a folder, its files are not looked at",
        }


def test_one_damaged_picture_is_skipped_and_another_takes_its_place(tmp_path: Path) -> None:
    for i in range(10):
        cv2.imwrite(str(tmp_path / f"{i}.png"), np.full((8, 8, 3), 20 * i, np.uint8))
    whole = load_set(str(tmp_path), 5)
    assert [entry.id for entry in whole.entries] == ["1.png", "3.png", "5.png", "7.png", "9.png"]
    (tmp_path / "5.png").write_bytes((tmp_path / "5.png").read_bytes()[:-20])
    found = load_set(str(tmp_path), 5)
    assert (len(found), found.found) == (5, 9) and found.skipped == {"5.png": "cut short"}
    assert "5.png" not in [entry.id for entry in found.entries]
    assert found.sha256 == load_set(str(tmp_path), 5).sha256 != whole.sha256


def test_a_folder_of_damaged_pictures_alone_is_refused(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        (tmp_path / name).write_bytes(b"\x89PNG\r\n\x1a\n")
    with pytest.raises(InputError, match=r"2 left out: a.png \(cut short\), b.png"):
        load_set(str(tmp_path), 24)
    with pytest.raises(InputError, match="can't be read"):
        pictures_in(tmp_path / "nowhere")


def test_pictures_are_taken_evenly_and_all_where_they_are_few() -> None:
    assert spread(3, 5) == [0, 1, 2]
    for count, wanted in ((300, 24), (300, 9), (16, 9), (7, 1)):
        chosen = spread(count, wanted)
        steps = np.diff([-0.5, *(place + 0.0 for place in chosen), count - 0.5])
        assert len(set(chosen)) == wanted and steps.max() <= count / wanted + 1
        assert chosen[0] < count / wanted and chosen[-1] >= count - count / wanted - 1


def test_names_that_are_not_utf_8_are_shown_and_their_files_read(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/caf\xe9.png"
    with open(path, "wb") as stream:
        stream.write(cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1].tobytes())
    found = load_set(str(tmp_path), 4)
    assert [name for name, _ in found.images()] == ["caf\\xe9.png"]
    assert found.entries[0].origin.endswith("caf\\xe9.png")


def test_an_altered_or_unreadable_picture_is_named(folder: Path) -> None:
    found = load_set(str(folder))
    (folder / "p1.png").write_bytes(b"not a picture")
    with pytest.raises(InputError, match=r"p1.png was altered"):
        list(found.images())
    assert load_set(str(folder)).skipped.keys() == {"p1.png"}


def test_an_unknown_set_suggests_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="perhaps you meant 'default'"):
        load_set("defualt")
    with pytest.raises(InputError, match="holds no picture"):
        load_set(str(tmp_path))


def test_drawn_style_pictures_are_the_same_everywhere_and_differ() -> None:
    first, second = style_pictures(), style_pictures()
    assert len(first) >= 12
    assert all(np.array_equal(a[1], b[1]) for a, b in zip(first, second, strict=True))
    assert len({rgb.tobytes() for _, rgb in first}) == len(first)
    assert all(rgb.std() > 20 for _, rgb in first)


def test_softened_pictures_keep_their_colors_and_lose_most_of_their_fine_contrast() -> None:
    for name, rgb in style_pictures():
        soft = softened(rgb)
        assert soft.shape == rgb.shape and soft.dtype == np.uint8
        assert abs(soft.mean(dtype=float) - rgb.mean(dtype=float)) < 2, name
        fine, before = (
            one - cv2.GaussianBlur(one, (0, 0), 1.5) for one in map(np.float32, (soft, rgb))
        )
        assert fine.std() < 0.45 * before.std(), name
