"""Tables of statistics: bytes before a file make of it what an edit in memory does, bit for bit."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
import pytest

from iast_export.errors import InputError
from iast_export.formats import tflite_check
from iast_export.formats import tflite_file as tf
from iast_export.forms import lift_beside
from iast_export.forms.lift_beside import TileFacts, derive_lifted
from iast_export.forms.lift_litert import LiteRtLift
from iast_export.runtimes.litert import open_litert
from iast_export.runtimes.session import Array
from iast_export.shapes.derive import derive
from iast_export.shapes.lifted import LiftedTable, read_lifted, write_lifted
from iast_export.shapes.table import ShapeTable
from iast_export.specs import CONTENT, PIXEL_WEIGHT
from tests.forms.test_lift import FORMS, TIER, made

KEY = TIER.signature
SIZE = 20, 28  # height and width in px, unlike any that was converted


def table_of(data: bytes) -> LiftedTable:
    table = derive_lifted(data, 4, {KEY: TileFacts(4, 12)})
    found = read_lifted(write_lifted(table), table.model_sha256, len(data), "the table")
    assert found == table
    return table


def run(model: bytes, key: str, feeds: dict[str, Array]) -> dict[str, Array]:
    session = open_litert(model, key)
    return session.run({name: feeds[name] for name in session.input_names})


@pytest.mark.parametrize("form", FORMS)
def test_each_program_is_what_editing_the_re_shaped_file_makes(form: str) -> None:
    data = made("litert", form)
    table, shapes = table_of(data), derive(data, 4)
    assert not table.left_out
    (tier,) = table.tiers
    edited = LiteRtLift(shapes.reshape(data, KEY, *SIZE), KEY)
    noise = np.random.default_rng(4)
    feeds = {
        CONTENT: noise.random((1, 3, *SIZE), np.float32),
        PIXEL_WEIGHT: noise.random((1, 1, *SIZE), np.float32),
    }
    wanted = [(one.key, edited.measure(level)) for level, one in enumerate(tier.measure)]
    for key, model in [*wanted, (tier.render.key, edited.render())]:
        found = run(table.reshape(data, key, *SIZE), key, feeds)
        for name, values in run(model, KEY, feeds).items():
            assert np.array_equal(found[name], values), (key, name)
        feeds |= found
    assert {site.name: site.shape for site in edited.sites} == dict(tier.moments)


def test_weights_are_stored_once_and_the_file_stands_as_it_was() -> None:
    data = made("litert", "instance normalization")
    table = table_of(data)
    longer = table.before + data + table.behind
    before, after = tf.parse(data), tf.parse(longer)
    assert longer[len(table.before) :][: len(data)] == data
    kept = tf.count_bytes(after).unique_weight_bytes - tf.count_bytes(before).unique_weight_bytes
    assert 0 <= kept < 100
    (tier,) = table.tiers
    keys = [one.key for one in chain([tier.render], tier.measure)]
    assert [one.key for one in tf.signatures(after)] == keys


def test_parts_that_many_programs_share_are_no_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    data, allowed = made("litert", "instance normalization"), []

    def derived(*given: Any, times: int) -> ShapeTable:
        allowed.append(times)
        return derive(*given, times=times)

    monkeypatch.setattr(lift_beside, "derive", derived)
    table = table_of(data)
    longer, programs = table.before + data + table.behind, 1 + len(table.tiers[0].measure)
    assert allowed == [1 + programs]
    # As of a file that is large beside the slack, whose tables more programs visit than it holds.
    monkeypatch.setattr(tflite_check, "_SLACK_BYTES", -len(longer))
    with pytest.raises(InputError, match="its parts overlap"):
        derive(longer, 4)
    assert len(derive(longer, 4, times=1 + programs).signatures) == programs


def test_what_was_not_asked_for_is_left_out() -> None:
    data = made("litert", "squeeze and excite")
    table = derive_lifted(data, 4, {})
    assert (table.tiers, table.before, table.shapes) == ((), b"", None)
