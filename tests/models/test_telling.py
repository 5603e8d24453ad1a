"""What a training command tells is printed where it listens, and nowhere else."""

from __future__ import annotations

import pytest

from models.telling import aloud, tell


def test_what_is_told_is_printed_only_while_a_command_listens(
    capsys: pytest.CaptureFixture[str],
) -> None:
    tell("before")
    with aloud():
        tell("step 3, 50 % of the schedule")
    with pytest.raises(KeyError), aloud():
        raise KeyError
    tell("after")
    assert capsys.readouterr() == ("step 3, 50 % of the schedule\n", "")
