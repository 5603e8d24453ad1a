"""What a processor has for products of 8-bit integers, and what follows for a report."""

from __future__ import annotations

import pytest

from iast_export.ladder import cpu


@pytest.mark.parametrize(
    ("architecture", "flags", "has", "lacks", "remark"),
    [
        ("x86_64", ["avx2"], ("avx2",), ("avx512_vnni", "avx_vnni", "amx_int8"), "no VNNI"),
        ("x86_64", ["avx_vnni", "sse4_1"], ("avx_vnni",), ("avx2",), "summed exactly"),
        ("aarch64", ["asimddp"], ("asimddp",), ("i8mm", "sme"), "summed exactly"),
        ("aarch64", [], (), ("asimddp", "i8mm", "sme"), "no 8-bit dot product"),
        ("riscv64", ["v"], (), (), "no 8-bit dot product"),
    ],
)
def test_the_remark_follows_from_the_flags(
    monkeypatch: pytest.MonkeyPatch,
    architecture: str,
    flags: list[str],
    has: tuple[str, ...],
    lacks: tuple[str, ...],
    remark: str,
) -> None:
    machine = {"cpu": "A", "architecture": architecture, "flags": flags}
    monkeypatch.setattr(cpu, "machine_fingerprint", lambda: machine)
    found = cpu.processor()
    assert (found.cpu, found.has) == ("A", has)
    assert set(lacks) <= set(found.lacks) and not set(has) & set(found.lacks)
    assert remark in found.remark
