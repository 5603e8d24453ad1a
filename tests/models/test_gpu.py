"""Packing, training in a box of time and unpacking: on the CPU, with tiny networks and pictures."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from iast_export.errors import CannotJudgeError, InputError, UsageError
from iast_export.files.artifacts import read_json
from iast_export.network.checkpoint import load_checkpoint
from iast_export.network.iast2 import IAST2
from models.gpu import pack as packing
from models.gpu import run as running
from models.gpu import unpack as unpacking
from models.gpu.box import TimeBox
from models.gpu.leaving import leave
from models.gpu.packed import Pack
from models.gpu.pictures import QUALITIES, encoded, photographs
from models.gpu.record import CHECKPOINT, Record, read_record
from models.gpu.session import Session, divided
from models.recipe import TrainingRecipe
from tests.training_cases import RECIPES, draw_pictures, vgg

TINY_RECIPE = """
seed = 7
steps = 60
batch = 2
crop_px = 32
smallest_crop = 0.5
bfloat16 = false
learning_rate = 2e-3
warmup_steps = 1
ema_decay = 0.9
log_every = 1
save_every_s = 1
recalibrate_batches = 1
[[phases]]
from_step = 40
crop_px = 48
batch = 2
smallest_crop = 0.9
[loss]
content = 1.0
style_gram = 1.0
reconstruction = 1.0
[network]
width = 8
stem_width = 8
blocks = 2
encoder_widths = [8, 8, 8, 8]
encoder_hidden = 16
"""
# A module of the project that imports anything else fails as it would on a machine that lacks it.
ONLY = """
import builtins, sys
own = {"models", "iast_export"}
known = {"torch", "numpy", "cv2", "safetensors", "tqdm", *own, *sys.stdlib_module_names}
plain = builtins.__import__
def only(name, globals=None, locals=None, fromlist=(), level=0):
    who = (globals or {}).get("__name__") or ""
    if level == 0 and who.split(".")[0] in own and name.split(".")[0] not in known:
        raise ImportError(f"{who} imports {name}")
    return plain(name, globals, locals, fromlist, level)
