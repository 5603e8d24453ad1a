"""What a run in a box keeps: its time, and a record of each file that it left."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from iast_export.errors import InputError, UsageError
from iast_export.files.artifacts import read_json, sha256_bytes, write_json
from models.card import card_of
from models.gpu.box import TimeBox
from models.gpu.record import NAME, Record, read_record


class Clock:
    """Seconds that pass when they are told to."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def box(clock: Clock) -> TimeBox:
    return TimeBox(60.0, 100.0, clock, reserved_s=10.0)


def test_the_reserve_is_no_time_to_train(box: TimeBox, clock: Clock) -> None:
    assert (box.spent_s, box.training_s) == (0.0, 50.0)
    clock.now += 20.0
    assert (box.spent_s, box.training_s) == (20.0, 30.0)


def test_a_schedule_lies_over_the_time_that_is_left(box: TimeBox, clock: Clock) -> None:
    clock.now += 10.0
    box.lay(0.5, 1.0, least_s=1.0)
    seen = []
    for _ in range(6):
        seen.append(box.position(0))
        clock.now += 10.0
    assert seen == pytest.approx([0.5, 0.625, 0.75, 0.875, 1.0, 1.0])


def test_a_box_that_leaves_too_little_says_how_many_minutes_it_takes(
    box: TimeBox, clock: Clock
) -> None:
    clock.now += 45.0
    with pytest.raises(UsageError, match="leaves 5 s to train") as caught:
        box.lay(0.0, 1.0, least_s=30.0)
    assert caught.value.remedy == f"give --minutes {(45 + 10 + 30) / 60 + 0.1:.1f} or more"


def test_a_record_names_the_files_that_are_there_and_grows(tmp_path: Path) -> None:
    record = Record(tmp_path, {"seed": 3})
    record.write("running")
    (tmp_path / "weights.pt").write_bytes(b"w")
    (tmp_path / "other.txt").write_bytes(b"no result")
    record.write("done", {"step": 5})
    body = read_record(tmp_path)
    assert body["files"] == {"weights.pt": sha256_bytes(b"w")}
    assert (body["seed"], body["status"], body["checkpoints"]) == (3, "done", [{"step": 5}])


@pytest.mark.parametrize("change", [{"schema_version": 2}, {"status": "lost"}])
def test_a_record_of_another_version_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    Record(tmp_path, {}).write("cut")
    write_json(tmp_path / NAME, read_json(tmp_path / NAME) | change)
    with pytest.raises(InputError, match="of another version"):
        read_record(tmp_path)


def test_a_folder_without_a_record_is_no_result(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=f"has no {NAME}"):
        read_record(tmp_path)


@pytest.mark.parametrize(
    ("depths", "words"),
    [((1,), "one depth"), ((1, 2, 3, 4), "four depths"), (tuple(range(6)), "6 depths")],
)
def test_a_card_says_its_depths_and_keeps_what_it_is_given(
    depths: tuple[int, ...], words: str
) -> None:
    class Net:
        pass

    net = Net()
    net.depths = depths  # type: ignore[attr-defined]
    counts = {"photographs": 5, "artworks": 7, "drawn_artworks": 3}
    card = card_of(net, counts, {"steps": 9}, {"ssim": 0.5})
    assert words in card["name"] and card["training"] == {"steps": 9}
    assert {**counts, **card["data"]} == card["data"] and card["metrics"] == {"ssim": 0.5}
    assert "ink wash drawn by this project" in card["data"]["sources"]
    assert "ink" not in card_of(net, {"artworks": 7}, {}, {})["data"]["sources"]
