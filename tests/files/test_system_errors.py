"""Every refusal of the operating system says where, what, and what to do."""

from __future__ import annotations

import errno
import os

import pytest

from iast_export.files.system_errors import REMEDIES, of_system


@pytest.mark.parametrize("number", sorted(REMEDIES))
def test_a_refusal_names_the_file_and_a_remedy(number: int) -> None:
    found = of_system(OSError(number, os.strerror(number), "/some/file"))
    assert found is not None and found.exit_code == 3
    assert found.message == f"/some/file: {os.strerror(number)}"
    assert found.remedy == REMEDIES[number]


def test_two_files_are_both_named_and_none_is_left_out_in_words() -> None:
    two = of_system(OSError(errno.EXDEV, "Invalid cross-device link", "a", None, "b"))
    assert two is not None and two.message == "a and b: Invalid cross-device link"
    assert two.remedy == "check the path and the disk, then run it again"
    none = of_system(OSError(errno.EIO, "Input/output error"))
    assert none is not None and none.message == "Input/output error"


def test_what_the_system_gave_no_number_is_none_of_its_refusals() -> None:
    assert of_system(OSError("a library's own words")) is None
