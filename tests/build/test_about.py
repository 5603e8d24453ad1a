import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from iast_export.build import convert, export
from iast_export.build.about import about_of
from iast_export.build.pipeline import Build, Request
from iast_export.build.stage import Stage
from iast_export.bundle.about import NOT_STATED
from iast_export.errors import InputError
from iast_export.files.artifacts import sha256_file
from iast_export.network.checkpoint import card_path

NETWORK = "tests.tiny_networks:tiny_iast_factory"


def foreign(small_request: Request, checkpoint: Path | None) -> Build:
    return Build(
        replace(
            small_request, network="tests.tiny_networks:tiny_iast_factory", checkpoint=checkpoint
        )
    )


def test_a_network_without_a_file_states_nothing_that_nobody_said(small_request: Request) -> None:
    told = about_of(foreign(small_request, None))
    assert told.title == NETWORK
    assert {told.version, told.author, told.license} == {NOT_STATED}


def test_a_card_beside_anybodys_checkpoint_is_told(small_request: Request, tmp_path: Path) -> None:
    checkpoint = tmp_path / "own.pth"
    checkpoint.write_bytes(b"weights")
    build = foreign(small_request, checkpoint)
    assert about_of(build).version == f"checkpoint {sha256_file(checkpoint)[:12]}"
    words = 'name = "Own"\nauthor = "Ada"\nlicence = "CC0-1.0"\nversion = "3"\ndata = 1\n'
    card_path(checkpoint).write_text(words)
    told = about_of(build)
    assert (told.title, told.author, told.license, told.version) == ("Own", "Ada", "CC0-1.0", "3")


def test_another_checkpoints_card_is_refused(small_request: Request, tmp_path: Path) -> None:
    checkpoint = tmp_path / "own.pth"
    checkpoint.write_bytes(b"weights")
    card_path(checkpoint).write_text(f'licence = "CC0-1.0"\nsha256 = "{"0" * 64}"\n')
    with pytest.raises(InputError, match="its card names"):
        about_of(foreign(small_request, checkpoint))


@pytest.mark.parametrize("stage", [export.STAGE, convert.STAGE])
def test_a_changed_card_makes_the_files_again(
    small_request: Request, tmp_path: Path, stage: Stage
) -> None:
    assert small_request.checkpoint
    checkpoint = Path(shutil.copy(small_request.checkpoint, tmp_path))
    card = Path(shutil.copy(card_path(small_request.checkpoint), tmp_path))
    request = replace(small_request, checkpoint=checkpoint)
    before = stage.key(Build(request))
    card.write_text(f'author = "Ada"\n{card.read_text()}')
    assert stage.key(Build(request)) != before
