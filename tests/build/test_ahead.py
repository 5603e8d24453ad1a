"""A stage begun before its turn: its errors are the build's, and its folder goes with it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from iast_export.build import ahead, pipeline
from iast_export.build.ahead import Ahead
from iast_export.build.convert import STAGE
from iast_export.build.pipeline import Build, Request, make_apart
from iast_export.errors import InputError
from iast_export.files.artifacts import write_atomic


def test_a_request_is_told_to_another_process_whole(small_request: Request, tmp_path: Path) -> None:
    told = Request.of_told(small_request.told(tmp_path))
    assert told == replace(small_request, out=tmp_path, recipe_file=None)
    assert told.recipe.sha256 == small_request.recipe.sha256


def test_an_error_of_the_other_process_is_the_builds_and_nothing_is_left(
    small_request: Request, tmp_path: Path
) -> None:
    missing = replace(small_request, out=tmp_path / "out", checkpoint=tmp_path / "none.safetensors")
    with Ahead(Build(missing), STAGE) as begun:
        with pytest.raises(InputError, match=r"none\.safetensors"):
            begun.take()
        folder = Path(begun._folder.name)
    assert not folder.exists() and not (tmp_path / "out").exists()


def test_what_is_not_waited_for_is_ended(small_request: Request, tmp_path: Path) -> None:
    with Ahead(Build(replace(small_request, out=tmp_path)), STAGE) as begun:
        assert begun._work._process.poll() is None
    assert begun._work._process.poll() is not None


def test_the_outputs_take_their_places_in_the_bundle_only_when_they_are_taken(
    small_request: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = Build(replace(small_request, out=tmp_path / "out"))

    class Drawn:
        """Another process that is done at once."""

        def __init__(self, target: str, job: dict[str, dict[str, str]], what: str) -> None:
            out = Path(job["told"]["out"])
            for path in STAGE.outputs(build):
                write_atomic(out / path.relative_to(build.root), path.name.encode())

        def result(self) -> None:
            assert not build.root.exists()

        def end(self) -> None: ...

    monkeypatch.setattr(ahead, "Apart", Drawn)
    with Ahead(build, STAGE) as begun:
        begun.take()
    assert all(path.read_bytes() == path.name.encode() for path in STAGE.outputs(build))


def test_one_core_or_a_loaded_converter_leaves_the_stage_its_turn(
    small_request: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build = Build(replace(small_request, out=tmp_path))
    monkeypatch.delitem(pipeline.sys.modules, "litert_torch", raising=False)
    monkeypatch.setattr(pipeline, "usable_cores", lambda: 2)
    assert pipeline._ahead(build) == [STAGE]
    monkeypatch.setitem(pipeline.sys.modules, "litert_torch", pytest)
    assert pipeline._ahead(build) == []
    monkeypatch.delitem(pipeline.sys.modules, "litert_torch")
    monkeypatch.setattr(pipeline, "usable_cores", lambda: 1)
    assert pipeline._ahead(build) == []


def test_the_processs_half_runs_the_stage_that_it_is_told(
    small_request: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran = []
    fake = replace(STAGE, run=lambda build: ran.append(build.root))
    monkeypatch.setattr(pipeline, "STAGES", (fake,))
    make_apart("convert", small_request.told(tmp_path))
    assert ran == [tmp_path]
