"""Normalizations scaled to stay within FP16: the same pictures, and no overflow any more."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from iast_export.build.convert import convert_fp32
from iast_export.formats import tflite_file as tf
from iast_export.formats import tflite_write as tw
from iast_export.forms.half_safe import make_half_safe
from iast_export.quantize.calibrate import collect
from iast_export.quantize.learned import of_signatures
from iast_export.quantize.litert.static import quantize_litert
from iast_export.quantize.observers import observe_litert
from iast_export.runtimes.half_floats import find_overflows, open_simulated
from iast_export.runtimes.half_ranges import foretell_overflows
from iast_export.runtimes.litert import open_litert
from iast_export.specs import Tier
from tests import litert_cases
from tests.half_cases import KEY, NETWORKS, case, fed, ranges
from tests.tiny_networks import OneTier


def safe(name: str) -> tuple[int, bytes]:
    model = tf.read_model(case(name))
    told = foretell_overflows(model, KEY, ranges(name))
    count = make_half_safe(model, {one.tensor: one.peak for one in told}).places
    tw.canonicalize(model)
    return count, tw.serialize(model)


@pytest.mark.parametrize(("name", "products"), [("normalized", 0), ("read twice", 1), ("sums", 0)])
def test_the_picture_is_the_same_and_nothing_overflows(name: str, products: int) -> None:
    """The weights of the convolution take the factor, or a product where it is read twice."""
    count, data = safe(name)
    given = fed()
    before = open_litert(case(name)).run(given)["stylized"]
    after = open_litert(data, KEY).run(given)["stylized"]
    assert count >= 1 and np.abs(before - after).max() < 1e-6
    assert find_overflows(data, KEY, [given]) == ()
    counts = [tf.operator_counts(one)[KEY] for one in (tf.read_model(case(name)), tf.parse(data))]
    assert counts[1].get("MUL", 0) - counts[0].get("MUL", 0) == products


def test_in_fp16_the_scaled_form_is_right_where_the_plain_one_is_not() -> None:
    wanted = open_litert(case("normalized")).run(fed())["stylized"]
    plain = open_simulated(case("normalized").read_bytes(), KEY).run(fed())["stylized"]
    scaled = open_simulated(safe("normalized")[1], KEY).run(fed())["stylized"]
    assert np.abs(plain - wanted).max() > 0.2 and np.abs(scaled - wanted).max() < 0.005


def test_what_no_normalization_divides_is_left_as_it_is() -> None:
    count, data = safe("balanced")
    assert count == 0 and data == case("balanced").read_bytes()


def test_only_the_fp16_file_of_a_network_that_would_overflow_is_changed(tmp_path: Path) -> None:
    for name, places in (("normalized", 1), ("quiet", 0)):
        made, plain = tmp_path / "made.tflite", tmp_path / "plain.tflite"
        learned = of_signatures({KEY: ranges(name)})
        assert quantize_litert(case(name), "fp16", learned, made).half_safe == places
        quantize_litert(case(name), "fp16", None, plain)
        assert (made.read_bytes() == plain.read_bytes()) == (not places)
        drawn = [open_litert(one).run(fed())["stylized"] for one in (made, plain)]
        assert np.abs(drawn[0] - drawn[1]).max() < 1e-5


def test_weights_that_signatures_share_stay_shared_where_one_alone_would_overflow(
    tmp_path: Path,
) -> None:
    path, tiers = tmp_path / "two.tflite", (Tier(1, 16), Tier(1, 32))
    convert_fp32(OneTier(NETWORKS["normalized"]()), tiers, path)
    model = tf.read_model(path)
    told = foretell_overflows(model, KEY, collect(observe_litert(path, KEY), [fed()]))
    before = tf.count_bytes(model).unique_weight_bytes
    assert make_half_safe(model, {one.tensor: one.peak for one in told}).places == 1
    tw.canonicalize(model)
    assert tf.count_bytes(model).unique_weight_bytes == before
    given = {"content": litert_cases.picture(32, 32, 6).numpy()}
    drawn = [
        open_litert(one, "d1_32px").run(given)["stylized"] for one in (path, tw.serialize(model))
    ]
    assert np.abs(drawn[0] - drawn[1]).max() < 1e-6
