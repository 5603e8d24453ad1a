"""Image sets: offline, unaltered, disjoint, and refused by name where they are not."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from iast_export.artifacts import sha256_file
from iast_export.errors import InputError
from iast_export.imagesets import check_disjoint, load_set
from iast_export.procedural import style_pictures


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


def test_the_same_file_or_the_same_pixels_in_two_sets_are_refused(folder: Path, tmp_path: Path) -> None:
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
        f'[[images]]\nid = "part"\nfile = "p0.png"\nsha256 = "{digest}"\nsource = "s"\nlicence = "CC0"\n'
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
        ("name = 'x'", "no \\[\\[images\\]\\]"),
        ("[[images]]\nid='a'", "lacks"),
        ("[[images]]\nid='a'\nsha256='0'\nsource='s'\nlicence='l'", "needs resource or file"),
        ("[[images]]\nid='a'\nfle='x'\nsha256='0'\nsource='s'\nlicence='l'", "unknown \\['fle'\\]"),
        ("[[images]]\nid='a'\nresource='numpy:x'\nsha256='0'\nsource='s'\nlicence='l'", "unknown package"),
    ],
)
def test_a_malformed_set_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "set.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        load_set(str(path))


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
