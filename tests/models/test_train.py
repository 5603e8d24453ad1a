"""The training loop: every recipe learns, a resumed run goes the same way, processes agree."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from iast_export.errors import RecipeError
from iast_export.network.checkpoint import load_checkpoint, save_checkpoint
from iast_export.network.iast2 import IAST2
from models.batch import Batch
from models.card import card_of
from models.crops import Square, cut_squares
from models.data import held_out, training_files
from models.faces import LandmarkNetwork
from models.faces.crops import FaceStore
from models.journal import Journal, Sampler
from models.losses import rolled
from models.networks import Student, build, load_trainable, style_network
from models.objective import Helpers, Seen
from models.recipe import LossWeights, Phase, TrainingRecipe
from models.train import train
from models.trainer import Trainer
from tests.training_cases import CPU, RECIPES, draw_pictures, list_faces, stores, tiny, vgg

ALL = sorted(path.relative_to(RECIPES).as_posix() for path in RECIPES.rglob("*.toml"))
TRAINED = [name for name in ALL if name != "styles.toml"]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_pictures(tmp_path_factory.mktemp("images"))


@pytest.fixture(scope="module")
def recipe() -> TrainingRecipe:
    return tiny(TrainingRecipe.read(RECIPES / "iast.toml"), sandwich=True)


def helpers(recipe: TrainingRecipe) -> Helpers:
    torch.manual_seed(2)
    teacher = build(tiny(TrainingRecipe.read(RECIPES / "teacher.toml")))
    return Helpers(
        vgg(),
        teacher if recipe.loss.distills else None,
        LandmarkNetwork() if recipe.loss.faces else None,
    )


def trainer(recipe: TrainingRecipe) -> Trainer:
    return Trainer(recipe, helpers(recipe), CPU)


def source(images: Path, recipe: TrainingRecipe) -> Any:
    contents, styles = stores(images, recipe)
    faces = (
        FaceStore(list_faces(images), images, recipe.crop_px, CPU) if recipe.loss.faces else None
    )
    return lambda rng: Batch.draw(contents, styles, recipe, rng, faces)


def with_terms(recipe: TrainingRecipe, **weights: float) -> TrainingRecipe:
    return replace(recipe, loss=replace(recipe.loss, **weights))


@pytest.mark.parametrize("name", TRAINED)
def test_every_recipe_lowers_its_loss_on_a_fixed_batch(images: Path, name: str) -> None:
    # A critic learns too, so what it asks for is no loss that must fall: its own is, below.
    read = TrainingRecipe.read(RECIPES / name)
    # Behind encoders of random weights a teacher flattens its picture first, for some 30 steps.
    steps, rate = (60, 1e-3) if read.kind == "teacher" else (20, 2e-3)
    recipe = with_terms(tiny(read, learning_rate=rate), adversarial=0.0)
    values = [terms["loss"].item() for terms in train_steps(recipe, images, steps)]
    assert np.median(values[-5:]) < 0.9 * np.median(values[:3])


@pytest.mark.parametrize(
    "name", [n for n in TRAINED if TrainingRecipe.read(RECIPES / n).loss.adversarial]
)
def test_every_adversarial_recipe_trains_its_critic_in_20_steps(images: Path, name: str) -> None:
    recipe = tiny(TrainingRecipe.read(RECIPES / name), learning_rate=2e-3)
    found = train_steps(recipe, images, 20)
    assert all(torch.isfinite(terms["loss"]) for terms in found)
    critic = [terms["critic"].item() for terms in found]
    assert min(critic) < 0.9 * critic[0]  # each step draws other patches, so it falls with jumps


def train_steps(recipe: TrainingRecipe, images: Path, steps: int) -> list[Any]:
    """The terms of each step at full depth on one batch."""
    subject = trainer(recipe)
    batch = source(images, recipe)(np.random.default_rng(0))
    subject.observe([batch])
    subject._depths = lambda: subject.objective.trained.depths[-1:]  # type: ignore[method-assign]
    return [subject.train_step(batch) for _ in range(steps)]


def test_face_terms_are_computed_where_they_weigh_and_only_there(
    images: Path, recipe: TrainingRecipe
) -> None:
    plain = trainer(recipe).train_step(source(images, recipe)(np.random.default_rng(0)))
    assert not any(name.startswith("face") for name in plain)
    faced = with_terms(replace(recipe, face_samples=1), face_geometry=1.0, face_identity=0.5)
    terms = trainer(faced).train_step(source(images, faced)(np.random.default_rng(0)))
    assert terms["face_geometry"] >= 0 and "face_identity" in terms and "face_parts" not in terms
    with pytest.raises(ValueError, match="--faces LISTING"):
        trainer(faced).train_step(source(images, recipe)(np.random.default_rng(0)))


def test_a_recipe_is_refused_without_the_network_its_losses_need(recipe: TrainingRecipe) -> None:
    with pytest.raises(ValueError, match="--teacher"):
        Trainer(with_terms(recipe, teacher_image=1.0), Helpers(vgg()), CPU)
    with pytest.raises(ValueError, match="--landmarks"):
        Trainer(with_terms(recipe, face_parts=1.0), Helpers(vgg()), CPU)
    with pytest.raises(ValueError, match="--backbone resnet50=PATH"):
        other = tiny(TrainingRecipe.read(RECIPES / "teacher.toml"))
        build(replace(other, network=replace(other.network, content="resnet50")))


@pytest.mark.parametrize(
    "terms",
    [{}, {"steady": 1.0}, {"teacher_features": 1.0, "teacher_image": 1.0, "adversarial": 0.1}],
)
def test_a_resumed_run_takes_the_same_steps(
    images: Path, recipe: TrainingRecipe, tmp_path: Path, terms: dict[str, float]
) -> None:
    recipe = with_terms(recipe, **terms)
    draw = source(images, recipe)

    def go(subject: Trainer, steps: int) -> None:
        for _ in range(steps):
            subject.train_step(draw(subject.rng()))

    whole, first, second = trainer(recipe), trainer(recipe), trainer(recipe)
    go(whole, 4)
    go(first, 2)
    first.save(tmp_path)
    assert second.resume(tmp_path)
    assert second.step == 2
    go(second, 2)
    for key, value in whole.objective.state_dict().items():
        torch.testing.assert_close(second.objective.state_dict()[key], value, atol=1e-6, rtol=1e-5)
    for key, value in whole.ema.items():
        torch.testing.assert_close(second.ema[key], value, atol=1e-6, rtol=1e-5)


def test_a_run_starts_from_another_but_for_what_is_fresh(
    recipe: TrainingRecipe, tmp_path: Path
) -> None:
    first = trainer(recipe)
    first.save(tmp_path)
    second = trainer(replace(recipe, seed=1, fresh=("blocks.",)))
    taken = second.start_from(tmp_path / "weights.pt")
    assert torch.equal(second.net.stem.conv.weight, first.net.stem.conv.weight)
    assert not any(name.startswith("blocks.") for name in taken)
    assert not torch.equal(
        second.net.blocks[0].conv1.conv.weight, first.net.blocks[0].conv1.conv.weight
    )


def test_the_end_recalibrates_normalization_and_leaves_a_network_that_loads(
    images: Path, recipe: TrainingRecipe, tmp_path: Path
) -> None:
    recipe = replace(recipe, steps=2, log_every=1)
    subject = trainer(recipe)
    rows = list(train(subject, source(images, recipe), tmp_path, limit_s=1e9))
    assert [row["step"] for row in rows] == [1.0, 2.0]
    state = torch.load(tmp_path / "weights.pt", weights_only=True)["ema"]
    # 2 batches over four depths: the first block runs in all, the last in the deepest alone.
    assert state["blocks.0.norm1.num_batches_tracked"] == 8
    assert state["blocks.3.norm1.num_batches_tracked"] == 2
    loaded = load_trainable(tmp_path / "weights.pt")
    assert isinstance(loaded, Student)
    net = style_network(loaded)
    picture = torch.rand(1, 3, 32, 32)
    image = net.cut(4)(picture, *net.encode_style(picture))
    assert image.shape == picture.shape and torch.isfinite(image).all()


def test_recalibrated_statistics_are_those_of_the_average(
    images: Path, recipe: TrainingRecipe
) -> None:
    subject = trainer(recipe)
    batch = source(images, recipe)(np.random.default_rng(3))
    assert subject.recalibrate([batch]) == 8
    module = subject.averaged().eval()
    seen: list[torch.Tensor] = []
    module.net.blocks[0].norm1.register_forward_hook(lambda _m, x, _y: seen.append(x[0]))
    code = module.encode(batch.style, {})
    module.render(batch.content, {}, code, batch.strength, 1)
    torch.testing.assert_close(
        subject.ema["blocks.0.norm1.running_mean"], seen[0].mean((0, 2, 3)), atol=1e-5, rtol=1e-4
    )


def test_a_journal_keeps_the_table_and_the_sheets_of_a_resumed_run(
    images: Path, recipe: TrainingRecipe, tmp_path: Path
) -> None:
    subject = trainer(recipe)
    sampler = Sampler(images, every=1)
    for step, resumed in ((1, False), (2, True)):
        subject.step = step
        with Journal(tmp_path, resumed, True, board=False) as journal:
            journal.write({"step": step, "loss": 1.5})
            assert sampler.draw(subject, journal) == tmp_path / f"sheet-{step:06d}.png"
            assert sampler.draw(subject, journal) is None
    assert (tmp_path / "log.csv").read_text().split() == ["step,loss", "1,1.5", "2,1.5"]
    with pytest.raises(FileNotFoundError, match="sheet_every = 0"):
        Sampler(images / "style", every=1)


def test_curves_go_to_tensorboard(tmp_path: Path) -> None:
    with Journal(tmp_path, False, True, board=True) as journal:
        journal.write({"step": 1, "loss": 1.5})
        journal.picture("sheet", np.zeros((8, 8, 3), np.uint8), 1)
    assert next((tmp_path / "tensorboard").glob("events.*")).stat().st_size > 100


def test_two_processes_end_with_the_same_network_trained_on_both_halves(
    images: Path, recipe: TrainingRecipe, tmp_path: Path
) -> None:
    worker = Path(__file__).parents[1] / "two_processes.py"
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--master-port",
        "0",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [*command, "--standalone", str(worker), str(images), str(tmp_path)],
        env=environment, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    one, two = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in (0, 1))
    for key, value in one["net"].items():
        if "running" not in key:  # each process normalizes by its own pictures
            torch.testing.assert_close(two["net"][key], value, atol=0.0, rtol=0.0)
    assert one["first_content"] != two["first_content"]
    assert one["loss"] != two["loss"]
    saved = torch.load(tmp_path / "run" / "weights.pt", weights_only=True)
    assert saved["step"] == 3
    # One process with both halves in turn takes the same first step as two with one each.
    assert one["first_gradient"] == pytest.approx(
        (one["own_gradient"] + two["own_gradient"]) / 2, rel=1e-3
    )


def test_held_out_artworks_never_train(images: Path) -> None:
    assert held_out(Path("style/oil/oil_0008.jpg"))
    assert held_out(Path("style/cartoon/toon_cafe_0001.jpg"))
    _, styles = training_files(images)
    assert styles and not any(held_out(p) for p in styles)
    with pytest.raises(FileNotFoundError, match="0 photographs"):
        training_files(images / "content")


def test_a_folder_of_artworks_that_would_go_unused_is_named(tmp_path: Path) -> None:
    draw_pictures(tmp_path)
    (tmp_path / "style" / "ink_wash").mkdir()
    with pytest.raises(ValueError, match=r"'ink_wash'.*would go unused"):
        training_files(tmp_path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [("batch =", "bach =", "unknown key 'bach'[^~]*perhaps you meant 'batch'"),
     ("seed =", 'kind = "pupil"\nseed =', "kind 'pupil' is unknown"),
     ("steps =", "# steps =", "missing 1 required positional argument: 'steps'"),
     ("detail =", "detale =", r"\[loss\]: unknown key 'detale'")],
)  # fmt: skip
def test_a_malformed_recipe_is_told_what_is_wrong(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = tmp_path / "r.toml"
    path.write_text((RECIPES / "iast.toml").read_text().replace(old, new, 1))
    with pytest.raises(RecipeError, match=message):
        TrainingRecipe.read(path)


def test_a_face_crop_holds_its_face(images: Path) -> None:
    store = FaceStore(list_faces(images), images, 32, CPU)
    crops, faces = store.batch(6, np.random.default_rng(0))
    boxes = faces.boxes
    assert crops.shape == (6, 3, 32, 32) and crops.min() >= 0 and crops.max() <= 1
    assert (boxes >= -1e-3).all() and (boxes <= 32 + 1e-3).all()
    sides = torch.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
    assert (sides > 32 / 2.5).all()


@pytest.mark.parametrize(("side", "crop"), [(60, 32), (60, 48), (20, 48), (32, 32)])
def test_squares_cut_together_are_those_that_resizing_makes_of_each(side: int, crop: int) -> None:
    pictures = [torch.randint(0, 256, (3, 64, 64 + 8 * i), dtype=torch.uint8) for i in range(3)]
    squares = [Square(i, 2 * i, side - 3 * i, i == 1) for i in range(3)]
    made = cut_squares(pictures, squares, crop)
    for result, picture, (top, left, own, mirrored) in zip(made, pictures, squares, strict=True):
        piece = picture[None, :, top : top + own, left : left + own].float() / 255.0
        wanted = F.interpolate(piece, (crop, crop), mode="bilinear", antialias=True)[0]
        torch.testing.assert_close(
            result, wanted.flip(2) if mirrored else wanted, atol=1e-5, rtol=0
        )


def test_phases_change_crop_and_batch_on_the_way(images: Path, recipe: TrainingRecipe) -> None:
    phased = replace(recipe, steps=3, phases=(Phase(2, 48, 1, 0.9),))
    subject = trainer(phased)
    contents, styles = stores(images, phased)
    seen = []

    def draw(rng: np.random.Generator) -> Batch:
        batch = Batch.draw(contents, styles, subject.current(), rng)
        seen.append(tuple(batch.content.shape))
        return batch

    assert list(train(subject, draw, images / "phased", limit_s=1e9)) == []
    assert seen[:3] == [(2, 3, 32, 32), (2, 3, 32, 32), (1, 3, 48, 48)]


def test_phases_that_do_not_rise_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    phase = "\n[[phases]]\nfrom_step = {}\ncrop_px = 64\nbatch = 2\nsmallest_crop = 0.9\n"
    path.write_text((RECIPES / "iast.toml").read_text() + phase.format(10) + phase.format(10))
    with pytest.raises(RecipeError, match=r"from_step is .* of 7500 steps"):
        TrainingRecipe.read(path)


def test_a_pace_lays_the_schedules_over_something_else_than_steps(
    images: Path, recipe: TrainingRecipe, tmp_path: Path
) -> None:
    paced = replace(recipe, steps=100, warmup_steps=10)
    subject = trainer(paced)
    subject.pace = lambda step: 25.0 * step
    assert list(train(subject, source(images, paced), tmp_path, limit_s=1e9)) == []
    assert (subject.step, subject.position) == (4, 100.0)
    assert subject.learning_rate() == pytest.approx(0.01 * paced.learning_rate)
    other = trainer(paced)
    assert other.resume(tmp_path) and other.position == 100.0


def test_weights_that_are_not_finite_never_replace_a_checkpoint(
    recipe: TrainingRecipe, tmp_path: Path
) -> None:
    subject = trainer(recipe)
    subject.save(tmp_path)
    kept = (tmp_path / "weights.pt").read_bytes()
    with torch.no_grad():
        subject.net.stem.conv.weight[0] = torch.nan
    with pytest.raises(FloatingPointError, match="a weight is not finite"):
        subject.save(tmp_path)
    assert (tmp_path / "weights.pt").read_bytes() == kept


@pytest.fixture(scope="module")
def second() -> TrainingRecipe:
    return tiny(TrainingRecipe.read(RECIPES / "iast2_gpu.toml"))


def test_a_run_of_the_second_network_loads_as_it_and_leaves_a_checkpoint(
    images: Path, second: TrainingRecipe, tmp_path: Path
) -> None:
    recipe = with_terms(replace(second, steps=2, log_every=1), adversarial=0.0)
    list(train(trainer(recipe), source(images, recipe), tmp_path, limit_s=1e9))
    net = style_network(load_trainable(tmp_path / "weights.pt"))
    save_checkpoint(net, tmp_path / "x.safetensors", card_of(net, {}, {}, {}))
    loaded = load_checkpoint(tmp_path / "x.safetensors")
    assert isinstance(loaded, IAST2) and loaded.config == recipe.network
    picture = torch.rand(1, 3, 32, 32)
    wanted, found = (n.cut(4)(picture, *n.encode_style(picture)) for n in (net, loaded))
    assert torch.equal(found, wanted) and torch.isfinite(found).all()


def test_artworks_are_seen_at_the_size_and_scale_that_the_recipe_says(
    images: Path, recipe: TrainingRecipe
) -> None:
    wide = with_terms(replace(recipe, artwork_px=48, artwork_crop=(0.5, 0.5)), adversarial=0.1)
    batch = source(images, wide)(np.random.default_rng(0))
    assert batch.content.shape[2:] == (32, 32) and batch.style.shape[2:] == (48, 48)
    own = F.interpolate(batch.content[:1], (48, 48), mode="bilinear", align_corners=False)
    assert torch.equal(batch.style[:1], own)
    assert torch.isfinite(trainer(wide).train_step(batch)["loss"])


def test_a_phase_may_change_how_artworks_are_seen(recipe: TrainingRecipe) -> None:
    phase = Phase(2, 48, 1, 0.9, artwork_px=64, artwork_crop=(0.9, 1.0))
    later = replace(recipe, artwork_crop=(0.4, 0.5), phases=(phase,)).at(2)
    assert (later.artwork_px, later.artwork_crop) == (64, (0.9, 1.0))
    plain = replace(recipe, artwork_crop=(0.4, 0.5), phases=(Phase(2, 48, 1, 0.9),)).at(2)
    assert (plain.artwork_px, plain.artwork_crop) == (0, (0.4, 0.5))


def test_photographs_move_by_whole_pixels_and_only_styled_pictures_pay(
    images: Path, recipe: TrainingRecipe
) -> None:
    steady = with_terms(recipe, steady=1.0)
    batch = source(images, steady)(np.random.default_rng(0))
    assert (
        batch.moved is not None and source(images, recipe)(np.random.default_rng(0)).moved is None
    )
    back = rolled(batch.moved.content, -batch.moved.shift_px)
    assert (back - batch.content[-1:]).abs().mean() < 6.0 / 255.0
    styled = replace(batch, strength=torch.ones_like(batch.strength))
    assert trainer(steady).train_step(styled)["steady"] > 0.0
    kept = replace(batch, strength=torch.zeros_like(batch.strength))
    assert trainer(steady).train_step(kept)["steady"] == 0.0
    with pytest.raises(ValueError, match="steady = 0"):
        trainer(with_terms(tiny(TrainingRecipe.read(RECIPES / "grown.toml")), steady=1.0))


def test_noise_is_added_where_the_recipe_asks_and_only_styled_pictures_pay(
    images: Path, recipe: TrainingRecipe
) -> None:
    quiet = with_terms(recipe, noise=1.0)
    batch = source(images, quiet)(np.random.default_rng(0))
    assert source(images, recipe)(np.random.default_rng(0)).noisy is None
    assert batch.noisy is not None
    added = (batch.noisy - batch.content[-1:]).std()
    assert 1.0 / 255.0 < added < 2.1 / 255.0
    batch = replace(batch, strength=torch.ones_like(batch.strength))
    assert trainer(quiet).train_step(batch)["noise"] > 0.0
    kept = replace(batch, strength=torch.zeros_like(batch.strength))
    assert trainer(quiet).train_step(kept)["noise"] == 0.0
    with pytest.raises(ValueError, match="noise = 0"):
        trainer(with_terms(tiny(TrainingRecipe.read(RECIPES / "grown.toml")), noise=1.0))


def test_a_depth_of_its_own_does_not_follow_the_teacher(
    images: Path, recipe: TrainingRecipe
) -> None:
    batch = source(images, recipe)(np.random.default_rng(0))
    found = []
    for depths in ((), (1,), (2,)):
        subject = trainer(with_terms(recipe, teacher_image=1.0, teacher_depths=depths))
        subject._depths = lambda: (1,)  # type: ignore[method-assign]
        found.append(subject.train_step(batch)["teacher_image"].item())
    assert found[0] == found[1] > 0.0 == found[2]


def test_the_end_of_the_scale_weighs_more_where_the_recipe_says_so(
    images: Path, recipe: TrainingRecipe
) -> None:
    batch = replace(
        source(images, recipe)(np.random.default_rng(0)), strength=torch.tensor([[0.7], [1.0]])
    )
    seen = [
        Seen(batch, None, batch.content, {}, {}, {}, LossWeights(full_style=f), None)  # type: ignore[arg-type]
        for f in (0.0, 1.0)
    ]
    torch.testing.assert_close(seen[0].styled, torch.tensor([0.49, 1.0]))
    torch.testing.assert_close(seen[1].styled, torch.tensor([0.49, 2.0]))


def test_recorded_steps_train_the_same_network(images: Path, recipe: TrainingRecipe) -> None:
    quiet = {"steady": 1.0, "noise": 1.0, "adversarial": 0.0}
    plain = with_terms(replace(recipe, block_norm=False), **quiet)
    weights = []
    for recorded in (False, True):
        subject = trainer(plain)
        if recorded:
            subject.record_steps(repeated_by_hand(subject))
        draw = source(images, plain)
        rates = [subject.train_step(draw(subject.rng()))["loss"].item() for _ in range(4)]
        weights.append((rates, subject.net.state_dict()))
    (first, ours), (second, theirs) = weights
    assert first == pytest.approx(second, rel=1e-5) and len({round(r, 4) for r in first}) == 4
    assert all(torch.allclose(ours[k], theirs[k], atol=1e-5) for k in ours)


def test_a_discriminators_step_is_recorded_with_it(images: Path, recipe: TrainingRecipe) -> None:
    subject = trainer(with_terms(recipe, adversarial=0.1))
    subject.record_steps(repeated_by_hand(subject))
    assert subject.critic is not None
    before = subject.critic.net.score.weight.detach().clone()
    assert torch.isfinite(subject.train_step(source(images, recipe)(subject.rng()))["critic"])
    assert not torch.equal(before, subject.critic.net.score.weight)


def test_what_a_step_may_draw_is_all_that_it_draws(recipe: TrainingRecipe) -> None:
    for sandwich in (True, False):
        subject = trainer(replace(recipe, sandwich=sandwich))
        drawn = set()
        for step in range(60):
            subject.step = step
            drawn.add(subject._depths())
        assert drawn == set(subject.choices())


def test_a_recipe_may_say_how_often_each_depth_is_trained(recipe: TrainingRecipe) -> None:
    shared = replace(recipe, sandwich=False, depth_shares=(0.25, 0.0, 0.75, 0.0))
    subject, drawn = trainer(shared), []
    for step in range(400):
        subject.step = step
        drawn += subject._depths()
    assert set(drawn) == {1, 3} == {depth for (depth,) in subject.choices()}
    assert drawn.count(1) == pytest.approx(100, abs=35)
    for wrong, message in (
        (replace(shared, depth_shares=(0.5, 0.5)), r"each of depths \(1, 2, 3, 4\)"),
        (replace(shared, depth_shares=(0.5, 0.0, 0.6, 0.0)), "1 in all"),
        (replace(shared, sandwich=True), "sandwich = false"),
    ):
        with pytest.raises(ValueError, match=message):
            trainer(wrong)


def repeated_by_hand(subject: Trainer) -> Any:
    """What `graphs.on_cuda` gives, where work is done again by doing it again."""

    def record(work: Any) -> Any:
        found = work()
        parameters = [*subject.objective.parameters()]
        if subject.critic:
            parameters += [*subject.critic.net.parameters()]
        kept = {p: p.grad for p in parameters if p.grad is not None}

        def again() -> None:
            new = work()
            for name, value in found.items():
                value.copy_(new[name])
            for parameter, gradient in kept.items():
                gradient.copy_(parameter.grad)

        return found, again

    return record
