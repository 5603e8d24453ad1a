"""Files are re-shaped by what the trace says; what it can't follow is named."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from iast_export.build.convert import convert_fp32
from iast_export.build.shapes import proof_shapes, prove_shapes
from iast_export.build.tracing import pseudo_photograph
from iast_export.errors import InputError
from iast_export.gate.shape_sides import Graph, side_faults
from iast_export.runtimes.compiled import open_compiled
from iast_export.runtimes.litert import open_litert
from iast_export.runtimes.pytorch import TorchSession
from iast_export.runtimes.target import TARGETS, stylize_tier
from iast_export.shapes.derive import derive
from iast_export.shapes.table import read_table, write_table
from iast_export.specs import CONTENT, STYLIZED, Tier
from tests.litert_cases import TIERS, converted, feeds, quantized
from tests.tiny_networks import OneTier, tiny_codes

TIER = Tier(1, 32)
OTHER_SHAPES = [(8, 8), (20, 12), (4 * 11, 8), (12, 40), (64, 8)]


class Attentive(nn.Module):
    """What people's networks have: strides, instance norms, attention over pixels, a squeeze, a
    transposed convolution, a crop, enlarging."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.down = nn.Conv2d(3, 8, 4, 2, 1)
        self.further = nn.Conv2d(8, 8, 3, 2, 1)
        self.norm = nn.InstanceNorm2d(8, affine=True)
        self.query, self.key = nn.Conv2d(8, 4, 1), nn.Conv2d(8, 4, 1)
        self.squeeze = nn.Linear(8, 8)
        self.up, self.last = nn.ConvTranspose2d(8, 8, 2, 2), nn.Conv2d(8, 3, 3, padding=1)

    def forward(self, content: Tensor) -> Tensor:
        near = torch.relu(self.down(content))
        x = self.norm(self.further(near))
        flat = x.flatten(2)
        weights = self.query(x).flatten(2).transpose(1, 2) @ self.key(x).flatten(2)
        x = x + (flat @ torch.softmax(weights, 1)).reshape(x.shape)
        variance, mean = torch.var_mean(x, (2, 3), keepdim=True)
        x = (x - mean) / torch.sqrt(variance + 1e-3)
        gate = torch.sigmoid(self.squeeze(F.adaptive_avg_pool2d(x, 1).flatten(1)))
        x = F.pad(self.up(x * gate[:, :, None, None]), (2, 2, 2, 2), mode="reflect")[
            :, :, 2:-2, 2:-2
        ]
        return torch.sigmoid(self.last(F.interpolate(x + near, scale_factor=2, mode="nearest")))


class Placed(nn.Module):
    """Adds a number of its own to every pixel, for one size of picture."""

    def __init__(self) -> None:
        super().__init__()
        self.grid = nn.Parameter(torch.rand(1, 3, 32, 32))
        self.last = nn.Conv2d(3, 3, 1)

    def forward(self, content: Tensor) -> Tensor:
        return torch.sigmoid(self.last(content + self.grid))


@cache
def file_of(kind: type[nn.Module], folder: Path) -> tuple[OneTier, Path]:
    network, path = OneTier(kind()), folder / f"{kind.__name__}.tflite"
    convert_fp32(network, [TIER], path)
    return network, path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shapes")


def test_a_network_with_much_in_it_is_itself_at_every_shape(folder: Path) -> None:
    network, path = file_of(Attentive, folder)
    data, table = path.read_bytes(), derive(path.read_bytes(), 4)
    assert not table.fixed
    reference = TorchSession(network.module, [])
    own = Graph(table.reshape(data, TIER.signature, *TIER.shape_px))
    for height, width in OTHER_SHAPES:
        fed = {CONTENT: pseudo_photograph(height, width)}
        wanted = reference.run(fed)[STYLIZED]
        shaped = table.reshape(data, TIER.signature, height, width)
        assert not list(side_faults(own, Graph(shaped), height, width))
        for session in (open_litert(shaped), open_compiled(shaped)):
            assert np.abs(session.run(fed)[STYLIZED] - wanted).max() < 1e-4, (height, width)


