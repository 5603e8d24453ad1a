"""INT8 of every runtime, asked in one way."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from iast_export.families import FAMILIES
from iast_export.quantize.calibrate import collect
from iast_export.quantize.learned import Learned
from iast_export.quantize.quantizer import QUANTIZERS
from iast_export.runtimes.target import TARGETS
from iast_export.specs import RUNTIMES, Runtime
from tests.litert_cases import TIERS, converted, feeds
from tests.tiny_networks import tiny_onnx

TIER = TIERS[0]


def fp32_of(runtime: Runtime) -> Path:
    """A file of two tiers where the format has such, else of one."""
    one_tier = tiny_onnx("iast", TIER.depth, TIER.max_side_px)
    return converted()[1] if FAMILIES[runtime].fixed_shape else one_tier


def test_every_runtime_of_a_manifest_is_quantized() -> None:
    assert tuple(QUANTIZERS) == RUNTIMES


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_tier_alone_is_observed_written_and_described(runtime: Runtime, tmp_path: Path) -> None:
    fp32, own = fp32_of(runtime), QUANTIZERS[runtime]
    fed = [feeds(converted()[0], TIER.max_side_px, seed) for seed in range(2)]
    learned = Learned(collect(own.observe(fp32, TIER, 1), fed))
    names = [group.name for group in own.groups(fp32, TIER)]
    assert len(names) > 3 and len(set(names)) == len(names)
    path, alone = tmp_path / "int8", own.fp32_alone(fp32, TIER)
    own.write_tier(fp32, TIER, learned, path, [], "float32")
    whole = own.describe_work(path, TIER)
    own.write_tier(fp32, TIER, learned, path, names[:2], "float32")
    assert "convolutions" in whole and own.describe_work(path, TIER) != whole
    for data in (alone, path.read_bytes()):
        drawn = TARGETS[runtime].open(data, TIER).run(fed[0])["stylized"]
        assert drawn.shape == (1, 3, 32, 32) and np.isfinite(drawn).all()