builtins.__import__ = only
import torch
from models.gpu import run
from models.gpu.session import Session
torch.set_num_threads(1)
subject = Session(run._parser().parse_args(), 0.0)
# A second is a step, however slow the machine.
subject.box.clock = lambda: float(subject.trainer.step)
subject.run()
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder: tiny pictures, a perceptual network of random weights, a table of sources."""
    root = tmp_path_factory.mktemp("data")
    draw_pictures(root / "images")
    weights = root / "weights" / "vgg19_16x_distilled"
    weights.mkdir(parents=True)
    torch.save({"model": vgg().state_dict()}, weights / "5SE.pt")
    (root / "images.csv").write_text("file,licence\n")
    (root / "tiny.toml").write_text(TINY_RECIPE)
    return root


@pytest.fixture(scope="module")
def packed(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_pack(data, tmp_path_factory.mktemp("packs") / "pack")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    count = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(count)


def made_pack(data: Path, out: Path, *more: str) -> Path:
    given = ["--data", str(data), "--out", str(out), "--recipe", str(data / "tiny.toml"), *more]
    assert packing.main(given) == 0
    return out


def options(pack: Path, out: Path, **changes: Any) -> Namespace:
    given = ["--pack", str(pack), "--out", str(out), "--device", "cpu", "--minutes", "0.05"]
    return Namespace(**(vars(running._parser().parse_args(given)) | changes))


def session(pack: Path, out: Path, **changes: Any) -> Session:
    return Session(options(pack, out, **changes), time.monotonic())


def test_the_same_inputs_give_the_same_pack_in_a_folder_or_a_file(
    data: Path, packed: Path, tmp_path: Path
) -> None:
    again = made_pack(data, tmp_path / "again")
    assert (again / "pack.json").read_bytes() == (packed / "pack.json").read_bytes()
    one, two = (made_pack(data, tmp_path / f"{i}.tar").read_bytes() for i in (1, 2))
    assert one == two
    shutil.unpack_archive(tmp_path / "1.tar", tmp_path / "opened", "tar")
    assert Pack(tmp_path / "opened").sha256 == Pack(packed).sha256


def test_a_pack_holds_what_trains_and_the_held_out_pictures_apart(packed: Path) -> None:
    subject = Pack(packed)
    assert subject.counts() == {
        "photographs": 3, "artworks": 3, "sheet_photographs": 1, "sheet_artworks": 3, "faces": 0,
        "drawn_artworks": 0,
    }  # fmt: skip
    assert set(subject.pictures["photographs"]) == {
        f"content/bsds500/x_{i:04d}.jpg" for i in (1, 2, 3)
    }
    assert all(name.startswith("style/cartoon") for name in subject.pictures["sheet_artworks"])
    exact, half = vgg().state_dict(), subject.helpers().vgg.state_dict()
    for name, value in exact.items():
        torch.testing.assert_close(half[name], value, rtol=1e-3, atol=1e-6)
    assert read_json(packed / "listing.json")["licences"]["file"] == "images.csv"


def test_a_pack_holds_the_artworks_that_its_recipe_has_drawn(data: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "drawn.toml"
    recipe.write_text("drawn_artworks = 1\n" + TINY_RECIPE)
    subject = Pack(made_pack(data, tmp_path / "pack", "--recipe", str(recipe)))
    names = [name for name in subject.pictures["artworks"] if name.startswith("drawn/ink-")]
    assert subject.counts()["drawn_artworks"] == len(names) == 3
    assert subject.counts()["artworks"] == 6
    assert min(subject.pictures["artworks"][names[0]].shape[:2]) == 288


@pytest.mark.parametrize("name", ["pictures.bin", "models/trainer.py", "vgg.safetensors"])
def test_a_pack_that_was_altered_or_cut_is_refused(packed: Path, tmp_path: Path, name: str) -> None:
    shutil.copytree(packed, tmp_path / "pack")
    path = tmp_path / "pack" / name
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(InputError, match=f"{path.name} was altered or cut"):
        Pack(tmp_path / "pack")


def test_photographs_take_the_best_quality_that_fits_or_are_refused(tmp_path: Path) -> None:
    rng, files = np.random.default_rng(0), []
    for i in range(3):
        files.append(tmp_path / f"{i}.png")
        cv2.imwrite(str(files[-1]), rng.integers(0, 256, (40, 50, 3), dtype=np.uint8))
    sizes = {
        q: sum(len(encoded(cv2.imread(str(f))[..., ::-1], q)) for f in files) for q in QUALITIES
    }
    budget = sizes[86] + 8
    quality, made = photographs(tmp_path, files, 64, budget)
    assert quality == 86 and sum(len(p.data) for p in made) <= budget
    with pytest.raises(UsageError, match="--photographs N"):
        photographs(tmp_path, files, 64, sizes[QUALITIES[-1]] // 2)


def test_packing_is_refused_above_the_limit_and_over_another_folder(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = ["--data", str(data), "--recipe", str(data / "tiny.toml"), "--out", str(tmp_path / "p")]
    assert packing.main([*given, "--limit-mib", "0.5"]) == 2
    assert "--limit-mib" in capsys.readouterr().err and not (tmp_path / "p").exists()
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "mine.txt").write_text("kept")
    assert packing.main(given) == 2
    assert "is no pack" in capsys.readouterr().err and (tmp_path / "p" / "mine.txt").exists()
    assert packing.main([*given[:3], str(data / "none.toml"), *given[4:]]) == 3


def test_a_recipe_with_faces_or_a_teacher_packs_what_it_needs(data: Path, tmp_path: Path) -> None:
    args = packing._parser().parse_args(["--data", str(data), "--out", "x"])
    distils = TrainingRecipe.read(RECIPES / "student.toml")
    with pytest.raises(UsageError, match="--teacher"):
        packing.networks(args, distils)
    args.faces = tmp_path / "faces.json"
    with pytest.raises(InputError, match=r"faces\.json.*\n.*leave it out"):
        packing.faces(args, [])
    args.faces.write_text(
        json.dumps({"content/bsds500/x_0001.jpg": [0.1, 0.1, 0.5, 0.5], "gone.jpg": [0] * 4})
    )
    chosen = [data / "images" / "content" / "bsds500" / f"x_000{i}.jpg" for i in (1, 2)]
    assert list(json.loads(packing.faces(args, chosen)["faces.json"])) == [
        "content/bsds500/x_0001.jpg"
    ]
    with pytest.raises(InputError, match="no face"):
        packing.faces(args, chosen[1:])


def test_a_run_in_a_box_ends_in_time_with_a_network_that_builds_and_goes_on(
    data: Path, packed: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", ONLY, "--out", str(tmp_path / "out"), "--device", "cpu"]
    done = subprocess.run(
        [*command, "--minutes", "0.2"], cwd=packed, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-2000:]
    record = read_record(tmp_path / "out")
    assert (record["status"], record["share"], record["steps"]) == ("done", 1.0, 12)
    assert record["seed"] == 7 and record["recipe_toml"] == TINY_RECIPE
    assert unpacking.main(["--results", str(tmp_path / "out"), "--run", str(tmp_path / "run")]) == 0
    net = load_checkpoint(tmp_path / "run" / "iast.safetensors")
    image = net.cut(2)(torch.rand(1, 3, 32, 32), *net.encode_style(torch.rand(1, 3, 32, 32)))
    assert torch.isfinite(image).all()
    more = made_pack(data, tmp_path / "more", "--resume", str(tmp_path / "run"))
    subject = session(more, tmp_path / "next")
    # The schedule had ended: it goes on from its middle, with the log so far.
    assert (subject.trainer.step, subject.trainer.position) == (record["steps"], 30.0)
    assert (tmp_path / "next" / "log.csv").read_text().startswith("step,loss,content")


def test_the_rehearsal_leaves_no_trace_in_the_network(packed: Path, tmp_path: Path) -> None:
    subject = session(packed, tmp_path)
    before = {k: v.clone() for k, v in subject.trainer.objective.state_dict().items()}
    assert len(subject._rehearse()) == 2
    assert (subject.trainer.step, subject.trainer.position) == (0, 0.0)
    for key, value in before.items():
        assert torch.equal(subject.trainer.objective.state_dict()[key], value)
    assert not subject.trainer.optimizer.state_dict()["state"]


def test_a_box_too_short_and_files_too_large_are_refused_in_the_rehearsal(
    packed: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="--minutes"):
        session(packed, tmp_path / "short", minutes=1e-4).run()
    with pytest.raises(UsageError, match="more than a file may"):
        session(packed, tmp_path / "large", file_limit_mib=0.01).run()


def test_a_run_told_to_stop_ends_and_keeps_its_place(packed: Path, tmp_path: Path) -> None:
    subject = session(packed, tmp_path, minutes=5.0)
    draw, drawn = subject.draw, []

    def draw_and_stop(rng: np.random.Generator) -> Any:
        drawn.append(rng)
        subject.cut = len(drawn) > 12
        return draw(rng)

    subject.draw = draw_and_stop  # type: ignore[method-assign]
    subject.run()
    record = read_record(tmp_path)
    assert record["status"] == "cut" and 0.0 < record["share"] < 0.9
    assert unpacking.check(tmp_path)["steps"] == record["steps"]


def test_a_loss_that_is_not_finite_goes_back_and_is_given_up_in_the_end(
    packed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = session(packed, tmp_path, minutes=5.0)
    seconds = subject._rehearse

    def rehearse() -> list[float]:
        found = seconds()
        monkeypatch.setattr(subject.trainer, "train_step", broken)
        return found

    def broken(batch: object) -> dict[str, torch.Tensor]:
        raise FloatingPointError("step 3: the loss is nan")

    monkeypatch.setattr(subject, "_rehearse", rehearse)
    with pytest.raises(CannotJudgeError, match="4 times"):
        subject.run()
    assert len(subject.record.body["went_back"]) == 4


@pytest.mark.parametrize("status", ["done", "running"])
def test_results_that_are_not_what_the_record_names_are_refused(
    packed: Path, tmp_path: Path, status: str
) -> None:
    subject = session(packed, tmp_path)
    subject.trainer.save(tmp_path)
    Record(tmp_path, subject._facts([0.1, 0.1])).write(status)
    assert unpacking.check(tmp_path)["status"] == status
    subject.trainer.step = 5
    subject.trainer.save(tmp_path)  # after its last record, as a killed run may
    if status == "running":
        unpacking.check(tmp_path)
    else:
        with pytest.raises(InputError, match=r"weights.pt is not what run.json names"):
            unpacking.check(tmp_path)
    whole = (tmp_path / "weights.pt").read_bytes()
    (tmp_path / "weights.pt").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=r"weights.pt is not what run.json names"):
        unpacking.check(tmp_path)


def test_results_never_replace_a_later_run_or_another_folder(packed: Path, tmp_path: Path) -> None:
    subject = session(packed, tmp_path / "out")
    subject.trainer.save(tmp_path / "out")
    Record(tmp_path / "out", subject._facts([0.1])).write("running")
    subject.trainer.step = 9
    subject.trainer.save(tmp_path / "run")
    with pytest.raises(UsageError, match="at step 9, the results at 0"):
        unpacking.unpack(tmp_path / "out", tmp_path / "run")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "a.txt").write_text("kept")
    with pytest.raises(UsageError, match="is no run"):
        unpacking.unpack(tmp_path / "out", tmp_path / "mine")


def test_a_box_lays_the_schedule_over_the_time_that_is_left() -> None:
    now = [100.0]
    box = TimeBox(60.0, 90.0, clock=lambda: now[0], reserved_s=10.0)
    box.lay(20.0, 100.0, least_s=5.0)
    assert box.training_s == 40.0
    for seconds, position in ((0.0, 20.0), (10.0, 40.0), (40.0, 100.0), (50.0, 100.0)):
        now[0] = 100.0 + seconds
        assert box.position(7) == pytest.approx(position)
    with pytest.raises(UsageError, match="--minutes"):
        box.lay(0.0, 1.0, least_s=5.0)


@pytest.mark.parametrize(("name", "first"), [("iast_gpu", 4), ("iast2_gpu", 2)])
def test_a_gpu_recipe_has_phases_and_smaller_batches_to_try_it(name: str, first: int) -> None:
    recipe = TrainingRecipe.read(RECIPES / f"{name}.toml")
    assert [recipe.at(step).crop_px for step in recipe.starts] == [128, 192, 256]
    assert recipe.starts[1] >= 0.5 * recipe.steps
    small = divided(recipe, 24)
    assert [(small.at(s).batch, small.at(s).face_samples) for s in small.starts] == [
        (first, 1),
        (2, 1),
        (2, 1),
    ]


def test_the_second_network_travels_and_leaves_a_checkpoint_of_its_kind(
    data: Path, tmp_path: Path
) -> None:
    second = TINY_RECIPE.replace("blocks = 2\n", "blocks = [1, 2]\ncoarse_blocks = [0, 1]\n")
    recipe = tmp_path / "second.toml"
    recipe.write_text('kind = "iast2"\n' + second.replace("[network]", "[network]\nskip_rank = 4"))
    given = ["--data", str(data), "--out", str(tmp_path / "pack"), "--recipe", str(recipe)]
    assert packing.main(given) == 0
    subject = session(tmp_path / "pack", tmp_path / "out")
    subject.trainer.train_step(subject.draw(subject.trainer.rng()))
    leave(subject.trainer, subject.pack, tmp_path / "out")
    assert isinstance(load_checkpoint(tmp_path / "out" / CHECKPOINT), IAST2)
    assert cv2.imread(str(tmp_path / "out" / "sheet.png")) is not None


def test_without_a_gpu_the_command_says_how_to_try_it(
    packed: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    given = ["--pack", str(packed), "--out", str(tmp_path)]
    assert running.main(given) == 3
    assert "--device cpu" in capsys.readouterr().err
    monkeypatch.setattr(running, "NEEDED", ("torch", "not_installed_anywhere"))
    assert running.main(given) == 3
    assert "not_installed_anywhere missing here" in capsys.readouterr().err
