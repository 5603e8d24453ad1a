"""All cores work, and nobody can tell from the results."""

from __future__ import annotations

import threading

import pytest

from iast_export.build import together as module
from iast_export.build.together import together
from iast_export.errors import InputError


def test_results_come_in_the_order_of_the_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usable_cores", lambda: 2)
    started = threading.Barrier(2, timeout=60)

    def work(piece: int, threads: int) -> tuple[int, int]:
        if piece < 2:
            started.wait()  # both are at work at once
        return piece, threads

    assert together(work, [1, 0, 2]) == [(1, 1), (0, 1), (2, 1)]


def test_fewer_pieces_than_cores_get_several_threads_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usable_cores", lambda: 8)
    assert together(lambda piece, threads: threads, ["one", "two", "three"]) == [2, 2, 2]
    assert together(lambda piece, threads: threads, ["alone"]) == [8]
    assert together(lambda piece, threads: threads, []) == []


def test_large_pieces_have_all_cores_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usable_cores", lambda: 4)
    order: list[int] = []

    def work(piece: int, threads: int) -> tuple[int, int]:
        order.append(piece)
        return piece, threads

    found = together(work, [1, 9, 2, 8], lambda piece: piece > 5)
    assert found == [(1, 2), (9, 4), (2, 2), (8, 4)]
    assert order[:2] == [9, 8] and set(order[2:]) == {1, 2}


def test_an_error_of_a_piece_is_the_error_of_all() -> None:
    def work(piece: int, threads: int) -> int:
        if piece == 1:
            raise InputError("no picture", "give one")
        return piece

    with pytest.raises(InputError, match="no picture"):
        together(work, [0, 1, 2])