def test_what_can_not_be_followed_is_named_and_nothing_is_written(folder: Path) -> None:
    network, path = file_of(Placed, folder)
    for table in (derive(path.read_bytes(), 4), *prove_shapes(network, [TIER], [path])):
        assert table.find(TIER.signature) is None
        assert "ADD" in table.fixed[TIER.signature]
        with pytest.raises(InputError, match="can't be re-shaped"):
            table.reshape(path.read_bytes(), TIER.signature, 32, 32)


def test_every_precision_of_a_bundle_is_proved_and_drawn_at_the_pictures_shape() -> None:
    network, fp32, _ = converted()
    paths = [fp32, *(quantized(one)[0] for one in ("fp16", "dynamic_int8", "int8"))]
    tiers = list(TIERS)
    tables = prove_shapes(network, tiers, paths)
    rgb = np.ascontiguousarray(
        (pseudo_photograph(18, 27)[0] * 255).astype(np.uint8).transpose(1, 2, 0)
    )
    target, drawn = TARGETS["litert"], []
    for path, table in zip(paths, tables, strict=True):
        assert not table.fixed
        again = read_table(write_table(table), path.read_bytes(), path)
        assert write_table(again) == write_table(table)
        session = target.open(path.read_bytes(), tiers[0], shapes=again)
        drawn.append(stylize_tier(target.family, session, rgb, tiny_codes("iast"), tiers[0], 4))
    assert all(np.abs(one.astype(int) - drawn[0]).mean() < 8 for one in drawn)
    own = open_litert(fp32, tiers[0].signature).run(feeds(network, 32))[STYLIZED]
    shaped = tables[0].reshape(fp32.read_bytes(), tiers[0].signature, 32, 32)
    assert np.array_equal(open_litert(shaped).run(feeds(network, 32))[STYLIZED], own)


def test_a_wrong_table_is_found_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    network, path = file_of(Attentive, folder)
    right = derive

    def wrong(data: bytes, multiple_px: int) -> object:
        table = right(data, multiple_px)
        (one,) = table.signatures
        numbers = dict(one.numbers)
        moved = next(n for n in numbers if not n.is_constant)
        del numbers[moved]
        left = type(one)(one.key, one.before, one.behind, numbers)
        return type(table)(table.model_sha256, multiple_px, (left,), {})

    monkeypatch.setattr("iast_export.build.shapes.derive", wrong)
    (table,) = prove_shapes(network, [TIER], [path])
    assert table.find(TIER.signature) is None and " px" in table.fixed[TIER.signature]


def test_proof_is_at_small_narrow_odd_and_larger_shapes() -> None:
    found = proof_shapes(Tier(1, 1024), 4)
    assert (16, 16) in found and all(side % 4 == 0 for shape in found for side in shape)
    assert any(h * 10 <= w + 40 for h, w in found) and any(w * 9 <= h for h, w in found)
    assert max(max(shape) for shape in found) > 1024
    assert any(h // 4 % 2 and w // 4 % 2 for h, w in found)


def test_tables_that_are_none_or_of_another_model_are_refused(folder: Path) -> None:
    _, path = file_of(Attentive, folder)
    data = path.read_bytes()
    text = write_table(derive(data, 4)).decode()
    for broken, words in (
        ("{", "not valid JSON"),
        ('{"schema_version":1}', "no table of shapes"),
        (text.replace('"schema_version":1', '"schema_version":1,"schema_version":1'), "twice"),
        (text.replace('"schema_version":1', '"schema_version":9'), "version 9"),
        (text.replace('"size_multiple_px":4', '"size_multiple_px":0'), "size_multiple_px is 0"),
        (text.replace('"is":[', '"is":[0.5,', 1), "not whole"),
        (text.replace('"at":[', f'"at":[{9 * len(data)},', 1), "beyond its model"),
    ):
        with pytest.raises(InputError, match=words):
            read_table(broken.encode(), data, "a file")
    with pytest.raises(InputError, match="another model"):
        read_table(text.encode(), data + b"\0", "a file")
