"""NOTICE says whose work a bundle holds, and the manifest vouches for it."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from iast_export.bundle.notice import entry_of, notice_of
from iast_export.files.artifacts import sha256_file
from iast_export.library import gate
from iast_export.reports.manifest import SourceFacts, StyleEntry, ToolFacts, load_manifest
from iast_export.stylize.style_add import NewStyle, add_style

SOURCE = SourceFacts(
    network="mine:factory",
    checkpoint_sha256="1" * 64,
    recipe_sha256="2" * 64,
    calibration_set="default",
    calibration_set_sha256="3" * 64,
    tool=ToolFacts(versions={}),
)


def style(name: str, **words: str) -> StyleEntry:
    facts = {"category": "oil", "path": f"styles/{name}.f32", "sha256": "4" * 64}
    return StyleEntry(id=name, **{**facts, **words})


def test_every_style_is_named_with_its_license_and_what_is_not_said_is_said() -> None:
    art = style("court", title="Court Robes", licence="CC BY-SA 4.0", source="KaoKore")
    text = notice_of("iast", SOURCE, [art, style("mine")], "Apache-2.0").decode()
    assert "  License: Apache-2.0\n" in text and "1" * 64 in text
    assert "  court: Court Robes\n    License: CC BY-SA 4.0\n    Source: KaoKore\n" in text
    assert "  mine\n    License: not stated" in text and text.endswith("pass it on\n")
    assert "License: not stated" in notice_of("iast", SOURCE, [art], "").decode()


def test_a_text_that_replaces_another_has_a_name_of_its_own() -> None:
    one, other = entry_of(b"a", ""), entry_of(b"b", "", renamed=True)
    assert one.path == "NOTICE" and other.path == f"NOTICE-{other.sha256[:8]}"


def test_a_bundle_carries_it_with_the_license_of_its_checkpoint(small_bundle: Path) -> None:
    manifest = load_manifest(small_bundle)
    assert manifest.notice is not None and manifest.notice.path == "NOTICE"
    assert manifest.hashes()["NOTICE"] == sha256_file(small_bundle / "NOTICE")
    text = (small_bundle / "NOTICE").read_text()
    assert "License: Apache-2.0" in text
    assert all(f"  {one.id}\n" in text for one in manifest.styles)


def test_an_altered_notice_is_found_by_the_gate(bundle_copy: Path) -> None:
    (bundle_copy / "NOTICE").write_text("mine alone\n")
    wrong = [one for one in gate(bundle_copy).checks if one.outcome == "fail"]
    assert [one.exit_code for one in wrong] == [3] and "NOTICE" in wrong[0].name


def test_a_style_that_is_added_is_in_it_and_the_old_text_goes(
    bundle_copy: Path, tmp_path: Path
) -> None:
    artwork = tmp_path / "art.png"
    cv2.imwrite(str(artwork), np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8))
    new = NewStyle("new-one", "oil", title="New", licence="CC BY 4.0", source="me")
    add_style(bundle_copy, new, artwork)
    manifest = load_manifest(bundle_copy)
    assert manifest.notice is not None and not (bundle_copy / "NOTICE").exists()
    text = (bundle_copy / manifest.notice.path).read_text()
    assert "  new-one: New\n    License: CC BY 4.0\n    Source: me\n" in text
    assert len(list(bundle_copy.glob("NOTICE*"))) == 1
