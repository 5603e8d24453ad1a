"""What was proved of a file is not proved again in the same run."""

from __future__ import annotations

from iast_export.build.once import Once


def test_a_result_is_made_once_for_what_decides_it_none_too() -> None:
    made: list[str] = []

    def make(name: str) -> None:
        made.append(name)

    once = Once()
    for name in ("a", "b", "a", "b"):
        assert once(("fault", name), lambda name=name: make(name)) is None
    assert made == ["a", "b"]
    assert Once()("a", lambda: 2) == 2
