"""What computes in integers, at which scale, in which groups, and why the rest does not: pinned."""

from __future__ import annotations

import json

import pytest

from iast_export.files.artifacts import json_bytes
from tests.decision_cases import CASES, FOLDER, decisions_of


@pytest.mark.parametrize("name", CASES)
def test_the_decisions_over_a_network_are_those_that_were_pinned(name: str) -> None:
    pinned = json.loads((FOLDER / f"{name}.json").read_bytes())
    assert json.loads(json_bytes(decisions_of(name))) == pinned
